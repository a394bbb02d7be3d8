"""Counts, durations and sizes as people read them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

NAMED = ("device", "model", "optimization")
"""The axes that name a cell wherever it is told of, without a word for the axis."""
CALLED = {"batch_size": "batch", "input_size": "input", "runtime": "", "scenario": "", "also": ""}
"""How an axis is called before its value, where that is not its name."""

LISTED = 8
"""Runs of numbers that are spelled out."""


def counted(count: int, noun: str) -> str:
    """``1 cell``, ``2 cells``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def duration(seconds: float) -> str:
    """To two figures or so: it is an estimate."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.1f} min" if minutes < 10 else f"{minutes:.0f} min" if minutes < 100 else f"{minutes / 60:.1f} h"


def is_number(word: str) -> bool:
    """Whether a value of an axis is one: ``4``, ``0.75``."""
    return re.fullmatch(r"[0-9]+(\.[0-9]+)?", word) is not None


def megabytes(size_bytes: int) -> str:
    """Megabytes, small ones with their first figure."""
    mb = size_bytes / 1e6
    return f"{mb:.1f} MB" if mb >= 0.1 else f"{size_bytes / 1e3:.0f} kB"


def numbers(those: Iterable[int]) -> str:
    """``3, 7-9``; after some, only that there are more."""
    runs: list[list[int]] = []
    for number in sorted(those):
        if runs and number == runs[-1][-1] + 1:
            runs[-1][1:] = [number]
        else:
            runs.append([number])
    texts = ["-".join(map(str, run)) for run in runs]
    return ", ".join(texts[:LISTED]) + (", ..." if len(texts) > LISTED else "")


def labels(cells: Mapping[int, Mapping[str, str]]) -> dict[int, str]:
    """Each cell in as many words as tell it apart: ``pi4/resnet50/int8 threads 4 batch 8``.

    ``cells``: by number, the axes as in ``Cell.axes``, with other overrides as ``also``.
    """
    axes = dict.fromkeys(axis for those in cells.values() for axis in those if axis not in NAMED)
    names = {number: "/".join(those.get(axis, "?") for axis in NAMED) for number, those in cells.items()}

    def tells_apart(axis: str) -> bool:
        """An axis that follows from the name, such as the input size of a model, says nothing more."""
        return len({(names[number], those.get(axis, "")) for number, those in cells.items()}) > len(set(names.values()))

    varying = [axis for axis in axes if tells_apart(axis)]
    said = {}
    for number, those in cells.items():
        words = [f"{CALLED.get(axis, axis)} {those[axis]}".strip() for axis in varying if those.get(axis)]
        said[number] = " ".join([names[number], *words])
    return said
