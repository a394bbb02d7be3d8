"""Pivots as coloured HTML tables: blue is faster than the baseline, or takes less energy, orange slower or more; the
number always stands there."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.compare import Pivot, Value
from orchestrator.plain import plain
from orchestrator.report import columns as c
from orchestrator.report import energies, grid
from orchestrator.report.words import escaped

FULL = 4.0
"""The factor, either way, that has the strongest colour."""


@dataclass(frozen=True, slots=True)
class Colouring:
    """By which change a table is coloured, and what its ends are called."""

    ratio: str
    direction: Callable[[c.Row], str]
    worse: str
    better: str


TIME = Colouring("change_ratio", c.direction, "slower", "faster")
ENERGY = Colouring("energy_change_ratio", energies.energy_direction, "more", "less")
COLOURED_BY_CHANGE = {"latency": TIME, "speedup": TIME, "energy": ENERGY, "energy_change": ENERGY}


def section(pivots: Sequence[Pivot], value: Value, letters: Mapping[int, str], baseline: str) -> str:
    if not pivots:
        return ""
    rows = [row for pivot in pivots for row in pivot.cells.values()]
    colouring = COLOURED_BY_CHANGE.get(value.name)
    by_change = colouring if colouring and any(c.has(row, colouring.ratio) for row in rows) else None
    tables = "".join(_pivot(pivot, value, letters, by_change) for pivot in pivots)
    said = escaped(grid.legend(list(pivots), value))
    key = (
        _key(baseline, by_change)
        if by_change
        else '<span class="key"><i class="heat level" style="--s:.5"></i> more</span>'
    )
    head = f'<h2>Overview</h2><p class="note">{key} {said}</p>'
    return f'<section class="overview">{head}<div class="grids">{tables}</div></section>'


def _key(baseline: str, by: Colouring) -> str:
    steps = [("slower", 0.6, f"{FULL:.0f}× {by.worse}"), ("slower", 0.25, ""), ("same", 0.0, f"as {baseline}")]
    steps += [("faster", 0.25, ""), ("faster", 0.6, f"{FULL:.0f}× {by.better}")]
    return "".join(
        f'<span class="key"><i class="heat {kind}" style="--s:{shade}"></i>{escaped(f" {text}" if text else "")}</span>'
        for kind, shade, text in steps
    )


def _pivot(pivot: Pivot, value: Value, letters: Mapping[int, str], by_change: Colouring | None) -> str:
    numbers = [x for row in pivot.cells.values() if (x := value.of(row)) is not None and x > 0]
    span = (min(numbers), max(numbers)) if numbers else (1.0, 1.0)
    heads = "".join(f'<th scope="col">{escaped(x)}</th>' for x in pivot.column_values)
    lines = []
    for name in pivot.row_values:
        cells = [pivot.cells.get((name, column)) for column in pivot.column_values]
        places = "".join(_place(row, value, letters, span, by_change) for row in cells)
        lines.append(f'<tr><th scope="row">{escaped(name or "–")}</th>{places}</tr>')
    head = f'<tr><th class="corner">{escaped(grid.corner(pivot))}</th>{heads}</tr>'
    table = f'<table class="pivot"><thead>{head}</thead><tbody>{"".join(lines)}</tbody></table>'
    return (
        f'<figure><figcaption>{escaped(grid.title(pivot, value))}</figcaption><div class="wide">{table}</div></figure>'
    )


def _place(
    row: c.Row | None, value: Value, letters: Mapping[int, str], span: tuple[float, float], by_change: Colouring | None
) -> str:
    if row is None:
        return '<td class="heat empty" title="not asked for"></td>'
    text = escaped(grid.text(row, value, letters))
    if row["status"] != "done":
        why = " ".join(filter(None, (plain(row["reason"]), plain(row["hint"]))))
        return f'<td class="heat {escaped(row["status"].replace(" ", "-"))}" title="{escaped(why)}">{text}</td>'
    kind, shade = _by_change(row, by_change) if by_change else _by_level(value.of(row), span)
    if row["verdict"] == "invalid":
        kind, shade = "invalid", 0.0
    small = _small(row, value) if by_change else ""
    return f'<td class="heat {kind}" style="--s:{shade:.2f}" title="{escaped(_details(row))}">{text}{small}</td>'


def _by_change(row: c.Row, by: Colouring) -> tuple[str, float]:
    """On a logarithmic scale, so that twice as fast and half as fast are equally strong."""
    kind = by.direction(row)
    if kind == "same":
        return kind, 0.0
    return kind, 0.08 + 0.52 * min(1.0, abs(math.log(row[by.ratio])) / math.log(FULL))


def _by_level(number: float | None, span: tuple[float, float]) -> tuple[str, float]:
    if number is None or number <= 0 or span[0] >= span[1]:
        return "level", 0.0
    return "level", 0.05 + 0.5 * math.log(number / span[0]) / math.log(span[1] / span[0])


def _small(row: c.Row, value: Value) -> str:
    text = {
        "speedup": lambda: f"{c.number(row['latency_ms'])} ms",
        "energy": lambda: energies.energy_change(row),
        "energy_change": lambda: f"{energies.energy(row)} mJ {row['energy_beside']}" if c.has(row, "energy_mj") else "",
    }.get(value.name, lambda: _factor(row))()
    return f"<small>{escaped(text)}</small>" if text else "<small>&nbsp;</small>"


def _factor(row: c.Row) -> str:
    text = c.change(row)
    return "" if text == "–" else text


def _details(row: c.Row) -> str:
    lines = [c.cell_name(row), f"{c.latency(row)} ms" if c.has(row, "latency_ms") else "", plain(row["change_note"])]
    return " — ".join(filter(None, [*lines, plain(row["verdict_reasons"])]))
