"""Who runs what when: machines in parallel, one cell at a time on each, no failure stopping another."""

from __future__ import annotations

import logging
import random
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Protocol

from orchestrator.cell import Cell
from orchestrator.device import Board
from orchestrator.errors import BoardError, ConnectionFailed, Interrupted, OrchestratorError
from orchestrator.fleet.builds import Builds
from orchestrator.fleet.finish import failed, finished, interrupted, skipped
from orchestrator.fleet.plan import Entry, Plan
from orchestrator.fleet.pool import Pool
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

    def _work(self, entries: Sequence[Entry]) -> dict[str, list[tuple[Board, Pool]]]:
        """Boards and the pools they serve, by physical machine."""
        pools: dict[str, Pool] = {}
        work: dict[str, list[tuple[Board, Pool]]] = {}
        for entry in entries:
            device = entry.cell.settings.device
            key = repr(device)
            if key not in pools:
                boards = device.boards
                pools[key] = Pool(len(boards))
                for board in boards:
                    work.setdefault(board.machine, []).append((board, pools[key]))
            pools[key].add(entry)
        return work

    def _lane(self, work: list[tuple[Board, Pool]]) -> None:
        """The boards of one machine, one after the other. Nothing that goes wrong here goes any further."""
        for board, pool in work:
            error: Exception | None = None
            try:
                self._serve(board, pool)
            except OrchestratorError as reason:
                log.error("%s: %s", board.name, reason)
                error = reason
            except Exception as reason:
                log.exception("%s", board.name)
                error = reason
            finally:
                for left in pool.leave():
                    self._record(self._given_up(left.cell, board, error or Interrupted("interrupted before it ran")))

    def _serve(self, board: Board, pool: Pool) -> None:
        """One board from its first cell to its last. Raises what makes the board useless."""
        if board.machine == CONTROLLER:
            self.progress.at(board.name, None, "waiting for the builds")
            self.builds.settle()
        session = Session(board, self.workshop, self.stop)
        opened = False
        with self.turns.occupying() if board.machine == CONTROLLER else nullcontext():
            try:
                while (entry := pool.take(self._is_built)) is not None:
                    try:
                        opened = opened or self._open(session)
                    except BaseException:
                        pool.give_back(entry)
                        raise
                    try:
                        opened = self._cell(session, entry)
                    finally:
                        pool.settle()
            finally:
                session.close()
                self.progress.at(board.name, None, "")

    def _is_built(self, entry: Entry) -> bool:
        return entry.recipe is not None and self.builds.ready(entry.recipe)

    def _open(self, session: Session) -> bool:
        """Open the session, or take it up again, with three tries where the link is at fault."""
        name = session.board.name
        for attempt in range(1, OPEN_ATTEMPTS + 1):
            if self.stop.is_set():
                raise Interrupted("interrupted before it ran")
            try:
                session.open(lambda text: self.progress.at(name, None, text))
                return True
            except ConnectionFailed as error:
                log.warning("%s: attempt %d of %d: %s", name, attempt, OPEN_ATTEMPTS, error)
                if attempt == OPEN_ATTEMPTS:
                    raise
                self.stop.wait(2.0**attempt * random.uniform(0.5, 1.0))
        return False

    def _cell(self, session: Session, entry: Entry) -> bool:
        """One cell to its one result; False when the session must be taken up again. The cell boundary of the fleet."""
        cell, board, started = entry.cell, session.board, time.time()
        usable = True
        try:
            result = self._measured(session, entry, started)
        except OrchestratorError as error:
            log.error("%s on %s: %s", cell.id, board.name, error, exc_info=not isinstance(error, Interrupted))
            result = self._given_up(cell, board, error, started)
            usable = not isinstance(error, BoardError)
        except Exception as error:
            log.exception("%s on %s", cell.id, board.name)
            result, usable = failed(self.sweep, cell, board, error, started), False
        self._record(result)
        return usable

    def _measured(self, session: Session, entry: Entry, started: float) -> Result:
        """Build, deploy, run, measure. Raises whatever goes wrong."""
        cell, board = entry.cell, session.board

        def say(text: str) -> None:
            log.info("%s: %s: %s", board.name, cell.short, text)
            self.progress.at(board.name, cell, text)

        if self.stop.is_set() or entry.recipe is None:
            raise Interrupted("interrupted before it ran")
        if not self.builds.ready(entry.recipe):
            say("waiting for the build")
        artifact = self.builds.get(entry.recipe)
        run_id = f"{self.sweep.id}-{cell.number}-{secrets.token_hex(3)}"
        if board.machine == CONTROLLER:
            session.deploy(cell, artifact, say)
            with self.turns.measuring():
                outcome = session.run(cell, artifact, run_id, say)
        else:
            # Packing and encrypting megabytes is work on this machine too.
            with self.turns.background() if session.lacks(cell, artifact) else nullcontext():
                session.deploy(cell, artifact, say)
            outcome = session.run(cell, artifact, run_id, say)
        return finished(self.sweep, cell, board, session.facts, artifact, outcome, started)

    def _given_up(self, cell: Cell, board: Board, error: Exception, started: float | None = None) -> Result:
        """No number: because the sweep ends, or for a reason."""
        began = time.time() if started is None else started
        if isinstance(error, Interrupted) or self.stop.is_set():
            return interrupted(self.sweep, cell, board, str(error), began)
        return failed(self.sweep, cell, board, error, began)

    def _record(self, result: Result) -> None:
        self.journal(result)
        self.progress.done(result)
