"""Which cells are compared with each other, as far as a plan can tell."""

from __future__ import annotations

from orchestrator.fleet.plan import Entry


def kin_of(entry: Entry) -> tuple[str, ...]:
    """What a cell shares with those that it is compared with: every axis but that of the baseline."""
    axis, _ = _baseline(entry)
    return tuple(value for name, value in entry.cell.axes.items() if name != axis)


def is_baseline(entry: Entry) -> bool:
    """Whether the others of its kin are compared with it."""
    axis, value = _baseline(entry)
    return entry.cell.axes.get(axis) == value


def _baseline(entry: Entry) -> tuple[str, str]:
    """Axis and value; a word alone is an optimization."""
    axis, colon, value = entry.cell.settings.baseline.partition(":")
    return (axis, value) if colon else ("optimization", axis)
