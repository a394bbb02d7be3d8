"""The boundary of a cell: from an entry and an open session to exactly one result, whatever goes wrong between."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Protocol

from orchestrator.cell import Cell
from orchestrator.device import Board
from orchestrator.errors import BoardError, Interrupted, OrchestratorError, UnsupportedOptimization
from orchestrator.fleet.builds import Builds
from orchestrator.fleet.finish import failed, finished, interrupted, skipped
from orchestrator.fleet.plan import Entry
from orchestrator.fleet.turns import Turns
from orchestrator.result import Result, Sweep
from orchestrator.session import BACK, LOST, Session

log = logging.getLogger(__name__)

CONTROLLER = "controller"


class Progress(Protocol):
    """What a person watching is told."""

    def at(self, board: str, cell: Cell | None, text: str) -> None: ...

    def told(self, board: str, text: str) -> None: ...

    def done(self, result: Result) -> None: ...


class Stopwatch:
    """Seconds that a board was busy, summed over what is timed."""

    def __init__(self) -> None:
        self.seconds = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Counts while it is entered, also when that ends in an error."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.seconds += time.monotonic() - began


@dataclass(frozen=True, slots=True)
class Boundary:
    """Measures cells. Nothing that goes wrong in one goes any further."""

    sweep: Sweep
    builds: Builds
    turns: Turns
    progress: Progress
    stop: threading.Event

    def cross(self, session: Session, entry: Entry) -> tuple[Result, bool]:
        """The cell's result, and whether the session can be used for another cell as it is."""
        cell, board, started = entry.cell, session.board, time.time()
        try:
            return self._measured(session, entry, started), True
        except OrchestratorError as error:
            log.error("%s on %s: %s", cell.id, board.name, error, exc_info=not isinstance(error, Interrupted))
            return self.given_up(cell, board, error, started), not isinstance(error, BoardError)
        except Exception as error:
            log.exception("%s on %s", cell.id, board.name)
            return failed(self.sweep, cell, board, error, started), False

    def given_up(self, cell: Cell, board: Board | None, error: Exception, started: float | None = None) -> Result:
        """No number: because the sweep ends, the combination is impossible, or for a reason."""
        began = time.time() if started is None else started
        if isinstance(error, UnsupportedOptimization):
            return skipped(self.sweep, cell, board, error.message)
        if isinstance(error, Interrupted) or self.stop.is_set():
            return interrupted(self.sweep, cell, board, str(error), began)
        return failed(self.sweep, cell, board, error, began)

    def _measured(self, session: Session, entry: Entry, started: float) -> Result:
        """Deploy, run, measure. Raises whatever goes wrong."""
        cell, board, busy = entry.cell, session.board, Stopwatch()

        def say(text: str) -> None:
            log.info("%s: %s: %s", board.name, cell.short, text)
            self.progress.at(board.name, cell, text)
            if text in (LOST, BACK):
                self.progress.told(board.name, text)

        if self.stop.is_set():
            raise Interrupted("interrupted before it ran")
        artifact = self.builds.get(entry.key)
        run_id = f"{self.sweep.id}-{cell.number}-{secrets.token_hex(3)}"
        own = board.machine == CONTROLLER
        # Packing and encrypting megabytes is work on this machine too.
        with self.turns.background() if not own and session.lacks(cell, artifact) else nullcontext():
            session.equip(cell, artifact.format, say)  # once a board: no time of the cell's
            with busy.running():
                session.deploy(cell, artifact, say)
        with self.turns.measuring() if own else nullcontext():
            with busy.running():
                outcome = session.run(cell, artifact, run_id, say)
        return finished(self.sweep, cell, board, session.facts, artifact, outcome, started, busy.seconds)
