"""What a controller that is gone has left on its boards: jobs that run on, and records that nobody has taken home."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.device import Board
from orchestrator.errors import HoldLost, Interrupted, OrchestratorError
from orchestrator.fleet.boundary import Progress, prefix_of, usable_part
from orchestrator.fleet.parts import keep_part, knows_part
from orchestrator.fleet.plan import Entry
from orchestrator.result import Sweep
from orchestrator.session import LINK_LOST, Left, Session, Workshop, hold_key
from orchestrator.words import counted

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Gathering:
    """Before a sweep goes on: every board that it had opened is asked, boards of several machines side by side."""

    sweep: Sweep
    workshop: Workshop
    progress: Progress
    stop: threading.Event

    def run(self, entries: Sequence[Entry]) -> None:
        """Keep what is found in the folders of the cells. Of a board that cannot be asked is told; it keeps its own."""
        machines: dict[str, dict[str, tuple[Board, list[Entry]]]] = {}
        holds = self.workshop.holds
        for entry in entries:
            for board in entry.cell.settings.device.boards:
                if holds is not None and holds.knows(board):
                    machines.setdefault(board.machine, {}).setdefault(hold_key(board), (board, []))[1].append(entry)
        threads = [
            threading.Thread(target=self._ask_all, args=(list(boards.values()),), name=f"gather-{machine}")
            for machine, boards in machines.items()
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():  # in short waits, so that the main thread hears signals
                thread.join(0.2)

    def _ask_all(self, boards: Sequence[tuple[Board, list[Entry]]]) -> None:
        for board, entries in boards:
            if self.stop.is_set():
                return
            try:
                found = self._ask(board, entries)
            except Interrupted:
                return
            except Exception as error:
                log.warning("%s: what waits there was not collected: %s", board.name, error, exc_info=True)
                self.progress.told(board.name, f"what may wait there was not collected: {error}")
            else:
                if found:
                    self.progress.told(board.name, f"{counted(found, 'record')} collected from before")
            self.progress.at(board.name, None, "")

    def _ask(self, board: Board, entries: Sequence[Entry]) -> int:
        session, found = Session(board, self.workshop, self.stop), 0
        try:
            session.open(lambda text: self.progress.at(board.name, None, text), board.device.wait_for_hold_s)
            for entry in entries:
                for left in session.left(prefix_of(self.sweep, entry.cell)):
                    found += self._collected(session, entry, left)
        finally:
            session.close()
        return found

    def _collected(self, session: Session, entry: Entry, left: Left) -> bool:
        if knows_part(entry.cell, left.run_id):
            return False
        try:
            outcome = session.recover(left, lambda text: self.progress.at(session.board.name, entry.cell, text))
        except (Interrupted, HoldLost, *LINK_LOST):
            raise
        except OrchestratorError as error:
            log.warning("%s: %s: %s", session.board.name, left.run_id, error)
            return False
        if outcome is None or not usable_part(session.board, outcome):
            return False
        keep_part(entry.cell, session.board.name, left.run_id, outcome)
        return True
