"""Cells side by side against a baseline, with intervals and significance."""

from orchestrator.compare.comparison import Comparison, compare, compare_sweeps
from orchestrator.compare.filters import Filter, is_filter
from orchestrator.compare.pivot import Pivot, Value, pivots, two_axes, value_called
from orchestrator.compare.rows import COLUMNS

__all__ = [
    "COLUMNS",
    "Comparison",
    "Filter",
    "Pivot",
    "Value",
    "compare",
    "compare_sweeps",
    "is_filter",
    "pivots",
    "two_axes",
    "value_called",
]
