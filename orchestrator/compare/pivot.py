"""One value of the cells as tables over two axes; nothing is averaged: other axes that differ make more tables."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.compare.rows import NUMBERS, PIVOT_AXES
from orchestrator.errors import ConfigError
from orchestrator.guess import did_you_mean
from orchestrator.words import is_number

Row = Mapping[str, Any]


ENERGY_COLUMNS = (
    *("energy_mj", "energy_uncertainty_mj", "energy_repeatability_mj", "energy_net_mj", "energy_net_uncertainty_mj"),
    *("energy_change_ratio", "power_w", "idle_power_w", "battery_h"),
    *("inferences_per_wh", "joules_per_1000", "edp_mj_ms"),
)


@dataclass(frozen=True, slots=True)
class Value:
    """What a pivot shows: a column, divided by ``scale``; ``why``: the column with the reason where there is none."""

    name: str
    column: str
    head: str
    scale: float = 1.0
    more_is_better: bool = False
    why: str = ""

    @property
    def of_energy(self) -> bool:
        """Whether it was made of measured energy, which may be doubted where the latency is not."""
        return self.column in ENERGY_COLUMNS

    @property
    def is_energy(self) -> bool:
        """Whether it means something else for another scope; a ratio is of energies of one."""
        return self.of_energy and self.column != "energy_change_ratio"

    def of(self, row: Row) -> float | None:
        """None where there is no number."""
        value = row.get(self.column)
        if value is None or math.isnan(value):
            return None
        return float(1 / value if self.name == "speedup" else value / self.scale)


VALUES = {
    value.name: value
    for value in (
        Value("latency", "latency_ms", "Latency ms"),
        Value("speedup", "change_ratio", "Speed-up", more_is_better=True),
        Value("p90", "latency_p90_ms", "p90 ms"),
        Value("p99", "latency_p99_ms", "p99 ms"),
        Value("first", "first_ms", "First inference ms"),
        Value("throughput", "throughput_per_s", "Inferences per s", more_is_better=True),
        Value("samples", "samples_per_s", "Samples per s", more_is_better=True),
        Value("sustained", "sustained_ms", "Sustained ms"),
        Value("pipeline", "pipeline_ms", "Pipeline ms"),
        Value("load", "load_ms", "Load ms"),
        Value("memory", "peak_rss_mb", "RSS MB"),
        Value("size", "size_bytes", "Size MB", 1e6),
        Value("energy", "energy_mj", "Energy measured mJ", why="energy_reason"),
        Value("energy_change", "energy_change_ratio", "Energy against the baseline", why="energy_change_note"),
        Value("net", "energy_net_mj", "Energy above idle mJ", why="energy_net_reason"),
        Value("wh", "inferences_per_wh", "Inferences per Wh", more_is_better=True, why="energy_reason"),
        Value("edp", "edp_mj_ms", "Energy x latency mJ ms", why="energy_reason"),
        Value("battery", "battery_h", "Hours on the battery", more_is_better=True, why="battery_note"),
        Value("ops", "ops_ratio", "Ops index against the baseline (no energy)"),
        Value("estimate", "energy_estimate_mj", "Energy ESTIMATED mJ"),
        Value("power", "power_w", "Power W", why="energy_reason"),
        Value("temperature", "temperature_max_c", "Highest temperature °C"),
    )
}


def value_called(name: str) -> Value:
    """One of VALUES, or any column that holds numbers. Raises ConfigError for any other word."""
    if name in VALUES:
        return VALUES[name]
    if name in NUMBERS:
        return Value(name, name, name)
    known = (*VALUES, *NUMBERS)
    hint = did_you_mean(name, known).rstrip() or f"one of {', '.join(known)}"
    raise ConfigError(f"no value {name!r} to show", hint=hint)


@dataclass(frozen=True, slots=True)
class Pivot:
    """``cells`` holds at most one row of the comparison for each pair; ``fixed`` is what its cells have in common.

    Only axes that differ somewhere in the comparison are named in ``fixed``; ``repeat`` counts cells that are
    equal in all axes.
    """

    rows: str
    columns: str
    row_values: tuple[str, ...]
    column_values: tuple[str, ...]
    fixed: Mapping[str, str]
    cells: Mapping[tuple[str, str], Row]
    left_out: int = 0  # rows that were taken away


def pivots(rows: Sequence[Row], axes: tuple[str, str] | None = None, along: str = "optimization") -> list[Pivot]:
    """As many tables as it takes for every cell to have a place of its own; none where nothing differs.

    ``axes``: rows and columns; None: the baseline's axis ``along`` in the columns, over the one that differs most,
    each device for itself.
    Raises ConfigError for an axis that does not exist.
    """
    if axes is None and (axes := usual_axes(rows, along)) is None:
        return []
    two_axes(axes)
    asked = sorted(rows, key=lambda row: (row["sweep"], row["number"]))
    split = [axis for axis in differing(rows) if axis not in axes]
    places: Counter[tuple[str, ...]] = Counter()
    found: dict[tuple[tuple[str, str], ...], dict[tuple[str, str], Row]] = {}
    for row in asked:
        fixed = [(axis, _at(row, axis)) for axis in split]
        place = (_at(row, axes[0]), _at(row, axes[1]))
        key = (*(value for _, value in fixed), *place)
        places[key] += 1
        if places[key] > 1:
            fixed.append(("repeat", str(places[key])))
        found.setdefault(tuple(fixed), {})[place] = row
    return [
        Pivot(*axes, _values(cells, 0), _values(cells, 1), dict(fixed), cells)
        for fixed, cells in sorted(found.items(), key=lambda item: len(item[0]))
    ]


def two_axes(axes: tuple[str, str]) -> tuple[str, str]:
    """Raises ConfigError for an axis that does not exist, or one named twice."""
    if unknown := [axis for axis in axes if axis not in PIVOT_AXES]:
        hint = f"{did_you_mean(unknown[0], PIVOT_AXES)}one of {', '.join(PIVOT_AXES)}"
        raise ConfigError(f"no axis {unknown[0]!r} to pivot by", hint=hint)
    if axes[0] == axes[1]:
        raise ConfigError(f"rows and columns are both {axes[0]!r}", hint="name two axes")
    return axes


def usual_axes(rows: Sequence[Row], along: str = "optimization") -> tuple[str, str] | None:
    """What is compared in the columns, so that a cell stands beside its baseline, over the axis with most values.

    Where all cells are alike in ``along``: the two axes with most values, in display order. The device is a row only
    where it takes that to have two.
    """
    counts = {axis: len({_at(row, axis) for row in rows}) for axis in PIVOT_AXES}
    differ = sorted(differing(rows), key=lambda axis: -counts[axis])
    if not differ:
        return None
    if along in differ and len(differ) > 1:
        others = [axis for axis in differ if axis != along]
        return next((axis for axis in others if axis != "device"), others[0]), along
    inner = [axis for axis in differ if axis != "device"]
    chosen = sorted((inner if len(inner) > 1 else differ)[:2], key=PIVOT_AXES.index)
    if len(chosen) == 1:
        chosen = ["model", *chosen] if chosen != ["model"] else ["model", "optimization"]
    wide = counts[chosen[1]] > 12 > counts[chosen[0]]
    return (chosen[1], chosen[0]) if wide else (chosen[0], chosen[1])


def differing(rows: Sequence[Row]) -> list[str]:
    """The axes that rows differ in; not the input size, where each model has its own."""
    sizes = {(_at(row, "model"), _at(row, "input_size")) for row in rows}
    implied = len(sizes) == len({model for model, _ in sizes})
    found = [axis for axis in PIVOT_AXES if len({_at(row, axis) for row in rows}) > 1]
    return [axis for axis in found if not (axis == "input_size" and implied and "model" in found)]


def _at(row: Row, axis: str) -> str:
    return str(row.get("runtime_asked" if axis == "runtime" else axis) or "")


def _values(cells: Mapping[tuple[str, str], Row], side: int) -> tuple[str, ...]:
    """In the order asked for; numbers by size."""
    values = list(dict.fromkeys(place[side] for place in cells))
    return tuple(sorted(values, key=float) if all(map(is_number, values)) else values)
