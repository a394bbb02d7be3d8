"""The boundary of a cell: from an entry and an open session to exactly one result, whatever goes wrong between."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Protocol

from orchestrator.cell import Cell
from orchestrator.device import Board
from orchestrator.errors import (
    BoardError,
    HoldLost,
    Interrupted,
    JobLost,
    OrchestratorError,
    TransferFailed,
    UnsupportedOptimization,
)
from orchestrator.fleet.builds import Builds
from orchestrator.fleet.finish import failed, finished, interrupted, skipped
from orchestrator.fleet.merge import merged
from orchestrator.fleet.parts import keep_part, kept_parts
from orchestrator.fleet.rota import Underway
from orchestrator.fleet.turns import Turns
from orchestrator.result import Result, Sweep
from orchestrator.session import BACK, LINK_LOST, LOST, Outcome, Part, Session
from orchestrator.words import counted

log = logging.getLogger(__name__)

CONTROLLER = "controller"


class Progress(Protocol):
    """What a person watching is told."""

    def at(self, board: str, cell: Cell | None, text: str, turn: str = "") -> None: ...

    def told(self, board: str, text: str) -> None: ...

    def done(self, result: Result) -> None: ...


INFRASTRUCTURE = (*LINK_LOST, JobLost, TransferFailed)
"""What is no fault of the benchmark, and is tried again."""
RETRIES = 2
"""Of a cell, for infrastructure; a benchmark that failed has failed."""
LEAST_DEADLINE_S = 1.0
"""Of what is left of a cell's time for its last turns."""


def prefix_of(sweep: Sweep, cell: Cell) -> str:
    """What the ids of all jobs of a cell begin with."""
    return f"{sweep.id}-{cell.number}-"


def usable_part(board: Board, outcome: Outcome) -> bool:
    """Whether a record that was found on a board stands for the processes in it. One of an energy pass does not where
    the meter beside the board was read by who is gone."""
    record = outcome.record
    unread = board.meter is not None and record["energy"]["pass"] is not None and outcome.meter is None
    return record.get("error") is None and not unread


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
    resumed: bool = False  # records of the cells may lie in their folders

    def cross(self, session: Session, one: Underway) -> tuple[Result | None, bool]:
        """One turn of a cell: its result if it failed, and whether the session can be used again as it is.

        Neither: the turn is to be tried again, or the hold was ended (``session.ended_by``).
        """
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
        result, usable = self._tried(session, one, step)
        if result is not None and one.retries:
            words = f"infrastructure was at fault {counted(one.retries, 'time')}: {'; '.join(one.troubles)}"
            result = replace(result, retries=one.retries, warnings=(*result.warnings, words))
        return result, usable

    def _tried(
        self, session: Session, one: Underway, step: Callable[[Session, Underway], Result | None]
    ) -> tuple[Result | None, bool]:
        cell, board, started = one.entry.cell, session.board, one.started_s
        try:
            return step(session, one), True
        except HoldLost as error:
            session.ended_by = error
            return None, False
        except INFRASTRUCTURE as error:
            if self._again(session, one, error):
                return None, False
            return self.given_up(cell, board, error, started), False
        except OrchestratorError as error:
            log.error("%s on %s: %s", cell.id, board.name, error, exc_info=not isinstance(error, Interrupted))
            why = one.interrupted() if isinstance(error, Interrupted) and one.done else error
            return self.given_up(cell, board, why, started), not isinstance(error, BoardError)
        except Exception as error:
            log.exception("%s on %s", cell.id, board.name)
            return failed(self.sweep, cell, board, error, started or time.time()), False

    def _again(self, session: Session, one: Underway, error: OrchestratorError) -> bool:
        """Whether a turn that infrastructure has spoilt is tried once more."""
        cell, board = one.entry.cell, session.board
        log.warning("%s on %s: %s", cell.id, board.name, error, exc_info=True)
        if self.stop.is_set() or one.retries >= RETRIES:
            return False
        one.retries += 1
        one.troubles.append(str(error))
        self.progress.told(board.name, f"{cell.short}: once more ({one.retries} of {RETRIES}): {error}")
        return True

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
            log.info("%s: %s%s: %s", board.name, cell.short, f", {turn}" if turn else "", text)
            self.progress.at(board.name, cell, text, turn)
            if text in (LOST, BACK):
                self.progress.told(board.name, text)

        if self.stop.is_set():
            raise Interrupted("interrupted before it ran")
        artifact = self.builds.get(one.entry.key)
        result = self._take_up(session, one, artifact.sha256, say)
        if result is not None or one.complete:
            return result
        part = self._part(one)
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
        if one.done < one.wanted or cell.settings.scenario.extra_processes:
            keep_part(cell, board.name, part.run_id, outcome)
        return None

    def _take_up(self, session: Session, one: Underway, sha256: str, say: Callable[[str], None]) -> Result | None:
        """Before a cell's first turn: what lies in its folder from before. After a turn that was lost: what came of it
        on the board all the same."""
        cell, board = one.entry.cell, session.board
        if self.resumed and not one.parts and not one.retries:
            boot_id = session.facts.boot_id if session.facts else None
            for part in kept_parts(cell, board.name, sha256, boot_id):
                one.add(part)
                one.from_before = True
        if one.retries > one.taken_up:
            one.taken_up = one.retries
            for left in session.left(prefix_of(self.sweep, cell)):
                if (left.artifact, left.first) != (sha256, one.done + 1):
                    continue
                outcome = session.recover(left, say)
                if outcome is not None and outcome.record.get("error") is not None:
                    one.add(outcome)
                    return self._measured(session, one)
                if outcome is not None and usable_part(board, outcome):
                    keep_part(cell, board.name, left.run_id, outcome)
                    one.add(outcome)
        return None

    def _measured(self, session: Session, one: Underway) -> Result:
        """The record on disk and what it comes to."""
        cell, began = one.entry.cell, one.started_s or time.time()
        artifact, whole = self.builds.get(one.entry.key), merged(one.parts, cell.settings.scenario.processes)
        return finished(self.sweep, cell, session.board, session.facts, artifact, whole, began, one.busy_s)

    def _part(self, one: Underway) -> Part:
        """What is run in this turn; the cell's time limit is for all its turns together."""
        cell, first = one.entry.cell, one.done + 1
        scenario = cell.settings.scenario
        return Part(
            run_id=f"{self.sweep.id}-{cell.number}-{first}-{secrets.token_hex(3)}",
            first=first,
            processes=min(one.turn, one.wanted - one.done),
            of=one.wanted,
            last=one.done < scenario.processes <= one.done + one.turn,
            deadline_s=max(LEAST_DEADLINE_S, scenario.timeout_s - one.ran_s),
        )
