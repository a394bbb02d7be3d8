"""Which cells are compared with each other, as far as a plan can tell."""

from __future__ import annotations

from orchestrator.compare.baseline import Baseline
from orchestrator.fleet.plan import Entry


def kin_of(entry: Entry) -> tuple[str, ...]:
    """What a cell shares with those that it is compared with: every axis but that of the baseline, and the overrides
    that are no axis."""
    axis = Baseline.parse(entry.cell.settings.baseline).axis
    return (*(value for name, value in entry.cell.axes.items() if name != axis), *entry.cell.extras)


def is_baseline(entry: Entry) -> bool:
    """Whether the others of its kin are compared with it."""
    baseline = Baseline.parse(entry.cell.settings.baseline)
    return entry.cell.axes.get(baseline.axis) == baseline.value
