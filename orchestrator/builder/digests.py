"""Digests of files and folders, computed again only where something changed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

Stamp = tuple[str, int, int]


def digest(path: Path, pattern: str = "*") -> str:
    """SHA-256 of a file's content, or of the names and contents of a folder's files that match ``pattern``.

    Raises OSError where something cannot be read.
    """
    if not path.is_dir():
        return _file_digest(path, _stamp(path, path.parent))
    return _tree_digest(path, tuple(_stamp(file, path) for file in _files(path, pattern)))


def _files(folder: Path, pattern: str, above: tuple[tuple[int, int], ...] = ()) -> Iterator[Path]:
    """In order, also those in folders that are links, but not round in circles."""
    status = folder.stat()
    here = (status.st_dev, status.st_ino)
    if here in above or folder.name == "__pycache__":
        return
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            yield from _files(path, pattern, (*above, here))
        elif path.is_file() and path.match(pattern):
            yield path


def _stamp(file: Path, root: Path) -> Stamp:
    status = file.stat()
    return str(file.relative_to(root)), status.st_mtime_ns, status.st_size


@lru_cache(maxsize=64)  # a matrix asks for the same few again and again
def _file_digest(path: Path, stamp: Stamp) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@lru_cache(maxsize=64)
def _tree_digest(root: Path, stamps: Iterable[Stamp]) -> str:
    whole = hashlib.sha256()
    for name, *_ in stamps:
        whole.update(name.encode() + b"\0" + hashlib.sha256((root / name).read_bytes()).digest())
    return whole.hexdigest()
