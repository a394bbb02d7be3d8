"""The comparison in a terminal, within its width; plain lines where the output is no terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from orchestrator.plain import plain
from orchestrator.report import columns as c
from orchestrator.report.seen import Comparison

PLAIN_WIDTH = 100
VERDICT_STYLES = {"valid": "green", "suspect": "yellow", "invalid": "bold red"}
STATUS_STYLES = {"failed": "bold red", "interrupted": "yellow", "skipped": "dim"}


def table(console: Console, comparison: Comparison) -> None:
    """Print the cells side by side, then what is doubtful, failed or skipped, with the reasons."""
    terminal = console.is_terminal
    shown = c.sheet(comparison)
    if shown.common:
        _say(console, Text("  ".join(f"{head} {text}" for head, text in shown.common.items()), "dim"))
    kept: list[c.Column] = []
    if shown.rows:
        kept = _fitting(shown, console.width if terminal else max(PLAIN_WIDTH, console.width))
        if terminal:
            console.print(_table(shown, kept))
        else:
            for line in _lines(shown, kept):
                _say(console, Text(line))
    for row, reasons in c.doubts(shown.rows):
        style = VERDICT_STYLES.get(row["verdict"], "")
        _say(console, Text.assemble((f"{row['verdict']:<8} ", style), f"{c.cell_name(row)}: {reasons}"))
    for row in shown.others:
        _say(console, _without(row))
    if left := [column.head for column in shown.columns if column not in kept]:
        _say(console, Text(f"Without room here, in comparison.html: {', '.join(left)}", "dim"))
    for note in c.notes(shown, kept):
        _say(console, Text(note, "dim"))


def _say(console: Console, text: Text) -> None:
    """Wrapped for people; one line each where a program may read it."""
    console.print(text, highlight=False, soft_wrap=not console.is_terminal)


def _without(row: c.Row) -> Text:
    where = f" on {plain(row['board'])}" if c.has(row, "board") else ""
    head = (f"{row['status']:<8} ", STATUS_STYLES.get(row["status"], ""))
    text = Text.assemble(head, f"{c.cell_name(row)}{where}: {plain(row['reason'])}")
    if c.has(row, "hint"):
        text.append(f" ({plain(row['hint'])})")
    if c.has(row, "log"):
        text.append(f"  log: {plain(row['log'])}", "dim")
    return text


def _table(shown: c.Sheet, kept: list[c.Column]) -> Table:
    made = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False, header_style="bold")
    for column in kept:
        made.add_column(column.head, justify="right" if column.right else "left", overflow="fold")
    before = None
    for row in shown.rows:
        group = (row["sweep"], row["device"], row["model"])
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
    while _width(kept, shown) > width:
        least = min(kept, key=lambda column: column.keep)
        if least.keep >= 8:
            break
        kept.remove(least)
    return kept


def _width(kept: list[c.Column], shown: c.Sheet) -> int:
    texts = ([column.head, *(column.text(row) for row in shown.rows)] for column in kept)
    return sum(max(map(len, some)) + 2 for some in texts) - 2


def _styled(column: c.Column, row: c.Row) -> Text:
    text = column.text(row)
    style = VERDICT_STYLES.get(text, "") if column.key == "verdict" else ""
    if column.key == "change":
        style = "green" if text.endswith("faster") else "red" if text.endswith("slower") else "dim"
    return Text(text, style)
