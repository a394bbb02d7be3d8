"""Pairs of cells tested together: Welch's test on log medians, and Holm's correction over all of them.

B. L. Welch, Biometrika 34 (1947), 28-35; degrees of freedom after Satterthwaite (1946); S. Holm, Scand. J. Stat. 6
(1979), 65-70. Holm and not Benjamini-Hochberg: a report is read cell by cell, where one false difference among many
true ones misleads as much as one alone; and an unlucky baseline is shared by all cells, which makes every p small at
once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from orchestrator.stats import student
from orchestrator.stats.cells import Cells
from orchestrator.stats.student import Array

FALSE_ALARMS = 0.01
"""How often a whole report may show a difference where there is none."""

FOR_LOOKS = 0.001
"""What of FALSE_ALARMS is spent before the report, where more processes are added to what is undecided."""

MINIMUM_EFFECT = 0.02
"""A change below 2 % is not called a change, however small its p: within what a relinked binary moves."""

Index = np.ndarray[Any, np.dtype[np.intp]]


@dataclass(frozen=True, slots=True)
class Tested:
    """One entry per pair in the last axis; ``p`` is adjusted for all pairs, ``raw`` is not."""

    difference: Array
    error: Array
    freedom: Array
    raw: Array
    p: Array

    def significant(self, level: float) -> np.ndarray[Any, np.dtype[np.bool_]]:
        return np.asarray((self.p <= level) & large(self.difference), dtype=np.bool_)


def large(difference: Array) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Whether a difference of logarithms is at least MINIMUM_EFFECT, as a ratio either way."""
    return np.asarray(np.abs(difference) >= np.log1p(MINIMUM_EFFECT) - 1e-12, dtype=np.bool_)


def tested(cells: Cells, candidates: Index, baselines: Index) -> Tested:
    """``candidates`` and ``baselines`` are places of cells. All cells need two processes."""
    difference, error, freedom = differences(cells, candidates, baselines)
    scale = np.maximum(1.0, np.abs(difference))
    alike = error <= 1e-12 * scale  # equal to the last digit in every process
    with np.errstate(divide="ignore", invalid="ignore"):
        p = student.two_sided(np.where(alike, 0.0, difference / error), freedom)
    raw = np.where(alike, np.where(np.abs(difference) <= 1e-12 * scale, 1.0, 0.0), p)
    return Tested(difference, error, freedom, raw, holm(raw))


def differences(cells: Cells, candidates: Index, baselines: Index) -> tuple[Array, Array, Array]:
    """Differences of means, their standard errors, and the degrees of freedom of these."""
    a = cells.variance[..., candidates] / cells.n[..., candidates]
    b = cells.variance[..., baselines] / cells.n[..., baselines]
    both = a + b
    with np.errstate(divide="ignore", invalid="ignore"):
        # In shares of the whole, so that tiny variances do not underflow when squared.
        part = (a / both) ** 2 / cells.freedom[..., candidates] + (b / both) ** 2 / cells.freedom[..., baselines]
        freedom = np.where(both > 0, 1 / part, 1.0)
    return cells.mean[..., candidates] - cells.mean[..., baselines], np.sqrt(both), freedom


def holm(p: Array) -> Array:
    """Adjusted p: to be compared with the level that holds for all of them together."""
    order = np.argsort(p, axis=-1)
    factors = np.arange(p.shape[-1], 0, -1)
    rising = np.maximum.accumulate(np.minimum(1.0, np.take_along_axis(p, order, -1) * factors), axis=-1)
    adjusted = np.empty_like(p)
    np.put_along_axis(adjusted, order, rising, -1)
    return adjusted
