"""Statistics of repeated runs: robust centres, honest percentiles, intervals between processes, comparisons.

The unit of replication is the process, not the call: what differs between two measurements of the same thing is
mostly what is decided once per process (address layout, hash seed, page placement), so thousands of calls in one
process are one sample, not thousands. That is how pyperf sizes its runs (``required_nprocesses`` in its
``_bench.py``). Durations are compared as ratios, hence on their logarithms.
"""

from orchestrator.stats.change import DIFFERENT, NO_GROUND, SAME, UNDECIDED, Change, compare, compare_all, undecided
from orchestrator.stats.design import MOST
from orchestrator.stats.family import FALSE_ALARMS, FOR_LOOKS, MINIMUM_EFFECT
from orchestrator.stats.interval import CONFIDENCE, Interval, between_processes
from orchestrator.stats.sample import (
    MAD_TO_SIGMA,
    PERCENTILE_MINIMUM,
    cv,
    drift,
    mad,
    median,
    outliers,
    percentile,
    spread,
    stdev,
)

__all__ = [
    "CONFIDENCE",
    "DIFFERENT",
    "FALSE_ALARMS",
    "FOR_LOOKS",
    "MAD_TO_SIGMA",
    "MINIMUM_EFFECT",
    "MOST",
    "NO_GROUND",
    "PERCENTILE_MINIMUM",
    "SAME",
    "UNDECIDED",
    "Change",
    "Interval",
    "between_processes",
    "compare",
    "compare_all",
    "cv",
    "drift",
    "mad",
    "median",
    "outliers",
    "percentile",
    "spread",
    "stdev",
    "undecided",
]
