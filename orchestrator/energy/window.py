"""The mean power of one window from the readings in it, how well they cover it, and its batches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np

from orchestrator.energy.trace import COUNTER, Trace, Values

Json = Mapping[str, Any]

LONGEST_GAP = 2.0
"""Of nominal intervals: what a gap between two readings is longer than that is not covered."""
MOST_BATCHES = 5
READINGS_IN_BATCH = 5


@dataclass(frozen=True, slots=True)
class WindowPower:
    """``batches_w``: mean powers of its parts, each of several readings and, where the ends of inferences are known, of
    whole ones; ``calls_s``: how long an inference took in each, then. ``step_w``: standard deviation of readings."""

    power_w: float
    batches_w: tuple[float, ...]
    calls_s: tuple[float, ...] | None
    coverage: float
    readings: int
    step_w: float


def window_power(trace: Trace, begin_s: float, end_s: float, ends_s: Values | None = None) -> WindowPower | None:
    """The window's mean power in W; None where no reading lies in it. ``ends_s``: when its inferences ended.

    Readings that trail, and the doubt about the clock, are kept out at the edges: what was before belongs to another
    phase. At the edges the nearest reading inside holds; a line to the first one outside would mix in the idle board.
    """
    whole_s = begin_s, end_s
    begin_s, end_s = begin_s + trace.limits.lag_s + trace.clock_bound_s, end_s - trace.clock_bound_s
    inside = (trace.t_s >= begin_s) & (trace.t_s <= end_s)
    t_s, values = trace.t_s[inside], trace.values[inside]
    if t_s.size < 2 or end_s <= begin_s:
        return None
    count = max(1, min(MOST_BATCHES, t_s.size // READINGS_IN_BATCH))
    marks_s = _marks(begin_s, end_s, count, ends_s)
    energies_j = np.diff(_energy(trace.kind, t_s, values, marks_s))
    watts = np.diff(values) / np.maximum(np.diff(t_s), 1e-9) if trace.kind == COUNTER else values
    return WindowPower(
        power_w=float(energies_j.sum()) / (end_s - begin_s),
        batches_w=tuple(float(w) for w in energies_j / np.diff(marks_s)),
        calls_s=_calls_s(marks_s, ends_s, *whole_s),
        coverage=_coverage(trace, t_s, begin_s, end_s),
        readings=t_s.size,
        step_w=float(np.std(watts)),
    )


def ends_of(window: Json) -> Values | None:
    """When the inferences of a window ended; None where streams ran beside each other."""
    calls_s = np.fromiter(accumulate(window["invoke_ns"]), dtype=np.float64) / 1e9
    length_s = window["end_s"] - window["begin_s"]
    if calls_s.size == 0 or calls_s[-1] > 1.02 * length_s:
        return None
    ends: Values = window["begin_s"] + calls_s * (length_s / calls_s[-1])
    return ends


def _marks(begin_s: float, end_s: float, count: int, ends_s: Values | None) -> Values:
    """The edges of ``count`` batches, moved to the ends of inferences: a part of a wave has another mean than it."""
    marks_s = np.linspace(begin_s, end_s, count + 1)
    if ends_s is None or count < 2:
        return marks_s
    near = ends_s[np.searchsorted(ends_s, marks_s[1:-1]).clip(0, ends_s.size - 1)]
    inner = np.unique(near[(near > begin_s) & (near < end_s)])
    # The first and the last one are whole but for the readings that are kept out at the edges.
    return np.concatenate([[begin_s], inner, [end_s]])


def _calls_s(marks_s: Values, ends_s: Values | None, begin_s: float, end_s: float) -> tuple[float, ...] | None:
    """How long an inference (or a group of them, as they were timed) took in each batch."""
    if ends_s is None:
        return None
    edges_s = np.concatenate([[begin_s], marks_s[1:-1], [end_s]])
    ended = np.searchsorted(ends_s, edges_s, side="right")
    ended[0], ended[-1] = 0, ends_s.size
    counts = np.diff(ended)
    if counts.min() < 1:
        return None
    return tuple(float(s) for s in np.diff(edges_s) / counts)


def _energy(kind: str, t_s: Values, values: Values, marks_s: Values) -> Values:
    """Joules from the first reading to each mark: trapezoids of a power, what a counter counted; straight beyond."""
    if kind == COUNTER:
        total_j = values - values[0]
        first_w, last_w = (
            (values[j] - values[i]) / max(t_s[j] - t_s[i], 1e-9) for i, j in ((0, 1), (t_s.size - 2, t_s.size - 1))
        )
    else:
        total_j = np.concatenate([[0.0], np.cumsum(np.diff(t_s) * (values[1:] + values[:-1]) / 2)])
        first_w, last_w = values[0], values[-1]
    found: Values = np.interp(marks_s, t_s, total_j)
    found += np.minimum(0.0, marks_s - t_s[0]) * first_w + np.maximum(0.0, marks_s - t_s[-1]) * last_w
    return found


def _coverage(trace: Trace, t_s: Values, begin_s: float, end_s: float) -> float:
    """The share of the window that is not in gaps beyond LONGEST_GAP nominal intervals; one failed reading is no gap.

    A counter misses nothing between two readings; its reader ends a trace that may have wrapped unseen.
    """
    longest_s = LONGEST_GAP / trace.rate_hz
    gaps_s = np.diff(np.concatenate([[begin_s], t_s, [end_s]]))
    if trace.kind == COUNTER:
        gaps_s = gaps_s[[0, -1]]
    return 1.0 - float(np.maximum(0.0, gaps_s - longest_s).sum()) / (end_s - begin_s)
