"""Energy per inference by one sensor or meter: the median of its windows, above idle as well, with what it may err."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator import stats
from orchestrator.energy.trace import COUNTER, Trace
from orchestrator.energy.window import WindowPower, window_power

Json = Mapping[str, Any]

COVERAGE_MINIMUM = 0.95
FEWEST_READINGS = 5
COVERAGE_FACTOR = 2.0
"""k of the expanded uncertainty, for about 95 % (GUM, JCGM 100:2008, 6.3.3)."""
LONGEST_LAG, LONGEST_CLOCK_S, LONGEST_CLOCK = 0.1, 0.050, 0.002
"""Of a window: how far its readings may trail, and its clocks be apart (or that many seconds)."""

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

    ``parts`` are those of ``per_inference_j`` by their names, as shares of it; ``random`` of them differ from one
    measurement with the same sensor to the next.
    """

    trace: Trace
    per_inference_j: float
    power_w: float
    parts: Mapping[str, float]
    random: float
    coverage: float
    windows: tuple[float, ...]  # J per inference of each
    idle: Idle | None
    above_idle_error_w: float | None

    @property
    def uncertainty(self) -> float:
        """Standard, as a share."""
        return math.sqrt(sum(part * part for part in self.parts.values()))


def reading(trace: Trace, run: Json, processes_spread: float) -> Reading | str:
    """What a trace comes to, or why it comes to nothing. ``processes_spread``: standard deviation of the processes'
    medians as a share, since the pass is one process of many."""
    if trace.invalid:
        return f"{trace.source}: {trace.invalid}"
    shortest_s = min(window["end_s"] - window["begin_s"] for window in run["windows"])
    if late := _late(trace, shortest_s):
        return late
    found = [window_power(trace, window["begin_s"], window["end_s"]) for window in run["windows"]]
    powers = [one for one in found if one is not None]
    why = f" ({trace.missed} readings failed: {trace.problem})" if trace.problem else ""
    if len(powers) < len(found) or min(one.readings for one in powers) < FEWEST_READINGS:
        return f"{trace.source} gave too few readings in a window of {shortest_s:.3g} s{why}"
    coverage = min(one.coverage for one in powers)
    if coverage < COVERAGE_MINIMUM:
        return f"{trace.source} covered {coverage:.0%} of its window, {COVERAGE_MINIMUM:.0%} needed{why}"
    if min(one.power_w for one in powers) <= 0:
        return f"{trace.source} measured no energy"
    return _reading(trace, run, powers, coverage, processes_spread)


def _late(trace: Trace, shortest_s: float) -> str | None:
    if trace.limits.lag_s > LONGEST_LAG * shortest_s:
        return (
            f"readings of {trace.source} may trail by {trace.limits.lag_s:.3g} s, which is too long for a window of "
            f"{shortest_s:.3g} s (scenario.energy_s={trace.limits.lag_s / LONGEST_LAG:.3g} or more)"
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
    known = [one.sampling_w / one.power_w for one in powers if one.sampling_w is not None]
    each = math.sqrt(sum(s * s for s in known) / len(known)) if known else 0.0
    sampling = each * _median_error(len(energies))
    dithered = stats.median([one.noise_w for one in powers]) > limits.resolution_w / 2
    parts = {
        f"sensor gain within {limits.gain:.2g}" + (" (assumed)" if limits.assumed else ""): limits.gain / math.sqrt(3),
        f"sensor offset within {limits.offset_w:.2g} W": limits.offset_w / math.sqrt(3) / power_w,
        f"resolution {limits.resolution_w * 1e3:.3g} mW": (
            0.0 if dithered else limits.resolution_w / math.sqrt(12) / power_w
        ),
        "edges of the counter" if trace.kind == COUNTER else "sampling": sampling,
        "windows beyond that": _beyond(energies, each),
        "from process to process": processes_spread,
    }
    parts = {name: part for name, part in parts.items() if part > 0}
    random = math.sqrt(sum(parts.get(n, 0.0) ** 2 for n in ("sampling", "edges of the counter", "windows beyond that",
                                                            "from process to process")))  # fmt: skip
    idle = _idle(trace, run)
    above = None
    if idle is not None:
        above = math.hypot(
            limits.gain / math.sqrt(3) * (power_w - idle.power_w), random * power_w, idle.error_w,
            0.0 if dithered else limits.resolution_w / math.sqrt(6),
        )  # fmt: skip
    return Reading(trace, joules, power_w, parts, random, coverage, tuple(energies), idle, above)


def _beyond(energies: Sequence[float], each: float) -> float:
    """Standard error of their median for a scatter beyond what sampling explains (chi square beyond its 95 %)."""
    if len(energies) < 2:
        return 0.0
    scatter = stats.stdev(energies) or 0.0
    share = scatter / stats.median(energies)
    from scipy.stats import chi2

    limit = float(chi2.ppf(0.95, len(energies) - 1)) / (len(energies) - 1)
    if share**2 <= limit * each**2:
        return 0.0
    return math.sqrt(share**2 - each**2) * _median_error(len(energies))


def _median_error(count: int) -> float:
    return MEDIAN_ERROR[count - 1] if count <= len(MEDIAN_ERROR) else 1.2533 / math.sqrt(count)


def _idle(trace: Trace, run: Json) -> Idle | None:
    """The mean of before and after, in which a steady drift cancels."""
    spans = [window_power(trace, span["begin_s"], span["end_s"]) for span in run["idle"]]
    known = [one for one in spans if one is not None and one.coverage >= COVERAGE_MINIMUM]
    if not known or len(known) < len(spans):
        return None
    power_w = sum(one.power_w for one in known) / len(known)
    errors = [one.sampling_w or 0.0 for one in known]
    drift_w = known[-1].power_w - known[0].power_w if len(known) > 1 else None
    error_w = math.hypot(*errors) / len(errors)
    return Idle(power_w, math.hypot(error_w, (drift_w or 0.0) / math.sqrt(12)), drift_w)
