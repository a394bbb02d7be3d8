"""What a comparison can find, and how many processes it would take."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from orchestrator.stats import student
from orchestrator.stats.family import MINIMUM_EFFECT
from orchestrator.stats.interval import CONFIDENCE

POWER = 0.95
"""How often a change of the size in question is to be found."""

MOST = 200
"""Processes beyond which no number is given."""


@dataclass(frozen=True, slots=True)
class Design:
    """A comparison's standard error (of logarithms), its degrees of freedom, and its level among all comparisons."""

    error: float
    freedom: float
    level: float

    def detectable(self) -> float:
        """The least change that is found with POWER, as a difference of logarithms.

        Found means: significant (by the noncentral t distribution), and estimated as at least MINIMUM_EFFECT.
        """
        critical = student.quantile(1 - self.level / 2, self.freedom)
        significant = float(student.shift(POWER, self.freedom, critical)) * self.error
        estimated = math.log1p(MINIMUM_EFFECT) + float(student.quantile(POWER, self.freedom)) * self.error
        return max(significant, estimated)

    def processes(self, difference: float, n: tuple[int, int]) -> int | None:
        """How many a side would decide with POWER, if ``difference`` is right; None for more than MOST.

        A difference of at least MINIMUM_EFFECT is decided by being found, a smaller one by an interval that lies
        within MINIMUM_EFFECT either way. ``n``: processes there are now, of either side.
        """
        minimum, size = math.log1p(MINIMUM_EFFECT), abs(difference)
        counts = np.arange(max(n) + 1, MOST + 1, dtype=np.float64)
        # The variance of one process a side, and what the freedom is beyond that of the two cells themselves.
        one = self.error**2 / (1 / n[0] + 1 / n[1])
        freedom = np.maximum(self.freedom - (sum(n) - 2), 0.0) + 2 * (counts - 1)
        error, likely = np.sqrt(2 * one / counts), student.quantile(POWER, freedom)
        if size >= minimum:
            shift = student.shift(POWER, freedom, student.quantile(1 - self.level / 2, freedom))
            decided = (shift * error <= size) & (likely * error <= size - minimum)
        else:
            decided = (student.quantile((1 + CONFIDENCE) / 2, freedom) + likely) * error <= minimum - size
        enough = counts[decided]
        return int(enough[0]) if enough.size else None
