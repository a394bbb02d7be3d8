"""What a person sees while a sweep runs: one live line per board, or plain lines where no terminal is."""

from __future__ import annotations

import codecs
import contextlib
import io
import logging
import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from orchestrator.cell import Cell
from orchestrator.plain import plain
from orchestrator.result import DONE, FAILED, NOT_RUN, SKIPPED, Result

log = logging.getLogger(__name__)

MARKS = {DONE: ("✓", "green"), FAILED: ("✗", "red"), SKIPPED: ("–", "yellow"), NOT_RUN: ("–", "yellow")}
VERDICT_STYLE = {"valid": "green", "suspect": "yellow", "invalid": "red"}

SIMPLER = {
    "✓": "+",
    "✗": "x",
    "–": "-",
    "—": "-",
    "…": "...",
    "×": "x",
    "±": "+-",
    "·": "-",
    "µ": "u",
    "●": "@",
    "○": "o",
    "°": "",
}
"""What our own marks become where the output's encoding has no place for them."""

Part = str | tuple[str, str]


class _Terminal(Console):
    """A pipe that nobody reads any more (``| head``) silences it; what was begun goes on."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        log.info("nobody reads the output any more")
        with contextlib.suppress(OSError, ValueError):  # no real file, as in a test
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.file.fileno())  # else the interpreter complains when it flushes at its end
            os.close(nowhere)


def terminal(*, stderr: bool = False, soft_wrap: bool = False) -> Console:
    """Where people read. Neither its encoding nor its end can break what is being done."""
    stream = sys.stderr if stderr else sys.stdout
    if isinstance(stream, io.TextIOWrapper):
        codecs.register_error("orchestrator.simpler", _simpler)
        with contextlib.suppress(OSError):
            stream.reconfigure(errors="orchestrator.simpler")
    return _Terminal(stderr=stderr, soft_wrap=soft_wrap)


def _simpler(error: UnicodeError) -> tuple[str, int]:
    """For characters that an ASCII or Latin-1 terminal does not have."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(SIMPLER.get(c, "?") for c in error.object[error.start : error.end]), error.end


def say(console: Console, *parts: Part, lines: bool = False) -> None:
    """Print words, each plain or with a style, that may come from a board: as text, without markup, on one line.

    ``lines``: their line ends are ours and stay. What cannot be printed is logged; nobody fails for it.
    """
    text = Text.assemble(*(_clean(part, lines) for part in parts))
    with unbroken():
        console.print(text, highlight=False, soft_wrap=True)


def _clean(part: Part, lines: bool) -> Part:
    words, style = (part, "") if isinstance(part, str) else part
    return ("\n".join(map(plain, words.split("\n"))) if lines else plain(words), style)


@contextlib.contextmanager
def unbroken() -> Iterator[None]:
    """Output that fails (a closed pipe, a full disk, an encoding) is logged, and work goes on."""
    try:
        yield
    except (OSError, UnicodeError, SystemExit) as error:  # SystemExit: rich's own answer to a closed pipe
        log.warning("cannot print: %s: %s", type(error).__name__, error)


def said(result: Result, label: str = "") -> Text:
    """One result as a line; ``label`` is what its cell is called, where its short name is not enough."""
    mark = MARKS.get(result.status, ("…", "yellow"))
    head = Text.assemble(
        mark, " ", (plain(label or result.short), "bold"), f" on {plain(result.board)}" if result.board else ""
    )
    if result.status == DONE and result.measurement is not None:
        median_ms = result.measurement.metrics["latency/median_ms"]
        level = result.measurement.verdict.level
        return Text.assemble(head, f"  {median_ms:.3g} ms  ", (level, VERDICT_STYLE[level]))
    return Text.assemble(head, f"  {result.status}: {plain(result.why)}")


class PlainProgress:
    """A line per result, and per phase that takes long; for logs and pipes."""

    def __init__(self, console: Console, total: int, labels: Mapping[int, str] | None = None) -> None:
        self._console, self._total, self._count, self._labels = console, total, 0, labels or {}
        self._said: dict[str, str] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def at(self, board: str, cell: Cell | None, text: str, turn: str = "") -> None:
        """Boards say what they do once per ``turn`` of a cell (which of its processes), not for every phase of it."""
        about = ", ".join(filter(None, (self._labels.get(cell.number, cell.short), turn))) if cell else text
        with self._lock:
            if about and self._said.get(board) != about:
                self._said[board] = about
                say(self._console, f"{time.strftime('%H:%M:%S')} {board}: {about}")

    def told(self, board: str, text: str) -> None:
        """What people must not miss, beside what it does."""
        with self._lock:
            say(self._console, f"{time.strftime('%H:%M:%S')} {board}: {text}")

    def done(self, result: Result) -> None:
        with self._lock, unbroken():
            self._count += 1
            head = f"{time.strftime('%H:%M:%S')} [{self._count}/{self._total}] "
            line = Text.assemble(head, said(result, self._labels.get(result.number, "")))
            self._console.print(line, highlight=False, soft_wrap=True)


class LiveProgress:
    """A line per board, redrawn only when something changes: an idle display costs the measurement nothing."""

    def __init__(self, console: Console, total: int, labels: Mapping[int, str] | None = None) -> None:
        self._console, self._total, self._count, self._labels = console, total, 0, labels or {}
        self._boards: dict[str, str] = {}
        self._lock = threading.Lock()
        self._live = Live(console=console, auto_refresh=False, transient=True)

    def __enter__(self) -> Self:
        with unbroken():
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        with unbroken():
            self._live.stop()

    def at(self, board: str, cell: Cell | None, text: str, turn: str = "") -> None:
        with self._lock, unbroken():
            name = self._labels.get(cell.number, cell.short) if cell else ""
            self._boards[board] = f"{name}  {text}" if cell and text else text
            self._draw()

    def told(self, board: str, text: str) -> None:
        """What people must not miss: a line that stays."""
        with self._lock, unbroken():
            self._live.console.print(Text(plain(f"{board}: {text}"), "yellow"), highlight=False, soft_wrap=True)

    def done(self, result: Result) -> None:
        with self._lock, unbroken():
            self._count += 1
            line = said(result, self._labels.get(result.number, ""))
            self._live.console.print(line, highlight=False, soft_wrap=True)
            self._draw()

    def _draw(self) -> None:
        said_now = [(plain(board), plain(text)) for board, text in self._boards.items() if text]
        lines = [
            Text.assemble((f"  {board:<12} ", "cyan"), text, no_wrap=True, overflow="ellipsis")
            for board, text in said_now
        ]
        self._live.update(Group(*lines, Text(f"  {self._count} of {self._total} cells", "dim")), refresh=True)


def progress(console: Console, total: int, labels: Mapping[int, str]) -> PlainProgress | LiveProgress:
    """The display that fits where the output goes, for ``total`` cells; ``labels``: what they are called."""
    return (LiveProgress if console.is_terminal else PlainProgress)(console, total, labels)
