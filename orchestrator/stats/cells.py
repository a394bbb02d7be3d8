"""What the cells of one board tell about each other's spread, so that a few processes each can decide something.

With five processes a side a plain t test has 4 to 8 degrees of freedom, and the level that 39 comparisons need
(0.009 / 39) asks for t > 6. But the 40 cells of a matrix have 160 degrees of freedom together. The variance of a cell
is therefore moderated towards that of all cells of its board, as far as they agree (empirical Bayes, G. K. Smyth,
Stat. Appl. Genet. Mol. Biol. 3 (2004), article 3), with four cautions that simulation asked for:

- the common value is the arithmetic mean of the variances, not Smyth's geometric one: cells that differ, and slow
  freak processes, make it larger, never smaller;
- it counts for at most 8 degrees of freedom, and at most a tenth of what it was made of;
- where the variances agree in less than one degree of freedom, nothing is learned from them;
- it only ever raises a variance. A cell that is noisy stays as noisy as it was seen.

All functions take arrays whose last axis is the cells, so that a simulation runs the same lines as a report.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from orchestrator.stats.student import Array

MOST_FREEDOM, LEAST_FREEDOM = 8.0, 1.0
SHARE_OF_FREEDOM = 0.1


@dataclass(frozen=True, slots=True)
class Cells:
    """Mean and variance of the log medians of each cell's processes, and how many there were; ``freedom`` of variance.

    The variance of a cell with one process is NaN.
    """

    mean: Array
    variance: Array
    n: Array
    freedom: Array

    @classmethod
    def of(cls, mean: Array, variance: Array, n: Array) -> Cells:
        return cls(mean, variance, n, n - 1.0)


def moderated(cells: Cells) -> Cells:
    """With the variances of cells of one board as they are after looking at the others. Needs two processes each."""
    freedom = cells.freedom
    common = cells.variance.mean(axis=-1, keepdims=True)
    prior = _prior_freedom(cells)
    variance = (prior * common + freedom * cells.variance) / (prior + freedom)
    return Cells(cells.mean, np.maximum(variance, cells.variance), cells.n, freedom + prior)


def _prior_freedom(cells: Cells) -> Array:
    """How well the variances agree, in degrees of freedom: by the spread of their logarithms (Smyth, section 6.2)."""
    from scipy.special import polygamma, psi

    half, count = cells.freedom / 2, cells.variance.shape[-1]
    middle = np.median(cells.variance, axis=-1, keepdims=True)
    if count < 3:  # two variances say next to nothing about how far variances differ
        return np.zeros_like(middle)
    logs = np.log(np.maximum(cells.variance, np.maximum(1e-5 * middle, 1e-300)))
    excess = (logs - psi(half) + np.log(half)).var(axis=-1, ddof=1, keepdims=True)
    excess = excess - polygamma(1, half).mean(axis=-1, keepdims=True)
    most = np.minimum(MOST_FREEDOM, SHARE_OF_FREEDOM * cells.freedom.sum(axis=-1, keepdims=True))
    # trigamma(d / 2) falls with d, from infinity: excess below trigamma(most / 2) means at least ``most``.
    floor = polygamma(1, most / 2)
    found = 2 * _inverse_trigamma(np.maximum(excess, floor))
    agreed = np.where(excess <= floor, most, np.minimum(most, found))
    return np.where((middle > 0) & (excess < polygamma(1, LEAST_FREEDOM / 2)), agreed, 0.0)


def _inverse_trigamma(y: Array) -> Array:
    """By Newton's method on 1 / trigamma, which is convex (Smyth, appendix)."""
    from scipy.special import polygamma

    x = 0.5 + 1 / y
    for _ in range(20):
        value = polygamma(1, x)
        x = x + value * (1 - value / y) / polygamma(2, x)
    return np.asarray(x, dtype=np.float64)
