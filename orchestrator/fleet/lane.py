"""The boards of one machine, one at a time: what is next, its turns, its results, and whose turn it is then."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field

from orchestrator.errors import BoardError, Interrupted
from orchestrator.fleet.arrivals import Arrivals, pause_s
from orchestrator.fleet.boundary import CONTROLLER, INFRASTRUCTURE, RETRIES, Boundary, Progress
from orchestrator.fleet.builds import Builds
from orchestrator.fleet.desk import Desk
from orchestrator.fleet.parts import forget_parts
from orchestrator.fleet.pool import GONE, Berth
from orchestrator.fleet.rota import Underway
from orchestrator.fleet.turns import Turns
from orchestrator.fleet.ward import Ward
from orchestrator.result import DONE, Result
from orchestrator.session import Session, Workshop
from orchestrator.words import counted, duration

log = logging.getLogger(__name__)

UNFINISHED = "interrupted before it ran"
MOST_STRIKES = 2 * (RETRIES + 1)
"""Turns of one cell that the infrastructure spoils, on all boards: then it is likely the cell itself that does."""
OF_THE_BOARD = frozenset(kind.__name__ for kind in INFRASTRUCTURE)
"""Types of failures of a turn that say something about the board, and nothing about the cell."""


@dataclass(frozen=True, slots=True)
class Crew:
    """What all lanes of a run share. ``record`` says whether a result is on the disk; ``moved`` are the numbers of the
    cells with which a board went out of use, ``strikes`` counts by number what the infrastructure spoilt, anywhere."""

    workshop: Workshop
    builds: Builds
    turns: Turns
    progress: Progress
    stop: threading.Event
    desk: Desk
    boundary: Boundary
    record: Callable[[Result], bool]
    tell_late: Callable[[], None]
    given_up: dict[str, str]
    ward: Ward | None
    moved: set[int] = field(default_factory=set)
    strikes: Counter[int] = field(default_factory=Counter)


class Lane:
    """Nothing that goes wrong here goes any further."""

    def __init__(self, crew: Crew, berths: Sequence[Berth]) -> None:
        self._crew, self._desk, self._boundary, self._berths = crew, crew.desk, crew.boundary, berths
        self._open: tuple[Berth, Session] | None = None
        self._sessions = {berth: Session(berth.board, crew.workshop, berth.stop) for berth in berths}
        self._arrivals = Arrivals(crew.desk, crew.ward, berths, self._sessions, self._say)

    def work(self) -> None:
        """From the first cell to the last; the thread of the lane."""
        own = self._berths[0].board.machine == CONTROLLER
        error: Exception = Interrupted(UNFINISHED)
        try:
            if own:  # before the machine is taken: a build would wait for its turn, and the turn for the build
                unbuilt = self._desk.unbuilt()
                left = [k for k in self._crew.builds.pending(unbuilt) if not self._crew.builds.cached(unbuilt[k])]
                self._say(self._berths[0], f"waiting for {counted(len(left), 'build')}" if left else "")
                self._crew.builds.settle()
            with self._crew.turns.occupying() if own else nullcontext():
                self._serve()
        except Exception as bug:
            log.exception("%s", self._berths[0].board.name)
            error = bug
        finally:
            for berth in self._berths:
                self._leave(berth, error)

    def _serve(self) -> None:
        try:
            while (move := self._desk.next(self._berths, self._idle)) is not None:
                self._crew.tell_late()
                berth, one = move
                if one is None:
                    if self._open is not None and self._open[0] is not berth:
                        self._close()
                    self._come(berth)
                else:
                    self._run(berth, one)
        finally:
            self._close()

    def _come(self, berth: Berth) -> None:
        came = self._arrivals.come(berth)
        if isinstance(came, Exception):
            self._bring_back(berth, came)
        elif came:
            self._open = berth, self._sessions[berth]
            self._tell(berth, self._sessions[berth])
            if berth.given_at_s is not None:
                words = f"free again after {duration(time.monotonic() - berth.given_at_s)}, goes on"
                self._crew.progress.told(berth.board.name, words)
                berth.given_at_s = None

    def _run(self, berth: Berth, one: Underway) -> None:
        session = self._sessions[berth]
        result, usable = self._boundary.cross(session, one)
        trouble = self._trouble(berth, one, result, usable)
        out = trouble is not None and self._crew.ward is not None and not self._crew.ward.usable(berth.board)
        if out and self._moves(berth, one):
            result = None
        if result is None and trouble is not None and self._crew.strikes[one.entry.cell.number] >= MOST_STRIKES:
            result = self._boundary.given_up(one.entry.cell, berth.board, trouble, one.started_s)
        if result is not None:
            self._desk.finish(berth, one)
            self._recorded(session, one, result)
        if session.ended_by is not None:
            self._leave(berth, session.ended_by)
        elif out and trouble is not None:
            self._close()
            self._bring_back(berth, trouble)
        elif usable:
            self._conclude(berth, every=False)
            self._settle(berth, session)
        else:  # to be taken up again; what is open is kept for that
            self._conclude(berth, every=True)
            self._desk.closed(berth, pause_s(one.retries) if one.retries else 0.0)

    def _settle(self, berth: Berth, session: Session) -> None:
        """Between two turns: whoever of higher priority waits for the board gets it. What it has begun stays its own,
        and goes on where it was once the board is free."""
        waits = None if self._desk.rests(berth) else session.waiting()
        if session.ended_by is not None:
            self._leave(berth, session.ended_by)
        elif waits is None:
            self._desk.settle(berth)
        else:
            log.info("%s: given to %s", berth.board.name, waits)
            self._crew.progress.told(berth.board.name, f"given to {waits}, who waits; goes on when it is free")
            berth.given_at_s = time.monotonic()
            self._close()

    # -- the health of the board ---------------------------------------------------------------------------------

    def _trouble(self, berth: Berth, one: Underway, result: Result | None, usable: bool) -> BoardError | None:
        """What the link, the board or its supervisor did to a turn, once it is written down; None where it was well."""
        ward = self._crew.ward
        if ward is None or self._sessions[berth].ended_by is not None or self._crew.stop.is_set():
            return None
        error, words = result.error if result is not None else None, one.troubles[-1] if one.troubles else ""
        if usable:
            if result is None:
                ward.worked(berth.board)
            return None
        if error is not None and error.type not in OF_THE_BOARD:
            return None
        found = BoardError(error.message if error is not None else words, board=berth.board.name)
        if error is None and not words:
            return None
        self._crew.strikes[one.entry.cell.number] += 1
        ward.failed(berth.board, found)
        return found

    def _moves(self, berth: Berth, one: Underway) -> bool:
        """Whether a sister board tries the cell with which this one went out: once, since the cell may be the cause."""
        sisters = any(sister is not berth and sister.state != GONE for sister in berth.pool.berths)
        if not sisters or one.entry.cell.number in self._crew.moved:
            return False
        self._crew.moved.add(one.entry.cell.number)
        return True

    def _bring_back(self, berth: Berth, error: Exception) -> None:
        """A board that is out: what it has begun goes to its sisters, and it is recovered as far as the inventory
        allows, else given up."""
        ward = self._crew.ward
        if ward is not None and ward.is_out(berth.board):
            self._conclude(berth, every=True)
            self._desk.give_back(berth)
            try:
                if ward.recovered(berth.board, berth.pool.runtime, lambda: not self._desk.rests(berth)):
                    berth.attempts = 0
                    self._desk.closed(berth)
                    return
            except Interrupted:
                self._desk.closed(berth)
                return
        self._leave(berth, error)

    # -- results, and the end -------------------------------------------------------------------------------------

    def _recorded(self, session: Session, one: Underway, result: Result) -> None:
        """On the disk, and then the board need not keep its records any longer."""
        if self._crew.record(result):
            run_ids = [str(part.record["run_id"]) for part in one.parts]
            if result.status == DONE:
                forget_parts(one.entry.cell, run_ids)
            session.taken(run_ids)

    def _conclude(self, berth: Berth, every: bool) -> None:
        """Results of what has run all its processes; what is undecided runs on."""
        if not every and (more := self._desk.undecided(berth)):
            names = ", ".join(dict.fromkeys(one.entry.cell.short for one in more))
            words = f"undecided so far, {more[0].extra} more processes each: {names}"
            log.info("%s: %s", berth.board.name, words)
            self._crew.progress.told(berth.board.name, words)
        for one in self._desk.through(berth, every):
            result = self._boundary.conclude(self._sessions[berth], one)
            self._desk.finish(berth, one)
            self._recorded(self._sessions[berth], one, result)

    def _close(self) -> None:
        """Let the board go whose session is open."""
        if self._open is not None:
            berth, session = self._open
            self._open = None
            session.close()
            self._tell(berth, session)
            self._desk.closed(berth)
            self._say(berth, "")

    def _tell(self, berth: Berth, session: Session) -> None:
        for words in session.news():
            log.warning("%s: %s", berth.board.name, words)
            self._crew.progress.told(berth.board.name, words)

    def _leave(self, berth: Berth, error: Exception) -> None:
        """A board is done (nothing is left then) or given up."""
        if berth.state == GONE:
            return
        self._conclude(berth, every=True)
        begun = {one.entry.cell.number: one for one in berth.rota.cells if one.done}
        left = self._desk.leave(berth)
        if isinstance(error, Interrupted):
            self._remember(berth, berth.trouble)  # its sisters had run everything before it was tried once more
        else:
            log.error("%s is given up: %s", berth.board.name, error)
            self._remember(berth, str(error))
            rest = "; its cells go to the others" if berth.pool.waiting else ""
            self._crew.progress.told(berth.board.name, f"given up: {error}{rest}")
        for entry in left:
            one = begun.get(entry.cell.number)
            why = one.interrupted() if one is not None and isinstance(error, Interrupted) else error
            self._crew.record(self._boundary.given_up(entry.cell, berth.board, why))
        if left:
            self._crew.builds.keep(self._desk.unbuilt())
        self._say(berth, "")

    def _remember(self, berth: Berth, reason: str) -> None:
        if reason and not self._crew.stop.is_set():
            self._crew.given_up[berth.board.name] = reason

    def _idle(self) -> None:
        """Say which build the open board waits for, and how many more; let a board go that waits for nothing."""
        if self._open is None:
            return
        if self._desk.rests(self._open[0]):
            self._close()
            return
        unbuilt = self._desk.unbuilt(self._open[0])
        for key in self._crew.builds.pending(unbuilt)[:1]:
            axes = unbuilt[key].cell.axes
            words = f"waiting for {axes['model']}/{axes['optimization']} to be built, {len(unbuilt)} left"
            self._say(self._open[0], words)

    def _say(self, berth: Berth, text: str) -> None:
        if text:
            log.info("%s: %s", berth.board.name, text)
        self._crew.progress.at(berth.board.name, None, text)
