"""What stands in a pivot's places, the same in terminal, Markdown and HTML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from orchestrator.compare import Pivot, Value, pivots, value_called
from orchestrator.plain import plain
from orchestrator.report import columns as c
from orchestrator.report import energies
from orchestrator.result import SKIPPED
from orchestrator.stats import NO_GROUND

DOUBT_MARKS = {"suspect": "?", "invalid": "!"}
MOST_REASONS = 3
"""In the legend, of why there is no number."""


@dataclass(frozen=True, slots=True)
class View:
    """What a reader asked to see: ``axes`` (rows, columns) and the value of a pivot; None: the usual ones."""

    axes: tuple[str, str] | None = None
    value: Value | None = None

    @property
    def asked(self) -> bool:
        return self.axes is not None or self.value is not None

    @property
    def shown(self) -> Value:
        return self.value or value_called("latency")


def tables(shown: c.Sheet, view: View) -> list[Pivot]:
    """The pivots of a report; where nobody asked, only if there is more than one row of cells to look at."""
    found = pivots(shown.every, view.axes, shown.along)
    if view.axes is None:
        found = [kept for pivot in found if (kept := _worth_it(pivot)).row_values]
    if view.asked or sum(len(pivot.row_values) for pivot in found) > 1:
        return found
    return []


def _worth_it(pivot: Pivot) -> Pivot:
    """Without rows that hold nothing but skipped cells; they are listed with their reasons."""
    full = {row for (row, _), cell in pivot.cells.items() if cell["status"] != SKIPPED}
    cells = {place: cell for place, cell in pivot.cells.items() if place[0] in full}
    columns = {column for _, column in cells}
    rows = tuple(row for row in pivot.row_values if row in full)
    shown = tuple(column for column in pivot.column_values if column in columns)
    left_out = len(pivot.row_values) - len(rows)
    return replace(pivot, row_values=rows, column_values=shown, cells=cells, left_out=left_out)


def title(pivot: Pivot, value: Value) -> str:
    """``Latency ms · device pi4 · threads 1``."""
    fixed = [f"{_axis(axis)} {text or '–'}" for axis, text in pivot.fixed.items()]
    return plain(" · ".join([value.head, *fixed]))


def corner(pivot: Pivot) -> str:
    return f"{_axis(pivot.rows)} \\ {_axis(pivot.columns)}"


def text(row: c.Row | None, value: Value, letters: Mapping[int, str]) -> str:
    """The value with its doubt; ``failed a`` with the letter of its reason; empty where no cell was asked for."""
    if row is None:
        return ""
    if row["status"] != "done":
        return plain(f"{row['status']} {letters.get(id(row), '')}").rstrip()
    of = row.get("energy_beside", "") if value.is_energy and value.of(row) is not None else ""
    return " ".join(filter(None, (bare(row, value), DOUBT_MARKS.get(_doubt(row, value), ""), of)))


def _doubt(row: c.Row, value: Value) -> str:
    """The verdict on what is shown: energy may be suspect where the latency is not."""
    own = row["verdict"] if row["status"] == "done" else ""
    return "suspect" if own == "valid" and value.of_energy and energies.suspect_energy(row) else own


def bare(row: c.Row, value: Value) -> str:
    """Of a cell that is done, without its doubt."""
    if value.column == "change_ratio" and row["is_baseline"]:
        return "baseline"
    if value.column == "energy_change_ratio":
        return energies.energy_change(row) or "–"
    number = value.of(row)
    if number is None:
        return "–"
    if value.name != "speedup":
        return c.number(number)
    if row["change_outcome"] == NO_GROUND:
        return "–"
    star = "*" if c.has(row, "change_differs") else ""
    return (f"{number:.2f}×" if row["change_significant"] else "~") + star


def legend(found: list[Pivot], value: Value) -> str:
    """What the marks mean that occur."""
    rows = [row for pivot in found for row in pivot.cells.values()]
    said = []
    if doubts := [
        f"{mark} {level}" for level, mark in DOUBT_MARKS.items() if any(_doubt(r, value) == level for r in rows)
    ]:
        said.append(", ".join(doubts))
    if value.name == "speedup":
        said.append("× as fast as the baseline, ~ no significant difference")
    if none := [row for row in rows if row["status"] == "done" and bare(row, value) == "–"]:
        reasons = _reasons(none, value)
        said.append(f"–: {reasons}" if reasons else "– no number")
    if value.is_energy and any(row.get("energy_beside") for row in rows):
        said += energies.shortened(rows, energies.differing_labels(rows))
    if any(row["status"] != "done" for row in rows):
        said.append("letters: the reasons below")
    if any(len(p.cells) < len(p.row_values) * len(p.column_values) for p in found):
        said.append("empty: not asked for")
    if any(p.left_out for p in found):
        said.append("rows with nothing but skipped cells are left out")
    return "; ".join(said)


def _reasons(rows: list[c.Row], value: Value) -> str:
    """Why there is no number, where that is known; a few of many."""
    found = list(dict.fromkeys(plain(row[value.why]) for row in rows if value.why and c.has(row, value.why)))
    more = f", and {len(found) - MOST_REASONS} more reasons" if len(found) > MOST_REASONS else ""
    return f"{', or '.join(found[:MOST_REASONS])}{more}" if found else ""


def _axis(name: str) -> str:
    return name.replace("_", " ")
