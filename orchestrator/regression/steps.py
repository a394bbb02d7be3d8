"""Where a history has steps: nights from which on its values are others."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from orchestrator import stats

LEVEL = 3
"""Nights that make a level which later ones are held against."""
PENALTY = 4.0
"""Of a step, times the logarithm of the number of nights, in units of their spread: above the 2 to 3 of BIC and MBIC
(Zhang and Siegmund 2007), since nights come in ones that are far out as well."""


def steps(values: Sequence[float], spread: float, least: int) -> list[int]:
    """Places of the first night of each new level, by the least absolute deviations (PELT, Killick et al. 2012).

    ``values`` are scaled as they are compared, ``spread`` is their standard deviation without any step, ``least`` is
    how many nights a level has.
    """
    if len(values) < 2 * least or spread <= 0:
        return []
    import ruptures

    signal = np.asarray(values, dtype=np.float64)[:, None] / spread
    found = ruptures.Pelt(model="l1", min_size=least, jump=1).fit(signal).predict(pen=PENALTY * np.log(len(values)))
    return [int(at) for at in found[:-1]]


def last_rise(values: Sequence[float], spread: float) -> int:
    """Where the present level, which is worse, begins: the last step upwards; without one, the last night.

    A level may be one night here: tonight.
    """
    ends = [0, *steps(values, spread, 1), len(values)]
    levels = [stats.median(values[a:b]) for a, b in pairwise(ends)]
    for number in range(len(levels) - 1, 0, -1):
        if levels[number] > levels[number - 1]:
            return ends[number]
    return len(values) - 1


def present_level(values: Sequence[float], spread: float, by: float) -> int:
    """Where the baseline begins: after the last step downwards, to something better, by at least ``by``."""
    if max(values) - min(values) < by:  # mostly: then there is no need to look
        return 0
    ends = [0, *steps(values, spread, LEVEL), len(values)]
    begin = 0
    for number in range(1, len(ends) - 1):
        before, after = values[begin : ends[number]], values[ends[number] : ends[number + 1]]
        if stats.median(before) - stats.median(after) >= by:
            begin = ends[number]
    return begin
