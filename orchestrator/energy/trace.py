"""Readings of one sensor or meter over the energy pass, on the board's clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from orchestrator.device import Calibration
from orchestrator.energy.limits import LIMITS, UNKNOWN, Limits
from orchestrator.energy.meter import MeterReadings

Json = Mapping[str, Any]
Values = np.ndarray[tuple[int, ...], np.dtype[np.float64]]

SAMPLED, COUNTER, CALIBRATED = "sampled", "counter", "calibrated"


@dataclass(frozen=True, slots=True)
class Trace:
    """``values`` at ``t_s``: W, or J since the first reading where ``kind`` is counter."""

    source: str
    reader: str
    scope: str
    kind: str
    rate_hz: float
    limits: Limits
    t_s: Values
    values: Values
    missed: int = 0
    problem: str | None = None
    invalid: str | None = None  # why it cannot be believed
    clock_bound_s: float = 0.0
    external: bool = False  # read by an instrument beside the board

    def power(self) -> tuple[Values, Values]:
        """Watts over time; of a counter, the mean between two readings at their middle."""
        if self.kind != COUNTER:
            return self.t_s, self.values
        steps = np.diff(self.t_s)
        moved = steps > 0
        return ((self.t_s[:-1] + self.t_s[1:]) / 2)[moved], np.diff(self.values)[moved] / steps[moved]


def of_board(trace: Json) -> Trace:
    """A sensor's readings, as the record has them."""
    t_s, values = _columns(trace["points"])
    return Trace(
        source=trace["source"],
        reader=trace["reader"],
        scope=trace["scope"],
        kind=trace["kind"],
        rate_hz=trace["rate_hz"],
        limits=LIMITS.get(trace["reader"], UNKNOWN),
        t_s=t_s,
        values=values,
        missed=trace["missed"],
        problem=trace["problem"],
    )


def of_meter(meter: MeterReadings) -> Trace:
    """An instrument's readings, moved onto the board's clock."""
    t_s, values = _columns(meter.points)
    clock = meter.clock
    return Trace(
        source=meter.source,
        reader=meter.kind,
        scope=meter.scope,
        kind=SAMPLED,
        rate_hz=meter.rate_hz,
        limits=meter.limits,
        t_s=t_s + (clock.offset_s if clock else 0.0),
        values=values,
        missed=meter.missed,
        problem=meter.problem,
        invalid=meter.invalid or (None if clock else "how far its clock is from the board's was not measured"),
        clock_bound_s=clock.bound_s + abs(clock.drift_s) if clock else 0.0,
        external=True,
    )


def calibrated(trace: Trace, line: Calibration) -> Trace:
    """What a better meter would have read, by a line fitted to one."""
    t_s, watts = trace.power()
    return replace(
        trace,
        t_s=t_s,
        source=f"{trace.source}, by {line.slope:g} x + {line.intercept_w:g} W ({line.source or 'no source given'})",
        scope=line.scope,
        kind=CALIBRATED,
        limits=replace(trace.limits, gain=line.error, offset_w=0.0, assumed=False),
        values=line.slope * watts + line.intercept_w,
    )


def _columns(points: Sequence[Sequence[float]]) -> tuple[Values, Values]:
    both = np.asarray(points, dtype=np.float64).reshape(-1, 2)
    order = np.argsort(both[:, 0], kind="stable")
    return both[order, 0], both[order, 1]
