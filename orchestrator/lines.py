"""Files of JSON lines to which lines are only ever added, by several processes, whatever ends them in between."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from filelock import FileLock

T = TypeVar("T")

log = logging.getLogger(__name__)

DAMAGED = (LookupError, TypeError, ValueError, AttributeError, RecursionError, OverflowError)
"""What parsing a line that is no such line raises."""


def add(path: Path, data: Mapping[str, Any]) -> None:
    """One more line; on the disk when this returns. After a torn one it begins anew. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    line = json.dumps(data, allow_nan=False, ensure_ascii=False)
    with FileLock(path.with_name(f".{path.name}.lock")):
        torn = path.is_file() and not _ends_well(path)
        with path.open("a", encoding="utf-8") as file:
            file.write(f"\n{line}\n" if torn else f"{line}\n")
            file.flush()
            os.fsync(file.fileno())


def parsed(path: Path, parse: Callable[[dict[str, Any]], T]) -> Iterator[T]:
    """Every line that can be read; the others are left out, with a word in the log. None where there is no file."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").split(
            "\n"
        )  # no other end of a line counts: texts may hold them
    except (FileNotFoundError, NotADirectoryError):
        return
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            yield parse(json.loads(line))
        except DAMAGED as error:
            log.warning("left out: %s:%d: %s: %s", path, number, type(error).__name__, error)


def _ends_well(path: Path) -> bool:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 1))
        return size == 0 or file.read(1) == b"\n"
