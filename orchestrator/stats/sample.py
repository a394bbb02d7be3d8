"""Statistics of one sample, as it is: centres, spread, percentiles, drift, what is far outside. Nothing is dropped."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

PERCENTILE_MINIMUM = {90: 46, 95: 93, 99: 473}
"""Fewest values for which a percentile is published: from there on the second largest value bounds it with 95 %
confidence, so one freak value does not decide (exact binomial: the least n with q^n + n (1 - q) q^(n-1) <= 0.05,
which is MLPerf LoadGen's early stopping with one exceedance)."""

MAD_TO_SIGMA = 1.4826
"""Makes the MAD of a normal sample estimate its standard deviation (Rousseeuw and Croux 1993)."""

OUTLIER_SIGMAS = 10
"""How far a value must be outside to be called an outlier: hyperfine's rule, in sigma-equivalents of the MAD."""

Sample = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


def median(values: Sequence[float]) -> float:
    """The middle value; the mean of the two middle ones when their number is even."""
    return float(np.median(sample(values)))


def mad(values: Sequence[float]) -> float:
    """Median absolute deviation from the median, unscaled (see MAD_TO_SIGMA)."""
    some = sample(values)
    return float(np.median(np.abs(some - np.median(some))))


def stdev(values: Sequence[float]) -> float | None:
    """Sample standard deviation; None for a single value."""
    some = sample(values)
    return float(some.std(ddof=1)) if some.size > 1 else None


def cv(values: Sequence[float]) -> float:
    """Coefficient of variation: sample standard deviation over mean; 0 for a single value."""
    some = sample(values)
    return float(some.std(ddof=1) / some.mean()) if some.size > 1 else 0.0


def percentile(values: Sequence[float], p: int) -> float | None:
    """Nearest-rank percentile (a value that did occur), or None where the sample cannot support it.

    Nearest rank rather than interpolation: no number is reported that was never measured.
    """
    some = np.sort(sample(values))
    if some.size < PERCENTILE_MINIMUM[p]:
        return None
    # p * n is exact in integers; p / 100 * n is not (0.95 * 100 > 95 in floating point).
    return float(some[-(-p * some.size // 100) - 1])


def spread(values: Sequence[float]) -> float:
    """Range over median: how far apart the processes are, as a fraction."""
    some = sample(values)
    return float((some.max() - some.min()) / np.median(some))


def drift(values: Sequence[float]) -> float | None:
    """Median of the last third over that of the first, minus 1; None under 9 values."""
    third = len(values) // 3
    if third < 3:
        return None
    return median(values[-third:]) / median(values[:third]) - 1


def outliers(values: Sequence[float]) -> int:
    """How many values are beyond OUTLIER_SIGMAS; they are counted, never dropped."""
    some = sample(values)
    limit = OUTLIER_SIGMAS * MAD_TO_SIGMA * mad(values)
    return int(np.count_nonzero(np.abs(some - np.median(some)) > limit)) if limit > 0 else 0


def sample(values: Sequence[float]) -> Sample:
    """Raises ValueError where there is no value."""
    if len(values) == 0:
        raise ValueError("a statistic needs at least one value")
    return np.asarray(values, dtype=np.float64)


def logs(durations: Sequence[float]) -> Sample:
    """Their natural logarithms, because durations are compared as ratios. Raises ValueError for one that is none."""
    some = sample(durations)
    if not (np.isfinite(some).all() and (some > 0).all()):
        raise ValueError("durations are finite and above 0")
    return np.log(some)
