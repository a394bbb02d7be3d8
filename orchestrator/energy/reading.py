"""Energy per inference by one sensor or meter: the median of its windows, above idle as well, with what it may err."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from orchestrator import stats
from orchestrator.energy.lag import lag_s
from orchestrator.energy.limits import Limits
from orchestrator.energy.trace import CALIBRATED, COUNTER, Trace
from orchestrator.energy.window import WindowPower, ends_of, window_power
from orchestrator.stats import student

Json = Mapping[str, Any]

COVERAGE_MINIMUM = 0.95
FEWEST_READINGS = 5
FEWEST_BATCHES = 3
COVERAGE_FACTOR = 2.0
"""k of the expanded uncertainty, for about 95 % (GUM, JCGM 100:2008, 6.3.3)."""
ONE_SIDED = 0.97725
"""Of a normal value within two standard deviations, its upper end."""
LONGEST_LAG, LONGEST_CLOCK_S, LONGEST_CLOCK = 0.5, 0.050, 0.002
"""Of a window: how far its readings may trail, since that much of it is left out, and its clocks be apart (or that many
seconds)."""
LONGEST_INTERVAL = 1.5
"""Of nominal intervals, between two readings."""
HIGHEST_W, LEAST_W = 1e4, 1e-6
"""Beyond them no reading is of a board."""

SCATTER, COUNTER_STEPS, PROCESSES = "scatter of batches", "steps of the counter", "from process to process"

MEDIAN_ERROR = (1.0, 0.7071, 0.6698, 0.5461, 0.5355, 0.4634, 0.4587, 0.4101, 0.4076, 0.3719)
"""Standard error of the median of 1 to 10 normal values, in their standard deviations."""


@dataclass(frozen=True, slots=True)
class Idle:
    """The baseline: ``drift_w`` from before the windows to after them, None where it was seen once."""

    power_w: float
    error_w: float
    drift_w: float | None


@dataclass(frozen=True, slots=True)
class Reading:
    """Energies in J per inference, powers in W; errors are standard uncertainties.

    ``parts`` are those of ``per_inference_j`` by their names, as shares of it; ``apart`` is what of them is left in the
    ratio of two energies by the same sensor.
    """

    trace: Trace
    per_inference_j: float
    power_w: float
    power_error_w: float
    parts: Mapping[str, float]
    apart: float
    coverage: float
    windows: tuple[float, ...]  # J per inference of each
    idle: Idle | None
    above_idle_error_w: float | None
    lag_s: float | None = None  # by how much the readings trail, as far as they tell

    @property
    def uncertainty(self) -> float:
        """Standard, as a share."""
        return math.sqrt(sum(part * part for part in self.parts.values()))


def shortest_window_s(limits: Limits, rate_hz: float) -> float:
    """Seconds that a window must have for such a meter: twice its lag, and six readings beyond it at the least."""
    return max(limits.lag_s / LONGEST_LAG, limits.lag_s + (FEWEST_READINGS + 1) * LONGEST_INTERVAL / rate_hz)


def reading(trace: Trace, run: Json, processes_spread: float) -> Reading | str:
    """What a trace comes to, or why it comes to nothing. ``processes_spread``: standard deviation of the processes'
    medians as a share, since the pass is one process of many."""
    if trace.invalid:
        return f"{trace.source}: {trace.invalid}"
    shortest_s = _shortest_s(run)
    trails_s = lag_s(trace, run) if trace.external or trace.limits.lag_s > 0 else None
    if trails_s is not None and -trails_s > 1 / trace.rate_hz + trace.clock_bound_s:
        return f"readings of {trace.source} come {-trails_s:.2f} s before the load does: their time stamps are wrong"
    if trails_s is not None and trails_s > trace.limits.lag_s:  # seen to about half an interval; what averages, later
        trace = replace(trace, limits=replace(trace.limits, lag_s=trails_s + 1 / trace.rate_hz))
    if late := _late(trace, shortest_s):
        return late
    found = [window_power(trace, w["begin_s"], w["end_s"], ends_of(w)) for w in run["windows"]]
    powers = [one for one in found if one is not None]
    why = f" ({trace.missed} readings failed: {trace.problem})" if trace.problem else ""
    if len(powers) < len(found) or min(one.readings for one in powers) < FEWEST_READINGS:
        least_s = math.ceil(shortest_window_s(trace.limits, trace.rate_hz))
        short = f" (scenario.energy_s={least_s} or more)" if shortest_s < least_s else ""
        return f"{trace.source} gave too few readings in a window of {shortest_s:.3g} s{short}{why}"
    coverage = min(one.coverage for one in powers)
    if coverage < COVERAGE_MINIMUM:
        return f"{trace.source} covered {coverage:.0%} of its window, {COVERAGE_MINIMUM:.0%} needed{why}"
    if min(one.power_w for one in powers) <= 0:
        return f"{trace.source} measured no energy"
    if not all(LEAST_W < one.power_w < HIGHEST_W for one in powers):
        return f"{trace.source} read {max(one.power_w for one in powers):.3g} W, which no board takes"
    return replace(_reading(trace, run, powers, coverage, processes_spread), lag_s=trails_s)


def _late(trace: Trace, shortest_s: float) -> str | None:
    if trace.limits.lag_s > LONGEST_LAG * shortest_s:
        least_s = math.ceil(shortest_window_s(trace.limits, trace.rate_hz))
        return (
            f"readings of {trace.source} trail by up to {trace.limits.lag_s:.3g} s, which is too long for a window of "
            f"{shortest_s:.3g} s (scenario.energy_s={least_s} or more)"
        )
    if trace.clock_bound_s > max(LONGEST_CLOCK_S, LONGEST_CLOCK * shortest_s):
        return (
            f"the clock of {trace.source} is only known to {trace.clock_bound_s * 1e3:.0f} ms against the board's, "
            f"too little for a window of {shortest_s:.3g} s"
        )
    return None


def _reading(
    trace: Trace, run: Json, powers: Sequence[WindowPower], coverage: float, processes_spread: float
) -> Reading:
    calls_s = [(w["end_s"] - w["begin_s"]) / w["inferences"] for w in run["windows"]]
    energies = [one.power_w * call_s for one, call_s in zip(powers, calls_s, strict=True)]
    joules, power_w = stats.median(energies), stats.median([one.power_w for one in powers])
    limits = trace.limits
    resolution_w = 0.0 if stats.median([one.step_w for one in powers]) > limits.resolution_w else limits.resolution_w
    gain, offset = limits.gain / math.sqrt(3), limits.offset_w / math.sqrt(3) / power_w
    alone_w = _of_readings(powers[0])
    steps = limits.update_s / math.sqrt(6) / _shortest_s(run) if trace.kind == COUNTER else 0.0
    by_chance = {
        SCATTER: _scatter(_batches(powers, run["windows"]), alone_w * calls_s[0]) * _of_median(len(powers)) / joules,
        COUNTER_STEPS: steps,
        PROCESSES: processes_spread,
    }
    of_sensor = {
        f"sensor gain within {limits.gain:.1%}" + (" (assumed)" if limits.assumed else ""): gain,
        f"sensor offset within {limits.offset_w:.2g} W": offset,
        f"resolution {resolution_w * 1e3:.3g} mW": resolution_w / math.sqrt(12) / power_w,
    }
    # How long an inference took is no part of a power.
    watts = _scatter([w for one in powers for w in one.batches_w], alone_w) * _of_median(len(powers))
    power_error_w = math.hypot(watts, power_w * math.hypot(steps, *of_sensor.values()))
    parts = of_sensor | by_chance
    parts = {name: part for name, part in parts.items() if part > 0}
    random = math.hypot(*by_chance.values())
    # A gain cancels in the ratio of two energies by one sensor. An offset does not, nor what a fitted line leaves.
    apart = math.hypot(random, offset, gain if trace.kind == CALIBRATED else 0.0)
    idle = _idle(trace, run)
    above = None
    if idle is not None:  # gain and resolution are the same sensor's, offsets cancel
        gain_w = limits.gain / math.sqrt(3) * (power_w - idle.power_w)
        above = math.hypot(gain_w, random * power_w, idle.error_w, resolution_w / math.sqrt(6))
    return Reading(trace, joules, power_w, power_error_w, parts, apart, coverage, tuple(energies), idle, above)


def _batches(powers: Sequence[WindowPower], windows: Sequence[Json]) -> list[float]:
    """Energy per inference in J of every batch."""
    found = []
    for one, window in zip(powers, windows, strict=True):
        usual_s = (window["end_s"] - window["begin_s"]) / window["inferences"]
        calls_s = [s / window["group"] for s in one.calls_s] if one.calls_s else [usual_s] * len(one.batches_w)
        found += [w * s for w, s in zip(one.batches_w, calls_s, strict=True)]
    return found


def _scatter(batches: Sequence[float], alone: float) -> float:
    """Standard error of the mean of batches, widened for their small number (GUM G.4) to be used with k=2; ``alone``
    where there are one or two, of which nobody can tell.

    Batch means hold whatever differs from one stretch to the next: what falls between the readings, noise of the
    sensor, unsteady work. Neighbouring readings are not independent, whole batches nearly are.
    """
    if len(batches) < FEWEST_BATCHES:
        return alone
    deviation = stats.stdev(batches) or 0.0
    return deviation / math.sqrt(len(batches)) * _widened(len(batches))


def _widened(count: int) -> float:
    """Student's t for so many values, over the k that the error is used with."""
    return float(student.quantile(ONE_SIDED, count - 1)) / COVERAGE_FACTOR


def _of_readings(power: WindowPower) -> float:
    """Standard error in W of too few readings for batches, as if they knew nothing of each other."""
    return power.step_w / math.sqrt(power.readings) * _widened(power.readings)


def _of_median(windows: int) -> float:
    """Standard error of the median of as many normal values, over that of their mean."""
    known = MEDIAN_ERROR[windows - 1] if windows <= len(MEDIAN_ERROR) else 1.2533 / math.sqrt(windows)
    return known * math.sqrt(windows)


def _shortest_s(run: Json) -> float:
    return min(float(window["end_s"] - window["begin_s"]) for window in run["windows"])


def _idle(trace: Trace, run: Json) -> Idle | None:
    """The mean of before and after, in which a steady drift cancels."""
    spans = [window_power(trace, span["begin_s"], span["end_s"]) for span in run["idle"]]
    known = [one for one in spans if one is not None and one.coverage >= COVERAGE_MINIMUM]
    if not known or len(known) < len(spans):
        return None
    power_w = sum(one.power_w for one in known) / len(known)
    drift_w = known[-1].power_w - known[0].power_w if len(known) > 1 else None
    # What is the same before and after scatters within each; the step between them is a rectangle around the mean.
    error_w = math.hypot(*(_scatter(one.batches_w, _of_readings(one)) for one in known)) / len(known)
    return Idle(power_w, math.hypot(error_w, (drift_w or 0.0) / math.sqrt(12)), drift_w)
