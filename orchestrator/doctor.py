"""``doctor``: is each board ready? Every board is examined, those of different machines side by side."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from orchestrator.cache import cache_directory
from orchestrator.cell import Settings
from orchestrator.checkup import NOTE, OK, PROBLEM, UNKNOWN, Check, Examination, Golden, examine
from orchestrator.connection import LocalServer
from orchestrator.console import Part, say, terminal
from orchestrator.device import Board
from orchestrator.errors import Interrupted
from orchestrator.plain import plain
from orchestrator.provisioning import Program
from orchestrator.session import Workshop
from orchestrator.signals import stopping
from orchestrator.statuses import INCOMPLETE, INTERRUPTED
from orchestrator.statuses import OK as READY
from orchestrator.words import duration

AT_ONCE = 16
"""Machines whose boards are examined at the same time."""
MARKS = {OK: ("✓", "green"), NOTE: ("!", "yellow"), PROBLEM: ("✗", "red"), UNKNOWN: ("?", "dim")}
POLL_S = 0.2


@dataclass(frozen=True, slots=True)
class Visit:
    """What was found, in the order in which the boards were asked for; without those that an interrupt left."""

    examinations: tuple[Examination, ...]
    interrupted: bool = False
    asked: tuple[Settings, ...] = ()  # with which each was examined


def examined(asked: Sequence[Settings], console: Console, quiet: bool = False) -> Visit:
    """Examine every board of every device, with the runtime that was asked for with it. ``quiet``: say nothing until
    all is known. No board keeps another one from being examined, but those of one machine take turns."""
    visits = [(board, one) for one in asked for board in one.device.boards]
    machines: dict[str, list[int]] = {}
    for number, (board, _) in enumerate(visits):
        machines.setdefault(board.machine, []).append(number)
    found: dict[int, Examination] = {}
    stop, program = threading.Event(), Program.built(cache_directory())
    local = LocalServer() if any(board.device.is_local for board, _ in visits) else None
    workshop = Workshop(program, cache_directory(), "doctor", local)
    display = _Display(console, quiet)

    def of_machine(numbers: Sequence[int]) -> None:
        for number in numbers:
            board, settings = visits[number]
            golden = Golden.shipped(settings.runtime, Path(settings.root).resolve())
            found[number] = examine(board, workshop, stop, golden, display.at(board))
            display.done(found[number])

    try:
        with stopping(stop, terminal(stderr=True)), ThreadPoolExecutor(AT_ONCE) as pool:
            _waited([pool.submit(of_machine, numbers) for numbers in machines.values()])
    finally:
        display.close()
        if local is not None:
            local.close()
    done = sorted(found)
    return Visit(tuple(found[n] for n in done), stop.is_set(), tuple(visits[n][1] for n in done))


def _waited(futures: Sequence[Future[None]]) -> None:
    """In short waits, so that the main thread hears signals."""
    left = set(futures)
    while left:
        _, left = wait(left, timeout=POLL_S)
    for future in futures:
        error = future.exception()
        if error is not None and not isinstance(error, Interrupted):
            raise error


class _Display:
    """What each board does now on a line that goes again, where somebody looks; and each list once it is whole."""

    def __init__(self, console: Console, quiet: bool) -> None:
        self._console, self._quiet = console, quiet
        self._now: dict[str, str] = {}
        self._lock = threading.Lock()
        self._status = console.status("") if console.is_terminal and not quiet else None
        if self._status is not None:
            self._status.start()

    def at(self, board: Board) -> Callable[[str], None]:
        """Where a board's progress goes."""

        def take(words: str) -> None:
            with self._lock:
                self._now[called(board)] = words
                self._show()

        return take

    def done(self, one: Examination) -> None:
        """Show what was found, at once."""
        with self._lock:
            self._now.pop(called(one.board), None)
            self._show()
            if not self._quiet:
                for line in listed(one):
                    say(self._console, *line, lines=True)

    def close(self) -> None:
        """Take the line away."""
        if self._status is not None:
            self._status.stop()

    def _show(self) -> None:
        if self._status is not None:
            words = "; ".join(f"{name}: {what}" for name, what in self._now.items())
            self._status.update(plain(words).replace("[", "\\["))


def listed(one: Examination) -> list[list[Part]]:
    """A headed list of the checks, with what to do under those that need it; what was not reached is one line."""
    width = max(len(check.name) for check in one.checks)
    lines: list[list[Part]] = [[(called(one.board), "bold"), f"  {duration(one.took_s)}"]]
    for found, some in itertools.groupby(one.checks, key=lambda check: check.found):
        same = list(some)
        if len(same) > 1 and same[0].level == UNKNOWN:
            lines.append(["  ", MARKS[UNKNOWN], f" {found}: {', '.join(check.name for check in same)}"])
            continue
        for check in same:
            lines.append(["  ", MARKS[check.level], f" {check.name:<{width}}  {check.found}"])
            lines += _fix(check, width)
    return [*lines, []]


def called(board: Board) -> str:
    """The device and the board, since one board may be in two devices."""
    kind = board.device.name
    return kind if kind == board.name else f"{kind} {board.name}"


def _fix(check: Check, width: int) -> list[list[Part]]:
    """Indented, without any mark that would be copied with it."""
    if check.fix is None or check.level not in (NOTE, PROBLEM):
        return []
    return [[" " * (width + 6), (line, "cyan")] for line in check.fix.split("\n")]


def told(console: Console, visit: Visit, as_json: bool) -> None:
    """The summary, a line for each board; or everything as JSON."""
    if as_json:
        whole = json.dumps([one.to_json() for one in visit.examinations], indent=1, allow_nan=False)
        console.print(whole, soft_wrap=True, markup=False, highlight=False)
        return
    for one in visit.examinations:
        mark = MARKS[OK if one.passed else PROBLEM if one.problems else UNKNOWN]
        words = one.why if one.passed else f"not ready: {one.why}" if one.problems else f"cannot tell: {one.why}"
        say(console, mark, " ", (called(one.board), "bold"), f"  {words}")
    if visit.interrupted:
        say(console, ("interrupted", "yellow"), ": what was found until then stands above")


def status(visit: Visit) -> int:
    """0: every board is ready; 2: one is not, or could not be told to be; 130: interrupted."""
    if visit.interrupted:
        return INTERRUPTED
    return READY if all(one.passed for one in visit.examinations) else INCOMPLETE
