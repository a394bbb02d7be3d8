"""What a meter and the board's own sensors read at each load: the points that a calibration is fitted to."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator import stats
from orchestrator.energy.meter import MeterReadings
from orchestrator.energy.reading import reading
from orchestrator.energy.trace import Trace, of_board, of_meter
from orchestrator.energy.window import window_power

Json = Mapping[str, Any]

IDLE = "idle"


@dataclass(frozen=True, slots=True)
class Point:
    """Mean powers of one idle span or one window, in W. ``use``: CPU time of the model over that of all cores;
    ``sensors`` by reader, each with its standard error, by the scatter of batches."""

    level: str
    use: float
    meter_w: float
    sensors: Mapping[str, tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Level:
    """The points of one cell: its idle spans and its windows. ``unusable``: why, by the reader of a sensor."""

    points: tuple[Point, ...]
    unusable: Mapping[str, str]


def level(name: str, energy: Json, meter: MeterReadings | None, cores: int) -> Level | str:
    """What a cell says, or why it says nothing; ``cores`` of the whole board."""
    run = energy["pass"]
    if run is None:
        return energy["reason"] or "it has no energy pass"
    if meter is None:
        return "no meter was read"
    judged = reading(of_meter(meter), run, 0.0)
    if isinstance(judged, str):
        return judged
    if judged.idle is None:
        return f"{meter.source} did not read the idle board" if run["idle"] else "no idle span (scenario.idle_s)"
    own, unusable = _sensors(run)
    traces = {"": judged.trace, **own}  # that of the meter, with the lag that was seen
    spans = [(IDLE, 0.0, span) for span in run["idle"]]
    spans += [(name, w["cpu_ns"] / 1e9 / (cores * (w["end_s"] - w["begin_s"])), w) for w in run["windows"]]
    return Level(tuple(_point(*span, traces) for span in spans), unusable)


def _sensors(run: Json) -> tuple[dict[str, Trace], dict[str, str]]:
    """The sensors of a board that were read throughout, by reader, and why others were not."""
    traces = [of_board(trace) for trace in run["traces"]]
    count = Counter(trace.reader for trace in traces)
    good, bad = {}, {}
    for trace in traces:
        judged = reading(trace, run, 0.0)
        if count[trace.reader] > 1:
            bad[trace.reader] = f"the board has {count[trace.reader]} of them, and a line is for one"
        elif isinstance(judged, str):
            bad[trace.reader] = judged
        elif judged.idle is None:
            bad[trace.reader] = f"{trace.source} did not read the idle board"
        else:
            good[trace.reader] = trace
    return good, bad


def _point(name: str, use: float, span: Json, traces: Mapping[str, Trace]) -> Point:
    """All over the same time: what is cut off for a meter that trails is cut off for the sensors, too."""
    begins_s = {reader: span["begin_s"] + (traces[""].limits.lag_s if reader else 0.0) for reader in traces}
    found = {reader: window_power(trace, begins_s[reader], span["end_s"]) for reader, trace in traces.items()}
    means = {reader: (one.power_w, _error_w(one.batches_w)) for reader, one in found.items() if one is not None}
    meter_w, _ = means.pop("")
    return Point(name, min(1.0, use), meter_w, means)


def _error_w(batches_w: Sequence[float]) -> float:
    """Standard error of their mean."""
    return (stats.stdev(batches_w) or 0.0) / math.sqrt(len(batches_w)) if len(batches_w) > 1 else 0.0
