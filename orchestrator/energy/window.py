"""The mean power of one window from the readings in it, how well they cover it, and how far off that may be."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from orchestrator.energy.trace import COUNTER, Trace, Values

LONGEST_GAP = 2.0
"""Of nominal intervals: what lies between readings further apart is not covered."""


@dataclass(frozen=True, slots=True)
class WindowPower:
    """``sampling_w``: standard error of ``power_w`` for what lies between the readings; None: too few of them."""

    power_w: float
    sampling_w: float | None
    coverage: float
    readings: int
    noise_w: float  # standard deviation of a reading, what follows the signal taken out
    duration_s: float


def window_power(trace: Trace, begin_s: float, end_s: float) -> WindowPower | None:
    """The window's mean power in W; None where no reading lies in it.

    Readings that trail, and the doubt about the clock, are kept out at the edges: what was before belongs to another
    phase. At the edges the nearest reading inside holds; a line to the first one outside would mix in the idle board.
    """
    begin_s, end_s = begin_s + trace.limits.lag_s + trace.clock_bound_s, end_s - trace.clock_bound_s
    inside = (trace.t_s >= begin_s) & (trace.t_s <= end_s)
    t_s, values = trace.t_s[inside], trace.values[inside]
    if t_s.size < (2 if trace.kind == COUNTER else 1) or end_s <= begin_s:
        return None
    coverage = _coverage(trace, t_s, begin_s, end_s)
    if trace.kind == COUNTER:
        return _counted(trace, t_s, values, coverage, end_s - begin_s)
    weights_s = _weights(t_s, begin_s, end_s)
    power_w = float(weights_s @ values) / (end_s - begin_s)
    local = _residuals(t_s, values)
    if local is None:
        return WindowPower(power_w, None, coverage, t_s.size, 0.0, end_s - begin_s)
    noise_w = math.sqrt(float(np.mean(local**2)))
    sampling_w = noise_w * math.sqrt(float(weights_s @ weights_s)) / (end_s - begin_s)
    return WindowPower(power_w, sampling_w, coverage, t_s.size, noise_w, end_s - begin_s)


def _counted(trace: Trace, t_s: Values, values: Values, coverage: float, duration_s: float) -> WindowPower:
    """A counter misses nothing between its readings; before the first and after the last its rate there goes on."""
    rates_w = np.diff(values) / np.maximum(np.diff(t_s), 1e-9)
    span_s = float(t_s[-1] - t_s[0])
    energy_j = float(values[-1] - values[0])
    if duration_s > span_s > 0:  # the edges
        energy_j += (duration_s - span_s) * float(rates_w[0] + rates_w[-1]) / 2
    noise_w = float(np.std(rates_w, ddof=1)) if rates_w.size > 1 else 0.0
    edge_j = math.hypot(
        noise_w * (duration_s - span_s) / math.sqrt(2), energy_j / duration_s * trace.limits.update_s / math.sqrt(6)
    )
    return WindowPower(energy_j / duration_s, edge_j / duration_s, coverage, t_s.size, noise_w, duration_s)


def _coverage(trace: Trace, t_s: Values, begin_s: float, end_s: float) -> float:
    """The share of the window that lies between readings no further apart than LONGEST_GAP nominal intervals.

    A counter misses nothing between two readings, unless it may have wrapped unseen, which its reader knows.
    """
    longest_s = LONGEST_GAP / trace.rate_hz
    corners = np.concatenate([[begin_s], t_s, [end_s]])
    gaps_s = np.diff(corners)
    if trace.kind == COUNTER:
        gaps_s[1:-1] = np.minimum(gaps_s[1:-1], longest_s)
        return float(1.0 - sum(max(0.0, gap - longest_s) for gap in (gaps_s[0], gaps_s[-1])) / (end_s - begin_s))
    return float(gaps_s[gaps_s <= longest_s].sum() / (end_s - begin_s))


def _weights(t_s: Values, begin_s: float, end_s: float) -> Values:
    """Seconds that each reading stands for: trapezoids between them, the nearest one held at the edges."""
    middles = np.concatenate([[begin_s], (t_s[:-1] + t_s[1:]) / 2, [end_s]])
    return np.diff(middles)


def _residuals(t_s: Values, values: Values) -> Values | None:
    """How far each reading is from the line between its neighbours, scaled to what it is off by itself.

    A wave that the readings follow leaves nothing; one that they do not follow, and noise, leave all of it.
    """
    if t_s.size < 5:
        return None
    before, after = t_s[1:-1] - t_s[:-2], t_s[2:] - t_s[1:-1]
    whole = np.maximum(before + after, 1e-12)
    share = before / whole
    line = values[:-2] * (1 - share) + values[2:] * share
    scaled: Values = (values[1:-1] - line) / np.sqrt(1 + share**2 + (1 - share) ** 2)
    return scaled
