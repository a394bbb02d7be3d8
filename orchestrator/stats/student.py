"""Student's t distribution, for numbers and arrays. SciPy is imported when an interval is asked for, not before."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[np.float64]]


def quantile(p: float | Array, freedom: float | Array) -> Array:
    from scipy.special import stdtrit

    return np.asarray(stdtrit(freedom, p), dtype=np.float64)


def two_sided(t: float | Array, freedom: float | Array) -> Array:
    """Probability of a value at least as far from 0 as ``t``."""
    from scipy.special import stdtr

    return np.asarray(2 * stdtr(freedom, -np.abs(t)), dtype=np.float64)


def shift(power: float, freedom: float | Array, critical: float | Array) -> Array:
    """How many standard errors a mean must be off 0 for ``t`` to be above ``critical`` with probability ``power``."""
    from scipy.special import nctdtrinc

    return np.asarray(nctdtrinc(freedom, 1 - power, critical), dtype=np.float64)
