"""What an instrument beside the board read during the energy pass of a cell, as the controller keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from orchestrator.energy.limits import Limits

METER_FILE = "meter.json"
"""Beside the record of a cell: the readings on the controller's own clock, and how far the board's is from it."""
VERSION = 1


@dataclass(frozen=True, slots=True)
class ClockOffset:
    """How far the board's CLOCK_MONOTONIC is ahead of the one that the readings are on.

    Found by round trips, before and after the pass: the shortest one bounds the error by half of its time.
    ``drift_s``: by how much the offsets before and after differ.
    """

    offset_s: float
    bound_s: float
    drift_s: float
    round_trips: int


@dataclass(frozen=True, slots=True)
class MeterReadings:
    """``points``: (s, W) on the clock of the controller, or of the host that the meter is on. ``problem``: what went
    wrong, last; ``invalid``: why none of it counts, such as a clock that was set meanwhile."""

    kind: str
    source: str  # such as 'shelly:plug1 (Plus Plug S)'
    scope: str
    rate_hz: float
    limits: Limits
    points: tuple[tuple[float, float], ...] = ()
    missed: int = 0
    problem: str | None = None
    invalid: str | None = None
    clock: ClockOffset | None = None
    details: Mapping[str, str] = field(default_factory=dict)  # how the instrument is set, its serial number

    def to_json(self) -> dict[str, Any]:
        return {"version": VERSION, **asdict(self)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> MeterReadings:
        plain = {key: value for key, value in data.items() if key != "version"}
        clock = ClockOffset(**plain["clock"]) if plain["clock"] else None
        points = tuple((float(t), float(w)) for t, w in plain["points"])
        return cls(**{**plain, "limits": Limits(**plain["limits"]), "clock": clock, "points": points})
