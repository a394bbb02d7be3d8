"""The comparison in a terminal, within its width; plain lines where the output is no terminal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from orchestrator.plain import plain
from orchestrator.report import columns as c
from orchestrator.report import energies, grid, remarks
from orchestrator.report.grid import View
from orchestrator.report.seen import Comparison
from orchestrator.report.troubles import Trouble, beside_limits, doubts, marks, troubles

PLAIN_WIDTH = 100
VERDICT_STYLES = {"valid": "green", "suspect": "yellow", "invalid": "bold red"}
LIMIT_STYLES = {"breaks": "red", "unknown": "yellow", "unsure": "yellow"}
STATUS_STYLES = {"failed": "bold red", "interrupted": "yellow", "not run": "yellow", "skipped": "dim"}


def table(console: Console, comparison: Comparison, view: View | None = None) -> None:
    """Print the cells side by side, then what is doubtful, failed or skipped, with the reasons.

    ``view``: pivots instead of the list of cells, where somebody asked for them.
    """
    shown, view = c.sheet(comparison), view or View()
    found = troubles(shown)
    if shown.common:
        _say(console, Text("  ".join(f"{head} {text}" for head, text in shown.common.items()), "dim"))
    kept = list(shown.columns)
    if view.asked:
        print_pivots(console, shown, view, found)
    elif shown.rows:
        kept = _fitting(shown, width(console))
        _print_rows(console, shown, kept)
    for choice in [] if view.asked else shown.recommended:
        _say(console, Text.assemble(("choice   ", "bold"), (choice.about, "bold"), f": {choice.text}"))
    for word, cells, reasons in beside_limits(shown):
        _say(console, Text.assemble((f"{word:<8} ", LIMIT_STYLES[word]), f"{cells}: {reasons}"))
    for verdict, cells, reasons in doubts(shown):
        _say(console, Text.assemble((f"{verdict:<8} ", VERDICT_STYLES.get(verdict, "")), f"{cells}: {reasons}"))
    for trouble in found:
        _say(console, _without(trouble, view.asked))
    for remark in shown.remarks:
        _say(console, Text(remark, "yellow"))
    for remark in shown.asked:
        _say(console, Text(remark, "dim"))
    there = {column.key for column in kept} | {*shown.labels}
    if left := [column.head for column in shown.columns if column.key not in there]:
        _say(console, Text(f"Without room here, in comparison.html: {', '.join(left)}", "dim"))
    for note in [] if view.asked else remarks.notes(shown, kept):
        _say(console, Text(note, "dim"))


def width(console: Console) -> int:
    return console.width if console.is_terminal else max(PLAIN_WIDTH, console.width)


def print_pivots(console: Console, shown: c.Sheet, view: View, found: list[Trouble]) -> None:
    """A small table per pivot; as plain lines where the output is no terminal."""
    value, pivots, letters = view.shown, grid.tables(shown, view), marks(found)
    for pivot in pivots:
        heads = [grid.corner(pivot), *map(plain, pivot.column_values)]
        lines = [
            [plain(r), *(grid.text(pivot.cells.get((r, x)), value, letters) for x in pivot.column_values)]
            for r in pivot.row_values
        ]
        _say(console, Text(grid.title(pivot, value), "bold"))
        widths = [max(map(len, column)) for column in zip(heads, *lines, strict=True)]
        for number, line in enumerate([heads, *lines]):
            first, *rest = (
                f"{x:>{w}}" if at else f"{x:<{w}}" for at, (x, w) in enumerate(zip(line, widths, strict=True))
            )
            _say(console, Text("  ".join([first, *rest]).rstrip(), "dim" if number == 0 else ""))
        _say(console, Text(""))
    if said := grid.legend(pivots, value):
        _say(console, Text(said, "dim"))


def _print_rows(console: Console, shown: c.Sheet, kept: list[c.Column]) -> None:
    if console.is_terminal:
        console.print(_table(shown, kept))
        return
    for line in _lines(shown, kept):
        _say(console, Text(line))


def _say(console: Console, text: Text) -> None:
    """Wrapped for people; one line each where a program may read it."""
    console.print(text, highlight=False, soft_wrap=not console.is_terminal)


def _without(trouble: Trouble, lettered: bool) -> Text:
    where = f" on {trouble.board}" if trouble.board else ""
    letter = f"{trouble.mark:<2} " if lettered else ""
    head = (f"{trouble.status:<8} ", STATUS_STYLES.get(trouble.status, ""))
    text = Text.assemble(letter, head, f"{trouble.cells}{where}: {trouble.reason}")
    if trouble.hint:
        text.append(f" ({trouble.hint})")
    if trouble.log:
        text.append(f"  log: {trouble.log}", "dim")
    return text


def _table(shown: c.Sheet, kept: list[c.Column]) -> Table:
    made = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False, header_style="bold")
    for column in kept:
        made.add_column(column.head, justify="right" if column.right else "left", overflow="fold")
    before = None
    for row in shown.rows:
        group = shown.group(row)
        if before not in (None, group):
            made.add_section()
        before = group
        made.add_row(*(_styled(column, row) for column in kept))
    return made


def _lines(shown: c.Sheet, kept: list[c.Column]) -> Iterator[str]:
    """The table without frame or colour."""
    texts = [[column.head, *(column.text(row) for row in shown.rows)] for column in kept]
    widths = [max(map(len, some)) for some in texts]
    for number, line in enumerate(zip(*texts, strict=True)):
        cells = zip(line, kept, widths, strict=True)
        yield "  ".join(f"{text:>{w}}" if column.right else f"{text:<{w}}" for text, column, w in cells).rstrip()
        if number == 0:
            yield "  ".join("-" * w for w in widths)


def _fitting(shown: c.Sheet, width: int) -> list[c.Column]:
    """As many columns as fit side by side, the least important left out first."""
    kept = list(shown.columns)
    if _width(kept, shown) > width:
        kept = [
            replace(column, text=energies.battery_alone) if column.key == "battery_h" else column for column in kept
        ]
    while _width(fitted := _with_labels(shown, kept), shown) > width:
        least = min(kept, key=lambda column: column.keep)
        if least.keep >= 8:
            break
        kept.remove(least)
    return fitted


def _with_labels(shown: c.Sheet, kept: list[c.Column]) -> list[c.Column]:
    """What an energy is of stands beside it where it has lost its column."""
    lost = [label for label in shown.labels if label not in {column.key for column in kept}]
    return [energies.labelled(column, lost) if lost and column.key == "energy_mj" else column for column in kept]


def _width(kept: list[c.Column], shown: c.Sheet) -> int:
    texts = ([column.head, *(column.text(row) for row in shown.rows)] for column in kept)
    return sum(max(map(len, some)) + 2 for some in texts) - 2


def _styled(column: c.Column, row: c.Row) -> Text:
    text = column.text(row)
    style = VERDICT_STYLES.get(text, "") if column.key == "verdict" else ""
    if column.key == "change":
        style = {"faster": "green", "slower": "red"}.get(c.direction(row), "dim")
    return Text(text, style)
