"""What a night adds to the run of a cell's history in a tracker; on the disk, so that a later delivery has it too."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from orchestrator.lines import DAMAGED
from orchestrator.result import write_json

FILE = "trends.json"


@dataclass(frozen=True, slots=True)
class Trend:
    """One night of a cell on a board; ``night`` counts the nights of the cell from 1. ``tags`` are the latest ones."""

    cell: str
    board: str
    name: str  # as people see it
    night: int
    at_s: float
    metrics: Mapping[str, float]
    params: Mapping[str, str]
    tags: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def write(directory: Path, trends: Sequence[Trend]) -> Path:
    """Of one night, into the folder of its sweep. Raises OSError."""
    return write_json(directory / FILE, {"version": 1, "trends": [one.to_json() for one in trends]})


def read(directory: Path) -> list[Trend]:
    """Of the sweep in a folder; none where there is no such file, or one that cannot be read."""
    try:
        stored = json.loads((directory / FILE).read_text(encoding="utf-8"))
        return [Trend(**one) for one in stored["trends"]]
    except (OSError, *DAMAGED):
        return []
