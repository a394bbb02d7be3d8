"""The boundary of a cell: from an entry and an open session to exactly one result, whatever goes wrong between."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Protocol

from orchestrator.cell import Cell
from orchestrator.device import Board
from orchestrator.errors import BoardError, Interrupted, OrchestratorError, UnsupportedOptimization
from orchestrator.fleet.builds import Builds
from orchestrator.fleet.finish import failed, finished, forget_parts, interrupted, keep_part, skipped
from orchestrator.fleet.merge import merged
from orchestrator.fleet.rota import Underway
from orchestrator.fleet.turns import Turns
from orchestrator.result import Result, Sweep
from orchestrator.session import BACK, LOST, Part, Session

log = logging.getLogger(__name__)

CONTROLLER = "controller"


class Progress(Protocol):
    """What a person watching is told."""

    def at(self, board: str, cell: Cell | None, text: str, turn: str = "") -> None: ...

    def told(self, board: str, text: str) -> None: ...

    def done(self, result: Result) -> None: ...


LEAST_DEADLINE_S = 1.0
"""Of what is left of a cell's time for its last turns."""


@contextmanager
def busy(one: Underway) -> Iterator[None]:
    """The board works for this cell while it is entered, also when that ends in an error."""
    began = time.monotonic()
    try:
        yield
    finally:
        one.busy_s += time.monotonic() - began


@dataclass(frozen=True, slots=True)
class Boundary:
    """Measures cells. Nothing that goes wrong in one goes any further."""

    sweep: Sweep
    builds: Builds
    turns: Turns
    progress: Progress
    stop: threading.Event

    def cross(self, session: Session, one: Underway) -> tuple[Result | None, bool]:
        """One turn of a cell: its result if it failed, and whether the session can be used again as it is."""
        one.started_s = one.started_s or time.time()
        return self._guarded(session, one, self._turn)

    def conclude(self, session: Session, one: Underway) -> Result:
        """The result of a cell whose processes have all run."""
        result, _ = self._guarded(session, one, self._measured)
        return result or failed(self.sweep, one.entry.cell, session.board, BoardError("no result"), time.time())

    def _guarded(
        self, session: Session, one: Underway, step: Callable[[Session, Underway], Result | None]
    ) -> tuple[Result | None, bool]:
        """The step's result, or what its failure makes of the cell."""
        cell, board, started = one.entry.cell, session.board, one.started_s
        try:
            return step(session, one), True
        except OrchestratorError as error:
            log.error("%s on %s: %s", cell.id, board.name, error, exc_info=not isinstance(error, Interrupted))
            why = one.interrupted() if isinstance(error, Interrupted) and one.done else error
            return self.given_up(cell, board, why, started), not isinstance(error, BoardError)
        except Exception as error:
            log.exception("%s on %s", cell.id, board.name)
            return failed(self.sweep, cell, board, error, started or time.time()), False

    def given_up(self, cell: Cell, board: Board | None, error: Exception, started: float | None = None) -> Result:
        """No number: because the sweep ends, the combination is impossible, or for a reason."""
        began = time.time() if started is None else started
        if isinstance(error, UnsupportedOptimization):
            return skipped(self.sweep, cell, board, error.message)
        if isinstance(error, Interrupted) or self.stop.is_set():
            return interrupted(self.sweep, cell, board, str(error), began)
        return failed(self.sweep, cell, board, error, began)

    def _turn(self, session: Session, one: Underway) -> Result | None:
        """Deploy and run. Raises whatever goes wrong; what the board says went wrong is the result."""
        cell, board, turn = one.entry.cell, session.board, one.now

        def say(text: str) -> None:
            log.info("%s: %s: %s", board.name, cell.short, text)
            self.progress.at(board.name, cell, text, turn)
            if text in (LOST, BACK):
                self.progress.told(board.name, text)

        if self.stop.is_set():
            raise Interrupted("interrupted before it ran")
        artifact, part = self.builds.get(one.entry.key), self._part(one)
        own = board.machine == CONTROLLER
        # Packing and encrypting megabytes is work on this machine too.
        with self.turns.background() if not own and session.lacks(cell, artifact) else nullcontext():
            session.equip(cell, artifact.format, say)  # once a board: no time of the cell's
            with busy(one):
                session.deploy(cell, artifact, say)
        with self.turns.measuring() if own else nullcontext():
            with busy(one):
                outcome = session.run(cell, artifact, part, say)
        one.add(outcome)
        if outcome.record.get("error") is not None:
            return self._measured(session, one)
        if not one.complete or cell.settings.scenario.extra_processes:
            keep_part(cell, part.run_id, outcome)
        return None

    def _measured(self, session: Session, one: Underway) -> Result:
        """The record on disk and what it comes to."""
        cell, began = one.entry.cell, one.started_s or time.time()
        artifact, whole = self.builds.get(one.entry.key), merged(one.parts, cell.settings.scenario.processes)
        result = finished(self.sweep, cell, session.board, session.facts, artifact, whole, began, one.busy_s)
        forget_parts(cell, [str(part.record["run_id"]) for part in one.parts])
        return result

    def _part(self, one: Underway) -> Part:
        """What is run in this turn; the cell's time limit is for all its turns together."""
        cell, first = one.entry.cell, one.done + 1
        scenario = cell.settings.scenario
        return Part(
            run_id=f"{self.sweep.id}-{cell.number}-{first}-{secrets.token_hex(3)}",
            first=first,
            processes=one.turn,
            of=one.wanted,
            last=one.done < scenario.processes <= one.done + one.turn,
            deadline_s=max(LEAST_DEADLINE_S, scenario.timeout_s - one.ran_s),
        )
