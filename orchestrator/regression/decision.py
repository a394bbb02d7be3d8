"""What the gate decided about one metric of one cell in one night, with everything that it decided from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

REGRESSION, SYSTEM_CHANGED, UNCONFIRMED = "regression", "system changed", "not confirmed"
OPEN, CLOSED, IMPROVED, STEADY, NO_HISTORY = "open", "closed", "improved", "steady", "no history"
OUTCOMES = (REGRESSION, SYSTEM_CHANGED, UNCONFIRMED, OPEN, CLOSED, IMPROVED, STEADY, NO_HISTORY)


@dataclass(frozen=True, slots=True)
class Point:
    """One night of one metric of one cell: ``night`` is the sweep's id, ``value`` None where there was none.

    ``good``: it is part of the baseline of later nights.
    """

    night: str
    at_s: float
    value: float | None
    low: float | None = None
    high: float | None = None
    board: str | None = None
    good: bool = True


@dataclass(frozen=True, slots=True)
class Decision:
    """``change`` is the share by which it is worse (+) or better (-) than the baseline, ``low`` to ``high`` its 95 %
    interval; None where there is none, as of a cell that failed.

    outcome: REGRESSION (slower than the last good artifact and runtime beside it on the same board), SYSTEM_CHANGED
    (both are slow against history), UNCONFIRMED (a re-run that was due could not be had), OPEN (alarmed in an earlier
    night, and still so), CLOSED (an open one that is gone), IMPROVED, STEADY (this includes what a re-run refuted),
    NO_HISTORY.
    """

    cell: str  # cell.id
    metric: str  # as in MLflow; 'failure' for the cell as a whole
    outcome: str
    why: str  # one sentence for people
    board: str | None = None
    value: float | None = None
    baseline: float | None = None
    unit: str = ""
    change: float | None = None
    low: float | None = None
    high: float | None = None
    since: str | None = None  # the night (a sweep's id) in which the step is
    changed: tuple[str, ...] = ()  # covariates that changed there, in words: 'runtime version 2.1.0 -> 2.3.0'
    history: tuple[Point, ...] = ()  # that it was decided from, tonight last
    inputs: Mapping[str, Any] = field(default_factory=dict)  # everything else, to decide it again

    @property
    def alarms(self) -> bool:
        """Whether the gate fires for it, new or open."""
        return self.outcome in (REGRESSION, SYSTEM_CHANGED, OPEN)

    def __post_init__(self) -> None:
        if self.outcome not in OUTCOMES:
            raise ValueError(f"outcome {self.outcome!r} is none of {', '.join(OUTCOMES)}")

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Decision:
        points = tuple(Point(**point) for point in data["history"])
        return cls(**{**data, "history": points, "changed": tuple(data["changed"])})
