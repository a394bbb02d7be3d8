"""The history of cells on the disk: ``<root>/lab/history/<digest of the cell's id>.jsonl``, a line for each night.

Lines are only ever added. A night that came to its end a second time, as one that was resumed, is a second line, and
counts in place of the first.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock

from orchestrator.regression.entry import Entry

log = logging.getLogger(__name__)

FOLDER = Path("lab", "history")


class Series:
    """All cells of one root."""

    def __init__(self, root: Path) -> None:
        self.folder = root / FOLDER

    def path(self, cell: str) -> Path:
        """Where the history of a cell lies."""
        return self.folder / f"{hashlib.sha256(cell.encode()).hexdigest()[:20]}.jsonl"

    def read(self, cell: str) -> list[Entry]:
        """The nights of a cell, the oldest first; lines that cannot be read are left out, with a word in the log."""
        found = {entry.night: entry for entry in _entries(self.path(cell)) if entry.cell == cell}
        return sorted(found.values(), key=lambda entry: (entry.at_s, entry.night))

    def cells(self) -> list[str]:
        """All cells that have a history."""
        firsts = (next(_entries(path), None) for path in sorted(self.folder.glob("*.jsonl")))
        return sorted({entry.cell for entry in firsts if entry is not None})

    def add(self, entry: Entry) -> None:
        """One more night; on the disk when this returns. Raises OSError."""
        path = self.path(entry.cell)
        path.parent.mkdir(parents=True, exist_ok=True)
        line = json.dumps(entry.to_json(), allow_nan=False, ensure_ascii=False)
        with FileLock(path.with_suffix(".lock")):
            torn = path.is_file() and not path.read_bytes().endswith(b"\n")
            with path.open("a", encoding="utf-8") as file:
                file.write(f"\n{line}\n" if torn else f"{line}\n")
                file.flush()
                os.fsync(file.fileno())


def _entries(path: Path) -> Iterator[Entry]:
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            yield Entry.from_json(json.loads(line))
        except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
            log.warning("left out of the history: %s:%d: %s: %s", path, number, type(error).__name__, error)
