"""Who runs what when: machines in parallel, one cell at a time on each, no failure stopping another."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from orchestrator.cell import Cell
from orchestrator.device import Board
from orchestrator.errors import BoardError, ConnectionFailed, Interrupted, OrchestratorError
from orchestrator.fleet.builds import Builds
from orchestrator.fleet.finish import failed, finished, interrupted, skipped
from orchestrator.fleet.plan import Entry, Plan
from orchestrator.fleet.turns import Turns
from orchestrator.result import Result, Sweep
from orchestrator.session import Session, Workshop

log = logging.getLogger(__name__)

CONTROLLER = "controller"
OPEN_ATTEMPTS = 3
"""Infrastructure is retried, a benchmark never."""


class Progress(Protocol):
    """What a person watching is told."""

    def at(self, board: str, cell: Cell | None, text: str) -> None: ...

    def done(self, result: Result) -> None: ...


@dataclass(slots=True)
class Queue:
    """The cells of one device, shared by its boards; empty handed only once all boards are gone."""

    entries: deque[Entry]
    boards: int
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, ready: Callable[[Entry], bool]) -> Entry | None:
        """The first entry whose artifact is there, else the first; None when there is none left."""
        with self.lock:
            if not self.entries:
                return None
            chosen = next((entry for entry in self.entries if ready(entry)), self.entries[0])
            self.entries.remove(chosen)
            return chosen

    def leave(self) -> list[Entry]:
        """A board gives up; the last one takes what is left with it."""
        with self.lock:
            self.boards -= 1
            if self.boards > 0:
                return []
            rest = list(self.entries)
            self.entries.clear()
            return rest


@dataclass(frozen=True, slots=True)
class Fleet:
    """Runs plans. ``journal`` is called once per result, from any lane, as soon as it is there."""

    sweep: Sweep
    workshop: Workshop
    builds: Builds
    turns: Turns
    progress: Progress
    journal: Callable[[Result], None]
    stop: threading.Event

    def run(self, plan: Plan) -> None:
        """Every entry of the plan comes to exactly one result."""
        for entry in plan.entries:
            self._settle_without_board(entry)
            if entry.recipe is not None:
                self.builds.order(entry.recipe)
        lanes = [
            threading.Thread(target=self._lane, args=(work,), name=f"lane-{machine}")
            for machine, work in self._work(plan.runnable).items()
        ]
        for lane in lanes:
            lane.start()
        for lane in lanes:
            while lane.is_alive():  # in short waits, so that the main thread hears signals
                lane.join(0.2)

    def _settle_without_board(self, entry: Entry) -> None:
        if entry.skipped is not None:
            self._record(skipped(self.sweep, entry.cell, None, entry.skipped))
        elif entry.failed is not None:
            self._record(failed(self.sweep, entry.cell, None, entry.failed, time.time()))

    def _work(self, entries: Sequence[Entry]) -> dict[str, list[tuple[Board, Queue]]]:
        """Boards and the queues they serve, by physical machine."""
        queues: dict[str, Queue] = {}
        work: dict[str, list[tuple[Board, Queue]]] = {}
        for entry in entries:
            device = entry.cell.settings.device
            key = repr(device)
            if key not in queues:
                queues[key] = Queue(deque(), len(device.hosts))
                for host in device.hosts:
                    board = Board(device, host)
                    work.setdefault(board.machine, []).append((board, queues[key]))
            queues[key].entries.append(entry)
        return work

    def _lane(self, work: list[tuple[Board, Queue]]) -> None:
        for board, queue in work:
            if board.machine == CONTROLLER:
                with self.turns.occupying():
                    self._serve(board, queue)
            else:
                self._serve(board, queue)

    def _serve(self, board: Board, queue: Queue) -> None:
        """One board from its first cell to its last."""
        session: Session | None = None
        try:
            if board.machine == CONTROLLER:
                self.progress.at(board.name, None, "waiting for the builds")
                self.builds.settle()
            while (entry := queue.take(lambda e: e.recipe is not None and self.builds.ready(e.recipe))) is not None:
                if session is None and not self.stop.is_set():
                    try:
                        session = self._open(board)
                    except OrchestratorError as error:
                        self._give_up(board, queue, entry, error)
                        return
                if not self._cell(session, board, entry) and session is not None:
                    session.close()
                    session = None
        finally:
            if session is not None:
                session.close()
            self.progress.at(board.name, None, "")

    def _open(self, board: Board) -> Session:
        """A session, after up to three tries where the link is at fault."""
        session = Session(board, self.workshop, self.stop)
        for attempt in range(1, OPEN_ATTEMPTS + 1):
            try:
                session.open(lambda text: self.progress.at(board.name, None, text))
                return session
            except ConnectionFailed as error:
                log.warning("%s: attempt %d of %d: %s", board.name, attempt, OPEN_ATTEMPTS, error)
                pause_s = 2.0**attempt * random.uniform(0.5, 1.0)
                if attempt == OPEN_ATTEMPTS or self.stop.wait(pause_s):
                    raise
        raise ConnectionFailed("never reached", board=board.name)

    def _give_up(self, board: Board, queue: Queue, entry: Entry, error: OrchestratorError) -> None:
        """The board is no use: its cells go to a sister board, or fail with the reason."""
        log.error("%s: %s", board.name, error)
        with queue.lock:
            queue.entries.appendleft(entry)
        for left in queue.leave():
            self._record(failed(self.sweep, left.cell, board, error, time.time()))

    def _cell(self, session: Session | None, board: Board, entry: Entry) -> bool:
        """One cell to its result; False when the session is of no further use. The cell boundary of the fleet."""
        cell, started = entry.cell, time.time()

        def say(text: str) -> None:
            log.info("%s: %s: %s", board.name, cell.short, text)
            self.progress.at(board.name, cell, text)

        try:
            if self.stop.is_set() or session is None or entry.recipe is None:
                raise Interrupted("interrupted before it ran")
            say("waiting for the build")
            artifact = self.builds.get(entry.recipe)
            session.deploy(cell, artifact, say)
            run_id = f"{self.sweep.id}-{cell.number}"
            if board.machine == CONTROLLER:
                with self.turns.measuring():
                    outcome = session.run(cell, artifact, run_id, say)
            else:
                outcome = session.run(cell, artifact, run_id, say)
            self._record(finished(self.sweep, cell, board, session.facts, artifact, outcome, started))
            return True
        except Interrupted as error:
            self._record(interrupted(self.sweep, cell, board, error, started))
            return True
        except OrchestratorError as error:
            log.error("%s on %s: %s", cell.id, board.name, error, exc_info=True)
            self._record(failed(self.sweep, cell, board, error, started))
            return not isinstance(error, BoardError)
        except Exception as error:
            log.exception("%s on %s", cell.id, board.name)
            self._record(failed(self.sweep, cell, board, error, started))
            return False

    def _record(self, result: Result) -> None:
        self.journal(result)
        self.progress.done(result)
