"""Statistics of repeated runs: robust centres, honest percentiles, intervals between processes, comparisons.

The unit of replication is the process, not the call: what differs between two measurements of the same thing is
mostly what is decided once per process (address layout, hash seed, page placement), so thousands of calls in one
process are one sample, not thousands. That is how pyperf sizes its runs (``required_nprocesses`` in its
``_bench.py``). Durations are compared as ratios, hence on their logarithms.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

CONFIDENCE = 0.95
MINIMUM_EFFECT = 0.02
"""A change below 2 % is not called a change, however small its p: within what a relinked binary moves."""

PERCENTILE_MINIMUM = {90: 46, 95: 93, 99: 473}
"""Fewest values for which a percentile is published: from there on the second largest value bounds it with 95 %
confidence, so one freak value does not decide (exact binomial: the least n with q^n + n (1 - q) q^(n-1) <= 0.05,
which is MLPerf LoadGen's early stopping with one exceedance)."""

MAD_TO_SIGMA = 1.4826
"""Makes the MAD of a normal sample estimate its standard deviation (Rousseeuw and Croux 1993)."""


@dataclass(frozen=True, slots=True)
class Interval:
    """Where the true value is believed to lie; ``method`` and ``n`` (processes) say on what grounds."""

    low: float
    high: float
    n: int
    method: str
    confidence: float = CONFIDENCE


@dataclass(frozen=True, slots=True)
class Change:
    """A cell against its baseline: ``ratio`` < 1 is faster. The others are None with too few processes."""

    ratio: float
    low: float | None
    high: float | None
    p: float | None
    significant: bool
    note: str = ""


def median(values: Sequence[float]) -> float:
    """The middle value; the mean of the two middle ones when their number is even."""
    return float(np.median(_sample(values)))


def mad(values: Sequence[float]) -> float:
    """Median absolute deviation from the median, unscaled (see MAD_TO_SIGMA)."""
    sample = _sample(values)
    return float(np.median(np.abs(sample - np.median(sample))))


def cv(values: Sequence[float]) -> float:
    """Coefficient of variation: sample standard deviation over mean; 0 for a single value."""
    sample = _sample(values)
    return float(sample.std(ddof=1) / sample.mean()) if sample.size > 1 else 0.0


def percentile(values: Sequence[float], p: int) -> float | None:
    """Nearest-rank percentile (a value that did occur), or None where the sample cannot support it.

    Nearest rank rather than interpolation: no number is reported that was never measured.
    """
    sample = np.sort(_sample(values))
    if sample.size < PERCENTILE_MINIMUM[p]:
        return None
    # p * n is exact in integers; p / 100 * n is not (0.95 * 100 > 95 in floating point).
    return float(sample[-(-p * sample.size // 100) - 1])


def spread(values: Sequence[float]) -> float:
    """Range over median: how far apart the processes are, as a fraction."""
    sample = _sample(values)
    return float((sample.max() - sample.min()) / np.median(sample))


def drift(values: Sequence[float]) -> float | None:
    """Median of the last third over that of the first, minus 1; None under 9 values."""
    third = len(values) // 3
    if third < 3:
        return None
    return median(values[-third:]) / median(values[:third]) - 1


def outliers(values: Sequence[float]) -> int:
    """How many values are beyond 10 sigma-equivalents (hyperfine's rule); they are counted, never dropped."""
    sample = _sample(values)
    limit = 10 * MAD_TO_SIGMA * mad(values)
    return int(np.count_nonzero(np.abs(sample - np.median(sample)) > limit)) if limit > 0 else 0


def between_processes(medians: Sequence[float]) -> Interval | None:
    """95 % interval of the median latency from one median per process; None from a single process.

    Student's t on the logarithms of the per-process medians, because a ratio is what is compared later and because
    order statistics give no 95 % interval below six processes. Wide with few processes, as it should be.
    """
    n = len(medians)
    if n < 2:
        return None
    logs = np.log(_positive(medians))
    half = _t_quantile((1 + CONFIDENCE) / 2, n - 1) * float(logs.std(ddof=1)) / math.sqrt(n)
    centre = float(logs.mean())
    return Interval(math.exp(centre - half), math.exp(centre + half), n, "Student t on log medians of processes")


def compare(candidate: Sequence[float], baseline: Sequence[float]) -> Change:
    """Welch's unequal-variances t test on the log per-process medians of two cells.

    ``ratio`` is candidate over baseline (geometric means). Significant means p < 0.05 *and* at least MINIMUM_EFFECT.
    B. L. Welch, Biometrika 34 (1947), 28-35; degrees of freedom after Satterthwaite (1946).
    """
    a, b = np.log(_positive(candidate)), np.log(_positive(baseline))
    difference = float(a.mean() - b.mean())
    ratio = math.exp(difference)
    if min(a.size, b.size) < 2:
        return Change(ratio, None, None, None, False, "one process on a side: undecided")
    va, vb = float(a.var(ddof=1)) / a.size, float(b.var(ddof=1)) / b.size
    error = math.sqrt(va + vb)
    if error <= 1e-12 * max(1.0, abs(difference)):  # equal to the last digit in every process
        p, half = (1.0 if abs(difference) <= 1e-12 else 0.0), 0.0
    else:
        # In shares of the whole, so that tiny variances do not underflow when squared.
        sa, sb = va / error**2, vb / error**2
        freedom = 1 / (sa**2 / (a.size - 1) + sb**2 / (b.size - 1))
        p = 2 * _t_tail(abs(difference) / error, freedom)
        half = _t_quantile((1 + CONFIDENCE) / 2, freedom) * error
    significant = p < 1 - CONFIDENCE and abs(ratio - 1) >= MINIMUM_EFFECT
    return Change(ratio, _exp(difference - half), _exp(difference + half), p, significant)


def _exp(x: float) -> float | None:
    """None where the interval is wider than a float can say (two wildly different processes)."""
    try:
        return math.exp(x)
    except OverflowError:
        return None


def block_bootstrap_error(times_s: Sequence[float], values: Sequence[float], *, block_s: float = 1.0) -> float | None:
    """Standard error of the time-weighted mean of a sampled signal, by a bootstrap of ``block_s`` blocks.

    Neighbouring power samples are correlated, so whole blocks are drawn (Kuensch 1989), seeded. None under 3 blocks.
    """
    t, v = np.asarray(times_s, dtype=float), np.asarray(values, dtype=float)
    if t.size < 4 or (t[-1] - t[0]) < 3 * block_s:
        return None
    widths = np.diff(t)
    energies = widths * (v[1:] + v[:-1]) / 2
    block = ((t[:-1] - t[0]) // block_s).astype(int)
    energy, width = np.bincount(block, energies), np.bincount(block, widths)
    energy, width = energy[width > 0], width[width > 0]
    if energy.size < 3:
        return None
    drawn = np.random.default_rng(0).integers(0, energy.size, size=(2000, energy.size))
    return float((energy[drawn].sum(axis=1) / width[drawn].sum(axis=1)).std(ddof=1))


def _sample(values: Sequence[float]) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    if len(values) == 0:
        raise ValueError("a statistic needs at least one value")
    return np.asarray(values, dtype=np.float64)


def _positive(values: Sequence[float]) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    sample = _sample(values)
    if not (np.isfinite(sample).all() and (sample > 0).all()):
        raise ValueError("durations are finite and above 0")
    return sample


# scipy only when an interval is asked for: it costs more to import than everything else here.
def _t_quantile(p: float, freedom: float) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(freedom, p))


def _t_tail(t: float, freedom: float) -> float:
    from scipy.special import stdtr

    return float(stdtr(freedom, -t))
