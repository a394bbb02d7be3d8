"""The history of cells on the disk: ``<root>/lab/history/<digest of the cell's id>.jsonl``, a line for each night.

Lines are only ever added. A night that came to its end a second time, as one that was resumed, is a second line, and
counts in place of the first.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from orchestrator import lines
from orchestrator.regression.entry import Entry

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
        found = {one.night: one for one in lines.parsed(self.path(cell), Entry.from_json) if one.cell == cell}
        return sorted(found.values(), key=lambda entry: (entry.at_s, entry.night))

    def cells(self) -> list[str]:
        """All cells that have a history."""
        paths = sorted(self.folder.glob("*.jsonl"))
        firsts = (next(lines.parsed(path, Entry.from_json), None) for path in paths)
        return sorted({entry.cell for entry in firsts if entry is not None})

    def add(self, entry: Entry) -> None:
        """One more night; on the disk when this returns. Raises OSError."""
        lines.add(self.path(entry.cell), entry.to_json())
