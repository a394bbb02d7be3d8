"""What a meter and the board's own sensors read at each load: the points that a calibration is fitted to."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator import stats
from orchestrator.energy.beside import foreign_use
from orchestrator.energy.meter import MeterReadings
from orchestrator.energy.reading import reading
from orchestrator.energy.rules import judged
from orchestrator.energy.trace import Trace, of_board, of_meter
from orchestrator.energy.window import window_power

Json = Mapping[str, Any]

IDLE = "idle"
MOST_FOREIGN = 0.10
"""Of all cores, in any span: what other programs take is counted as if it cost what the model costs, which is true to
about half of it. So much is 5 % of what the load adds to idle."""


@dataclass(frozen=True, slots=True)
class Point:
    """Mean powers of one idle span or one window, in W. ``use``: CPU time of the model and of other programs over that
    of all cores, ``foreign`` the share of those others; ``sensors`` by reader, each with its standard error, by the
    scatter of batches."""

    level: str
    use: float
    meter_w: float
    sensors: Mapping[str, tuple[float, float]]
    foreign: float = 0.0


@dataclass(frozen=True, slots=True)
class Level:
    """The points of one cell: its idle spans and its windows. ``unusable``: why, by the reader of a sensor; ``doubts``
    of the cell as a whole."""

    points: tuple[Point, ...]
    unusable: Mapping[str, str]
    doubts: tuple[str, ...] = ()


def level(
    name: str, energy: Json, meter: MeterReadings | None, cores: int, samples: Sequence[Json] = ()
) -> Level | str:
    """What a cell says, or why it says nothing; ``cores`` of the whole board, ``samples`` of its state."""
    run = energy["pass"]
    if run is None:
        return energy["reason"] or "it has no energy pass"
    if meter is None:
        return "no meter was read"
    found = reading(of_meter(meter), run, 0.0)
    if isinstance(found, str):
        return found
    if found.idle is None:
        return f"{meter.source} did not read the idle board" if run["idle"] else "no idle span (scenario.idle_s)"
    own, unusable = _sensors(run)
    traces = {"": found.trace, **own}  # that of the meter, with the lag that was seen
    spans = [(IDLE, 0.0, span) for span in run["idle"]]
    spans += [(name, w["cpu_ns"] / 1e9 / (cores * (w["end_s"] - w["begin_s"])), w) for w in run["windows"]]
    others = [foreign_use(samples, span) for _, _, span in spans]
    points = tuple(_point(*span, use or 0.0, traces) for span, use in zip(spans, others, strict=True))
    if why := _unsteady(points, cores):
        return why
    doubts = ("what other programs took of the CPUs is not known",) if None in others else ()
    return Level(points, unusable, doubts)


def _unsteady(points: Sequence[Point], cores: int) -> str | None:
    """Why the power of these spans is not that of the idle board and of the model."""
    worst = max(points, key=lambda one: one.foreign)
    if worst.foreign > MOST_FOREIGN:
        when = "while it was idle" if worst.level == IDLE else "in a window"
        return (
            f"other programs used {worst.foreign * cores:.2f} of {cores} cores {when}, "
            f"{MOST_FOREIGN * cores:.2f} allowed"
        )
    idle = [one.meter_w for one in points if one.level == IDLE]
    windows = [one.meter_w for one in points if one.level != IDLE]
    seen = {"idle_drift": abs(idle[-1] / idle[0] - 1), "window_spread": stats.spread(windows)}
    return "; ".join(judged(seen).reasons) or None


def _sensors(run: Json) -> tuple[dict[str, Trace], dict[str, str]]:
    """The sensors of a board that were read throughout, by reader, and why others were not."""
    traces = [of_board(trace) for trace in run["traces"]]
    count = Counter(trace.reader for trace in traces)
    good, bad = {}, {}
    for trace in traces:
        found = reading(trace, run, 0.0)
        if count[trace.reader] > 1:
            bad[trace.reader] = f"the board has {count[trace.reader]} of them, and a line is for one"
        elif isinstance(found, str):
            bad[trace.reader] = found
        elif found.idle is None:
            bad[trace.reader] = f"{trace.source} did not read the idle board"
        else:
            good[trace.reader] = trace
    return good, bad


def _point(name: str, use: float, span: Json, foreign: float, traces: Mapping[str, Trace]) -> Point:
    """All over the same time: what is cut off for a meter that trails is cut off for the sensors, too."""
    begins_s = {reader: span["begin_s"] + (traces[""].limits.lag_s if reader else 0.0) for reader in traces}
    found = {reader: window_power(trace, begins_s[reader], span["end_s"]) for reader, trace in traces.items()}
    means = {reader: (one.power_w, _error_w(one.batches_w)) for reader, one in found.items() if one is not None}
    meter_w, _ = means.pop("")
    return Point(name, min(1.0, use + foreign), meter_w, means, foreign)


def _error_w(batches_w: Sequence[float]) -> float:
    """Standard error of their mean."""
    return (stats.stdev(batches_w) or 0.0) / math.sqrt(len(batches_w)) if len(batches_w) > 1 else 0.0
