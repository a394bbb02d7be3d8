"""Cells side by side against a baseline, with intervals and significance."""

from orchestrator.compare.comparison import COLUMNS, Comparison, compare, compare_sweeps

__all__ = ["COLUMNS", "Comparison", "compare", "compare_sweeps"]
