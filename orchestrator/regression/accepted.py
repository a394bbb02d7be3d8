"""What a person has accepted of what the gate alarmed for: the new level is the baseline from then on.

``<root>/lab/accepted.jsonl``, a line for each time; nothing is ever taken out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from orchestrator import lines

FILE = Path("lab", "accepted.jsonl")


@dataclass(frozen=True, slots=True)
class Accepted:
    """The level of a metric of a cell since the night at ``from_s``, accepted at ``at_s`` (seconds since 1970)."""

    cell: str
    metric: str
    from_s: float
    at_s: float
    by: str = ""
    why: str = ""

    def covers(self, at_s: float) -> bool:
        """Whether what a night came to, alarm or not, was accepted."""
        return self.from_s <= at_s <= self.at_s

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def read(root: Path, until_s: float | None = None) -> dict[tuple[str, str], Accepted]:
    """The last word on each cell and metric; ``until_s``: as it was at that time."""
    found = {}
    for one in lines.parsed(root / FILE, _parsed):
        if until_s is None or one.at_s <= until_s:
            found[one.cell, one.metric] = one
    return found


def _parsed(data: Mapping[str, Any]) -> Accepted:
    return Accepted(str(data["cell"]), str(data["metric"]), float(data["from_s"]), float(data["at_s"]),
                    str(data["by"]), str(data["why"]))  # fmt: skip


def add(root: Path, one: Accepted) -> None:
    """One more; on the disk when this returns. Raises OSError."""
    lines.add(root / FILE, one.to_json())
