"""How far the readings of an instrument trail the board, found in the readings: the load's edges are known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from orchestrator.energy.trace import Trace, Values

Json = Mapping[str, Any]

CLEAR = 0.9
"""Correlation of the readings with the load from which on its edges are seen: less, and nothing can be told."""
STEPS = 400
FEWEST = 10
"""Readings that show an edge."""


def lag_s(trace: Trace, run: Json) -> float | None:
    """The shift in s at which the readings fit idle and load best, negative where they are early; None: not told.

    Windows follow each other at once, so the load has two edges; the best shift is good to about half the interval
    between readings. Nothing can be told without idle, or where the load does not stand out of the noise.
    """
    spans, windows = run["idle"], run["windows"]
    if not spans or trace.t_s.size < FEWEST:
        return None
    begin_s, end_s = windows[0]["begin_s"], windows[-1]["end_s"]
    first_s = min(begin_s, *(span["begin_s"] for span in spans))
    last_s = max(end_s, *(span["end_s"] for span in spans))
    farthest_s = max(begin_s - first_s, last_s - end_s)
    if farthest_s <= 0:
        return None
    shifts_s = np.linspace(-farthest_s, farthest_s, STEPS + 1)
    fits = [_fit(trace, shift, begin_s + shift, end_s + shift, first_s, last_s) for shift in shifts_s]
    best = max(fits)
    if best < CLEAR:
        return None
    return float(np.mean(shifts_s[np.isclose(fits, best, atol=1e-9)]))  # between two readings all shifts are as good


def _fit(trace: Trace, late_s: float, begin_s: float, end_s: float, first_s: float, last_s: float) -> float:
    """Correlation of the readings with a load from ``begin_s`` to ``end_s``, as they would see it."""
    # Readings that trail show what was before the idle as well, such as the warm-up.
    seen = (trace.t_s >= first_s + max(0.0, late_s)) & (trace.t_s <= last_s)
    t_s, values = trace.t_s[seen], trace.values[seen]
    if t_s.size < FEWEST:
        return 0.0
    load = ((t_s >= begin_s) & (t_s <= end_s)).astype(np.float64)
    return _correlation(load, values)


def _correlation(one: Values, other: Values) -> float:
    one, other = one - one.mean(), other - other.mean()
    scale = float(np.sqrt((one @ one) * (other @ other)))
    return float(one @ other) / scale if scale > 0 else 0.0
