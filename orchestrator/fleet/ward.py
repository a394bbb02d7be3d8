"""The health of the boards of a run: who may be used, who is out, and what is tried to bring a board back."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.cell import Runtime
from orchestrator.checkup import Golden, examine
from orchestrator.checkup.ask import asked, held_words
from orchestrator.connection import connect
from orchestrator.device import Board
from orchestrator.errors import BoardBusy, BoardError, BoardNotReady, Interrupted, OrchestratorError
from orchestrator.fleet.boundary import Progress
from orchestrator.health import BAD, MAINTENANCE, Book, Health
from orchestrator.provisioning import deploy, facts
from orchestrator.session import Workshop
from orchestrator.switches import cycle

log = logging.getLogger(__name__)

POLL_S, LOOK_S = 3.0, 15.0
"""Between two tries to reach a board that boots, and one that may come back by itself."""
Wanted = Callable[[], bool]
"""Whether there still is something for the board to do."""
GOING_DOWN_S = 10.0
"""A board that was told to reboot still answers for a while."""


@dataclass(frozen=True, slots=True)
class Ward:
    """``root``: where results lie, and what is known of the boards. ``by``: the sweep, as it is written down.
    ``every``: each board has to pass a health check before its first cell, as in a night.
    """

    book: Book
    workshop: Workshop
    progress: Progress
    stop: threading.Event
    root: Path
    by: str
    every: bool = False
    _checked: set[str] = field(default_factory=set)  # boards that passed a health check in this run
    _sound: set[str] = field(default_factory=set)  # boards without a failure since they worked last
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def admits(self, board: Board, runtime: Runtime | None) -> BoardNotReady | None:
        """Why the board may not be used; None: it may, after a health check with ``runtime`` if it needed one.

        Raises Interrupted: the sweep ends.
        """
        health = self.book.of(board.name)
        if health.status == MAINTENANCE:
            hint = f"'board clear device={board.device.name}' brings it back"
            why = f"in maintenance: {health.reason or 'no reason was given'}"
            return BoardNotReady(why, hint=hint)
        if not self.wants_check(board):
            return None
        found = self.checked(board, runtime)
        if found is None and not self.is_out(board):
            return None  # somebody else has it: it will be waited for
        if found is not None and found.usable:
            return None
        hint = f"'doctor device={board.device.name}' says what to do"
        return BoardNotReady(f"out of use: {self.book.of(board.name).reason}", hint=hint)

    def is_out(self, board: Board) -> bool:
        """Whether only a health check lets it be used."""
        return self.book.of(board.name).status == BAD

    def usable(self, board: Board) -> bool:
        """Whether its health allows another turn."""
        return self.book.of(board.name).usable

    def wants_check(self, board: Board) -> bool:
        """Whether it is to be checked before it is used."""
        return self.is_out(board) or (self.every and board.name not in self._checked)

    def worked(self, board: Board) -> None:
        """A turn came to its end."""
        with self._lock:
            asked = board.name in self._sound
            self._sound.add(board.name)
        if not asked:  # the row of failures may be of an earlier sweep
            self.book.worked(board.name, self.by)

    def failed(self, board: Board, error: BoardError) -> Health:
        """The link, the board or its supervisor was at fault; what the board's health is now.

        A board that somebody else has, that lets nobody in or lacks something is none of it: that is said as it is, and
        a health check finds it.
        """
        with self._lock:
            self._sound.discard(board.name)
        before, health = self.book.of(board.name), self.book.failed(board.name, str(error), self.by)
        if health.status == BAD != before.status:
            log.error("%s is out: %s", board.name, health.reason)
            self.progress.told(board.name, f"out of use: {health.reason}")
        return health

    def checked(self, board: Board, runtime: Runtime | None) -> Health | None:
        """A health check: the golden benchmark through the whole chain. None: it could not be told, as of a board that
        somebody else holds.

        Raises Interrupted: the sweep ends.
        """
        self.progress.at(board.name, None, "health check")
        golden = Golden.shipped(runtime, self.root)
        found = examine(board, self.workshop, self.stop, golden, lambda text: log.info("%s: %s", board.name, text))
        if found.healthy is None:
            self.progress.told(board.name, f"its health cannot be told: {found.why}")
            return None
        if found.healthy:
            self._checked.add(board.name)
        health = self.book.checked(board.name, found.healthy, found.why, self.by)
        self.progress.told(board.name, "passed a health check" if found.healthy else f"health check: {found.why}")
        log.info("%s: health check: %s: %s", board.name, "passed" if found.healthy else "failed", found.why)
        return health

    def recovered(self, board: Board, runtime: Runtime | None, wanted: Wanted) -> bool:
        """What the inventory allows to bring the board back, one after the other, each followed by a health check;
        whether it is back. Nothing more is done to it once it is not ``wanted``.

        Raises Interrupted: the sweep ends.
        """
        if not self.every or self._is_taken(board):
            return False
        for step in (self._waited, self._rebooted, self._power_cycled):
            if wanted() and step(board, wanted):
                health = self.checked(board, runtime)
                if health is None:  # somebody has it by now, and nothing more is done to it
                    return False
                if health.usable:
                    return True
        return False

    def _at(self, board: Board, text: str) -> None:
        self.progress.at(board.name, None, text)

    def _allowed(self, board: Board, what: str) -> bool:
        """Whether one more may be done this hour; it is written down before it is done."""
        most = board.device.recovery.per_hour
        try:
            allowed = self.book.recovery(board.name, what, self.by, most)
        except OSError as error:
            log.error("%s: %s", board.name, error)
            allowed = False
        count = self.book.recoveries(board.name)
        words = what if allowed else (
            f"not {what}: {count} recoveries in the last hour, {most} allowed (device.recovery.per_hour)"
        )  # fmt: skip
        self.progress.told(board.name, words)
        log.warning("%s: %s", board.name, words)
        return allowed

    def _is_taken(self, board: Board) -> bool:
        """Whether somebody else has it: then nothing is done to it. Of one that does not answer, nobody can know."""
        holds = self.workshop.holds
        if holds is not None and holds.knows(board):
            return False  # what holds it may be what a lost link of ours has left behind
        try:
            with connect(board, local=self.workshop.local, stop=self.stop) as connection:
                known = facts(connection, board.device, board.workdir)
                deploy.push_program(connection, known, board.device, self.workshop.program)
                held = asked(connection, known, board, self.workshop.program, "holder", board.hold, "look")
        except BoardError as error:
            return isinstance(error, BoardBusy)
        if held["held"]:
            self.progress.told(board.name, f"left alone: it is held {held_words(held)}")
        return bool(held["held"])

    def _waited(self, board: Board, wanted: Wanted) -> bool:
        """In a night there is time: a router that restarts, or a cable that is plugged in again, needs nothing else."""
        if not board.device.recovery.wait_s:
            return False
        self._at(board, "waiting for it")
        for _ in self._until(time.monotonic() + board.device.recovery.wait_s, LOOK_S, wanted):
            with contextlib.suppress(BoardError), connect(board, local=self.workshop.local, stop=self.stop):
                return True
        return False

    def _rebooted(self, board: Board, wanted: Wanted) -> bool:
        """Over SSH, where it still answers; whether it came back."""
        command = board.device.recovery.reboot
        if not command:
            return False
        try:
            with connect(board, local=self.workshop.local, stop=self.stop) as connection:
                boot_id = facts(connection, board.device, board.workdir).boot_id
                if not self._allowed(board, "rebooted"):
                    return False
                with contextlib.suppress(BoardError):  # the link goes with it
                    done = connection.run(command, check=False)
                    if done.exit_code:
                        self.progress.told(board.name, f"did not reboot: {done.stderr.strip()[-200:]}")
                        return False
        except BoardError as error:
            log.warning("%s cannot be rebooted: %s", board.name, error)
            return False
        self.stop.wait(GOING_DOWN_S)
        return self._is_back(board, boot_id, wanted)

    def _power_cycled(self, board: Board, wanted: Wanted) -> bool:
        if board.power_switch is None or not self._allowed(board, "power-cycled"):
            return False
        try:
            cycle(board, self.stop.wait)
        except OrchestratorError as error:
            log.error("%s: %s", board.name, error)
            self.progress.told(board.name, f"its power could not be cycled: {error}")
            return False
        return self._is_back(board, None, wanted)

    def _is_back(self, board: Board, boot_id: str | None, wanted: Wanted) -> bool:
        """Wait until it answers, under another boot than ``boot_id``."""
        end, why = time.monotonic() + board.device.recovery.boot_s, "it did not reboot"
        self._at(board, "waiting for it to boot")
        for _ in self._until(end, POLL_S, wanted):
            try:
                with connect(board, local=self.workshop.local, stop=self.stop) as connection:
                    if boot_id is None or facts(connection, board.device, board.workdir).boot_id != boot_id:
                        return True
            except BoardError as error:
                why = str(error)
        words = f"it did not come back within {board.device.recovery.boot_s:.0f} s (device.recovery.boot_s): {why}"
        self.progress.told(board.name, words)
        log.error("%s: %s", board.name, words)
        return False

    def _until(self, end: float, every_s: float, wanted: Wanted) -> Iterator[None]:
        """Again and again, as long as anybody wants it. Raises Interrupted once the sweep ends."""
        while wanted() and (left_s := end - time.monotonic()) > 0:
            if self.stop.wait(min(every_s, left_s)):
                raise Interrupted("interrupted while a board was brought back")
            yield
