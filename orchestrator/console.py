"""What a person sees while a sweep runs: one live line per board, or plain lines where no terminal is."""

from __future__ import annotations

import threading
import time
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from orchestrator.cell import Cell
from orchestrator.fleet import Entry, Plan, seconds
from orchestrator.result import DONE, FAILED, SKIPPED, Result

MARKS = {DONE: "[green]✓[/]", FAILED: "[red]✗[/]", SKIPPED: "[yellow]–[/]"}
VERDICT_STYLE = {"valid": "green", "suspect": "yellow", "invalid": "red"}


def said(result: Result) -> str:
    """One result as a line with rich markup."""
    mark = MARKS.get(result.status, "[yellow]…[/]")
    head = f"{mark} [bold]{escape(result.short)}[/]" + (f" on {escape(result.board)}" if result.board else "")
    if result.status == DONE and result.measurement is not None:
        median_ms = result.measurement.metrics["latency/median_ms"]
        level = result.measurement.verdict.level
        return f"{head}  {median_ms:.3g} ms  [{VERDICT_STYLE[level]}]{level}[/]"
    return f"{head}  {result.status}: {escape(result.why)}"


class PlainProgress:
    """A line per result, and per phase that takes long; for logs and pipes."""

    def __init__(self, console: Console, total: int) -> None:
        self._console, self._total, self._count = console, total, 0
        self._said: dict[str, str] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def at(self, board: str, cell: Cell | None, text: str) -> None:
        """Boards say what they do once per cell, not for every phase of it."""
        about = cell.short if cell else text
        with self._lock:
            if about and self._said.get(board) != about:
                self._said[board] = about
                line = f"{time.strftime('%H:%M:%S')} {board}: {about}"
                self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def done(self, result: Result) -> None:
        with self._lock:
            self._count += 1
            text = f"{time.strftime('%H:%M:%S')} \\[{self._count}/{self._total}] {said(result)}"
            self._console.print(text, highlight=False, soft_wrap=True)


class LiveProgress:
    """A line per board, redrawn only when something changes: an idle display costs the measurement nothing."""

    def __init__(self, console: Console, total: int) -> None:
        self._console, self._total, self._count = console, total, 0
        self._boards: dict[str, str] = {}
        self._lock = threading.Lock()
        self._live = Live(console=console, auto_refresh=False, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def at(self, board: str, cell: Cell | None, text: str) -> None:
        with self._lock:
            self._boards[board] = f"{cell.short}  {text}" if cell and text else text
            self._draw()

    def done(self, result: Result) -> None:
        with self._lock:
            self._count += 1
            self._live.console.print(said(result), highlight=False, soft_wrap=True)
            self._draw()

    def _draw(self) -> None:
        lines = [Text.assemble((f"  {board:<12} ", "cyan"), text) for board, text in self._boards.items() if text]
        self._live.update(Group(*lines, Text(f"  {self._count} of {self._total} cells", "dim")), refresh=True)


def progress(console: Console, total: int) -> PlainProgress | LiveProgress:
    """The display that fits where the output goes."""
    return LiveProgress(console, total) if console.is_terminal else PlainProgress(console, total)


def print_plan(console: Console, plan: Plan, cached: dict[int, bool]) -> None:
    """The cells, what must be built and how long the boards will be busy; ``cached`` by cell number."""
    table = Table(title=f"{len(plan.runnable)} cells to run", title_justify="left", box=None, pad_edge=False)
    for name in ("#", "device", "model", "optimization", "runtime", "t/b/size", "scenario", "artifact"):
        table.add_column(name)
    for entry in plan.entries:
        a = entry.cell.axes
        shape = f"{a['threads']}/{a['batch_size']}/{a['input_size']}"
        row = [str(entry.cell.number), a["device"], a["model"], a["optimization"], a["runtime"], shape, a["scenario"]]
        table.add_row(*(escape(word) for word in row), artifact_words(entry, cached))
    console.print(table)
    for number, twin in plan.duplicates.items():
        console.print(f"cell {number} is the same as cell {twin} and runs once", style="dim")
    for device, busy_s in busy_seconds(plan).items():
        console.print(f"{device}: about {busy_s / 60:.1f} minutes a board, builds and energy passes not counted")


def artifact_words(entry: Entry, cached: dict[int, bool]) -> str:
    """What is known about an entry's artifact before anything is built."""
    if entry.skipped is not None:
        return f"[yellow]skipped: {escape(entry.skipped.message)}[/]"
    if entry.failed is not None:
        return f"[red]will fail: {escape(str(entry.failed))}[/]"
    return "cached" if cached.get(entry.cell.number) else "to build"


def busy_seconds(plan: Plan) -> dict[str, float]:
    """Estimated measuring time per board of each device, its pool sharing the work."""
    total: dict[str, float] = {}
    for entry in plan.runnable:
        device = entry.cell.settings.device
        share = seconds(entry.cell.settings.scenario) / len(device.hosts)
        total[device.name] = total.get(device.name, 0.0) + share
    return total
