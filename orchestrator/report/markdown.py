"""The comparison as Markdown, for issues and MLflow's notes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from orchestrator.compare import Pivot, Value
from orchestrator.plain import plain
from orchestrator.report import columns as c
from orchestrator.report import grid, remarks
from orchestrator.report.grid import View
from orchestrator.report.troubles import doubts, marks, troubles


def markdown(shown: c.Sheet, title: str, view: View) -> str:
    lines = [f"## {_text(title)}", ""]
    if shown.common:
        lines += [" · ".join(f"{head} **{_text(text)}**" for head, text in shown.common.items()), ""]
    if shown.rows:
        lines.append(_line(column.head for column in shown.columns))
        lines.append(_line(("---:" if column.right else "---" for column in shown.columns), escaped=False))
        lines += [_line(column.text(row) for column in shown.columns) for row in shown.rows]
        lines.append("")
    lines += [f"- **choice** {_text(words)}" for words in shown.recommended]
    lines += [f"- **{verdict}** {_text(cells)}: {_text(reasons)}" for verdict, cells, reasons in doubts(shown)]
    found = troubles(shown)
    pivots = grid.tables(shown, view)
    for trouble in found:
        letter = f"{trouble.mark} " if pivots else ""
        hint = f" ({_text(trouble.hint)})" if trouble.hint else ""
        lines.append(f"- {letter}**{trouble.status}** {_text(trouble.cells)}: {_text(trouble.reason)}{hint}")
    lines += [f"- {_text(remark)}" for remark in (*shown.remarks, *shown.asked)]
    lines += _pivots(pivots, view.shown, marks(found))
    return "\n".join([*lines, "", *(f"*{_text(note)}*  " for note in remarks.notes(shown))]) + "\n"


def _pivots(pivots: list[Pivot], value: Value, letters: Mapping[int, str]) -> Iterator[str]:
    for pivot in pivots:
        yield f"\n**{_text(grid.title(pivot, value))}**\n"
        yield _line([grid.corner(pivot), *map(plain, pivot.column_values)])
        yield _line(["---", *("---:" for _ in pivot.column_values)], escaped=False)
        for row in pivot.row_values:
            cells = (grid.text(pivot.cells.get((row, column)), value, letters) for column in pivot.column_values)
            yield _line([plain(row), *cells])
    if pivots and (said := grid.legend(pivots, value)):
        yield f"\n{_text(said)}"


def _line(cells: Iterable[str], escaped: bool = True) -> str:
    return "| " + " | ".join(_text(cell) if escaped else cell for cell in cells) + " |"


def _text(text: str) -> str:
    """No markup, no table cell and no HTML comes out of a board's text."""
    return re.sub(r"([\\`*_\[\]<>|#!~])", r"\\\1", text)
