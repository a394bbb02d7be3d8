"""Whether the warm-up was long enough, judged by what a window begins with."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator import stats

SHARE = 20  # one in so many values is the beginning
LEAST = 5  # values of a beginning; the median of fewer is mostly chance
SLOWER = 1.05
"""Below 5 % a first value is not called slow, however quiet the others are: it does not move a median."""


def early_excess(values: Sequence[int]) -> float | None:
    """Median of the first 5 % of the values over that of the rest, minus 1; None under 50 values."""
    count = max(LEAST, len(values) // SHARE)
    if len(values) < 10 * LEAST:
        return None
    return stats.median(values[:count]) / stats.median(values[count:]) - 1


def first_is_slow(values: Sequence[int]) -> bool | None:
    """Whether the first value is an outlier: 14.8 MAD (hyperfine's rule) and 5 % above the median. None under 10."""
    if len(values) < 10:
        return None
    middle = stats.median(values)
    return values[0] > max(middle + 10 * stats.MAD_TO_SIGMA * stats.mad(values), middle * SLOWER)


def evidence(windows: Sequence[Sequence[int]]) -> dict[str, float | None]:
    """What the rules of the verdict look at, from the values of each process in their order."""
    excesses = [found for values in windows if (found := early_excess(values)) is not None]
    slow = [found for values in windows if (found := first_is_slow(values)) is not None]
    return {
        "early_excess": stats.median(excesses) if excesses else None,
        "slow_first_values": sum(slow) / len(slow) if slow else None,
    }
