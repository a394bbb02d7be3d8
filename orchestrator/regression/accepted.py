"""What a person has accepted of what the gate alarmed for: the new level is the baseline from then on.

``<root>/lab/accepted.jsonl``, a line for each time; nothing is ever taken out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from orchestrator import lines

FILE = Path("lab", "accepted.jsonl")


@dataclass(frozen=True, slots=True)
class Accepted:
    """The level of a metric of a cell on a board since the night at ``from_s``, accepted at ``at_s`` (seconds since
    1970). That a cell has no result is of no board: ``board`` is empty then.
    """

    cell: str
    metric: str
    board: str
    from_s: float
    at_s: float
    by: str = ""
    why: str = ""

    def covers(self, at_s: float) -> bool:
        """Whether what a night came to, alarm or not, was accepted."""
        return self.from_s <= at_s <= self.at_s

    @property
    def key(self) -> tuple[str, str, str]:
        """What is accepted."""
        return self.cell, self.metric, self.board

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def read(root: Path) -> dict[tuple[str, str, str], Accepted]:
    """The last word on each cell, metric and board."""
    return {one.key: one for one in lines.parsed(root / FILE, _parsed)}


def of_board(those: Iterable[Accepted], board: str | None) -> Accepted | None:
    """The one that speaks of a board, among those about one metric of one cell."""
    return next((one for one in those if one.board in ("", board)), None)


def _parsed(data: Mapping[str, Any]) -> Accepted:
    cell, metric, board, by, why = (str(data[key]) for key in ("cell", "metric", "board", "by", "why"))
    return Accepted(cell, metric, board, float(data["from_s"]), float(data["at_s"]), by, why)


def add(root: Path, one: Accepted) -> None:
    """One more; on the disk when this returns. Raises OSError."""
    lines.add(root / FILE, one.to_json())
