"""Who runs what when: machines in parallel, one cell at a time on each, no failure stopping another."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field

from orchestrator.errors import BoardBusy, BoardError, BoardNotReady, Interrupted, OrchestratorError
from orchestrator.fleet.boundary import CONTROLLER, Boundary, Progress
from orchestrator.fleet.builds import Builds
from orchestrator.fleet.desk import Desk
from orchestrator.fleet.finish import failed, not_run, skipped
from orchestrator.fleet.gather import Gathering
from orchestrator.fleet.order import build_order
from orchestrator.fleet.parts import forget_parts
from orchestrator.fleet.plan import Entry, Plan
from orchestrator.fleet.pool import GONE, Berth, berths_of, pools_of
from orchestrator.fleet.rota import Underway
from orchestrator.fleet.turns import Turns
from orchestrator.fleet.ward import Ward
from orchestrator.result import DONE, Result, Sweep
from orchestrator.session import LINK_LOST, Session, Workshop
from orchestrator.words import counted, duration

log = logging.getLogger(__name__)

OPEN_ATTEMPTS = 3
"""Infrastructure is retried, a benchmark never."""
RETRY_S = 1.0
"""Doubled with every attempt, and up to half less by chance, so that a rack does not come back as one."""
SLICE_S = 5.0
"""How long a hold is waited for at a time, where another board of the machine has something to do meanwhile."""
PAUSE_S = 1.0
"""In which the other board is tried."""
GIVEN_S = 6 * 3600.0
"""How long a board is waited for that was left to somebody of higher priority: as long as a person may be at it."""
CONNECTING_S = 60.0
"""What comes before waiting, and does not count as that."""
UNFINISHED = "interrupted before it ran"


@dataclass(frozen=True, slots=True)
class Fleet:
    """Runs plans. ``journal`` is called once per result, from any thread, as soon as it is there.

    ``journal`` says whether the result is on the disk. ``resumed``: another process had begun this sweep.
    ``given_up`` gathers the boards that were not of use, each with the reason.
    """

    sweep: Sweep
    workshop: Workshop
    builds: Builds
    turns: Turns
    progress: Progress
    journal: Callable[[Result], bool]
    stop: threading.Event
    resumed: bool = False
    given_up: dict[str, str] = field(default_factory=dict)
    ends_s: float | None = None  # of the budget, on the clock of time.monotonic
    ward: Ward | None = None  # None: nobody keeps the health of boards
    strikes: set[int] = field(default_factory=set)  # cells with which a board went out of use

    def run(self, plan: Plan) -> None:
        """Every entry of the plan comes to exactly one result."""
        for entry in plan.entries:
            self._settle_without_board(entry)
        if self.resumed:
            Gathering(self.sweep, self.workshop, self.progress, self.stop).run(plan.runnable)
        machines = berths_of(plan.runnable)
        desk = Desk(machines, self.ends_s)
        boundary = Boundary(self.sweep, self.builds, self.turns, self.progress, self.stop, self.resumed)
        self.builds.start(
            build_order(pools_of(machines), self.builds.cached), lambda key: self._built(key, desk, boundary)
        )
        threads = [
            threading.Thread(target=_Lane(self, desk, boundary, berths).work, name=f"lane-{machine}")
            for machine, berths in machines.items()
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():  # in short waits, so that the main thread hears signals
                if self.stop.is_set():
                    desk.stop()
                thread.join(0.2)
        self.tell_late(desk)

    def tell_late(self, desk: Desk) -> None:
        """The budget does not reach for these."""
        for entry in desk.late():
            need = duration(entry.estimate.seconds)
            words = f"the budget of {entry.cell.settings.budget} was spent: it takes about {need}"
            self.record(not_run(self.sweep, entry.cell, words))

    def record(self, result: Result) -> bool:
        """A cell has come to its result; whether that is on the disk."""
        written = self.journal(result)
        self.progress.done(result)
        return written

    def _settle_without_board(self, entry: Entry) -> None:
        """What the plan says already; people are told of it as a whole."""
        if entry.skipped is not None:
            self.journal(skipped(self.sweep, entry.cell, None, entry.skipped))
        elif entry.failed is not None:
            self.journal(failed(self.sweep, entry.cell, None, entry.failed, time.time()))

    def _built(self, key: str, desk: Desk, boundary: Boundary) -> None:
        """An artifact is there, or its cells have their result without a board; in the build's thread."""
        try:
            self.builds.get(key)
        except Interrupted:
            return  # the lanes end, and answer for what they leave
        except Exception as error:
            entries = desk.withdraw(key)
            if entries:  # else nobody waits for it any more
                log.error("build: %s", error, exc_info=error)
            for entry in entries:
                self.record(boundary.given_up(entry.cell, None, error))
        else:
            desk.built(key)


class _Lane:
    """The boards of one machine, one at a time. Nothing that goes wrong here goes any further."""

    def __init__(self, fleet: Fleet, desk: Desk, boundary: Boundary, berths: Sequence[Berth]) -> None:
        self._fleet, self._desk, self._boundary, self._berths = fleet, desk, boundary, berths
        self._open: tuple[Berth, Session] | None = None
        self._sessions = {berth: Session(berth.board, fleet.workshop, berth.stop) for berth in berths}

    def work(self) -> None:
        """From the first cell to the last; the thread of the lane."""
        own = self._berths[0].board.machine == CONTROLLER
        error: Exception = Interrupted(UNFINISHED)
        try:
            if own:  # before the machine is taken: a build would wait for its turn, and the turn for the build
                unbuilt = self._desk.unbuilt()
                left = [k for k in self._fleet.builds.pending(unbuilt) if not self._fleet.builds.cached(unbuilt[k])]
                self._say(self._berths[0], f"waiting for {counted(len(left), 'build')}" if left else "")
                self._fleet.builds.settle()
            with self._fleet.turns.occupying() if own else nullcontext():
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
                self._fleet.tell_late(self._desk)
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
        """Open the board's session; tried again later where the link is at fault, else the board is given up."""
        session, name = self._sessions[berth], berth.board.name
        if not self._admitted(berth):
            return
        wait_s, began = self._patience_s(berth), time.monotonic()
        try:
            session.open(lambda text: self._say(berth, text), wait_s)
        except LINK_LOST as error:
            berth.attempts += 1
            berth.trouble = str(error)
            log.warning("%s: attempt %d of %d: %s", name, berth.attempts, OPEN_ATTEMPTS, error)
            if self._is_out_after(berth, error) or berth.attempts == OPEN_ATTEMPTS:
                self._bring_back(berth, error)
            else:
                self._desk.closed(berth, RETRY_S * 2.0**berth.attempts * random.uniform(0.5, 1.0))
        except Interrupted:
            self._desk.closed(berth)  # the sweep ends, or its sisters had run everything before it came
            self._say(berth, "")
        except BoardBusy as error:
            berth.waited_s += max(wait_s, time.monotonic() - began - CONNECTING_S)  # more: for one of lower priority
            if berth.waited_s >= waits_s(berth):
                self._leave(berth, error)
            else:
                berth.trouble = str(error)
                self._desk.closed(berth, PAUSE_S)
        except OrchestratorError as error:
            if isinstance(error, BoardError):
                self._is_out_after(berth, error)
            self._leave(berth, error)
        else:
            berth.waited_s = 0.0
            self._open = berth, session
            berth.trouble = ""
            self._desk.opened(berth)
            self._tell(berth, session)
            if berth.given_at_s is not None:
                minutes = (time.monotonic() - berth.given_at_s) / 60
                self._fleet.progress.told(name, f"free again after {minutes:.0f} min, goes on")
                berth.given_at_s = None

    def _patience_s(self, berth: Berth) -> float:
        """How long to wait now for somebody else's hold."""
        left_s = waits_s(berth) - berth.waited_s
        others = any(b is not berth and b.state != GONE and (b.pool.waiting or b.rota.cells) for b in self._berths)
        return min(left_s, SLICE_S) if others else left_s

    def _run(self, berth: Berth, one: Underway) -> None:
        result, usable = self._boundary.cross(self._sessions[berth], one)
        session = self._sessions[berth]
        trouble = self._trouble(berth, one, result, usable)
        out = trouble is not None and self._is_out_after(berth, trouble)
        if out and self._moves(berth, one):
            result = None
        if result is not None:
            self._desk.finish(berth, one)
            self._recorded(session, one, result)
        if session.ended_by is not None:
            self._leave(berth, session.ended_by)
            return
        if out and trouble is not None:
            self._close()
            self._bring_back(berth, trouble)
            return
        self._conclude(berth, every=not usable)
        if usable:
            self._settle(berth, session)
        else:  # to be taken up again; what is open is kept for that
            self._desk.closed(berth, RETRY_S * 2.0**one.retries * random.uniform(0.5, 1.0) if one.retries else 0.0)

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
            self._fleet.progress.told(berth.board.name, f"given to {waits}, who waits; goes on when it is free")
            berth.given_at_s = time.monotonic()
            self._close()

    # -- the health of the board ---------------------------------------------------------------------------------

    def _admitted(self, berth: Berth) -> bool:
        """Whether it may be opened. A board that is out has to pass a health check first."""
        ward = self._fleet.ward
        if ward is None:
            return True
        if (refused := ward.refused(berth.board)) is not None:
            self._leave(berth, refused)
            return False
        if not ward.wants_check(berth.board):
            return True
        try:
            health = ward.checked(berth.board)
        except Interrupted:
            self._desk.closed(berth)
            return False
        if health is None and not ward.is_out(berth.board):
            return True  # somebody else has it: it will be waited for, and seen to then
        if health is None or not health.usable:
            why = ward.book.of(berth.board.name).reason
            hint = f"'doctor device={berth.board.device.name}' says what to do"
            self._bring_back(berth, BoardNotReady(f"out of use: {why}", hint=hint, board=berth.board.name))
            return False
        return True

    def _trouble(self, berth: Berth, one: Underway, result: Result | None, usable: bool) -> BoardError | None:
        """What the infrastructure did to a turn; None where it did nothing."""
        if usable:
            if self._fleet.ward is not None and result is None:
                self._fleet.ward.worked(berth.board)
            return None
        if self._sessions[berth].ended_by is not None or self._fleet.stop.is_set():
            return None
        if result is None:
            return BoardError(one.troubles[-1], board=berth.board.name) if one.troubles else None
        error = result.error
        return BoardError(error.message, board=berth.board.name) if error and error.infrastructure else None

    def _is_out_after(self, berth: Berth, error: BoardError) -> bool:
        """Write down a failure of the infrastructure; whether the board is out of use with it."""
        ward = self._fleet.ward
        return ward is not None and not ward.failed(berth.board, error).usable

    def _moves(self, berth: Berth, one: Underway) -> bool:
        """Whether a sister board tries the cell with which this one went out: once, since the cell may be the cause."""
        sisters = any(sister is not berth and sister.state != GONE for sister in berth.pool.berths)
        if not sisters or one.entry.cell.number in self._fleet.strikes:
            return False
        self._fleet.strikes.add(one.entry.cell.number)
        return True

    def _bring_back(self, berth: Berth, error: BoardError) -> None:
        """What it has begun goes to its sisters, and it is recovered as far as the inventory allows, else given up."""
        ward = self._fleet.ward
        self._conclude(berth, every=True)
        self._desk.give_back(berth)
        try:
            back = ward is not None and ward.is_out(berth.board) and ward.recovered(berth.board)
        except Interrupted:
            self._desk.closed(berth)
            return
        if back:
            berth.attempts = 0
            self._desk.closed(berth)
        else:
            self._leave(berth, error)

    def _recorded(self, session: Session, one: Underway, result: Result) -> None:
        """On the disk, and then the board need not keep its records any longer."""
        if self._fleet.record(result):
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
            self._fleet.progress.told(berth.board.name, words)
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
            self._fleet.progress.told(berth.board.name, words)

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
            self._fleet.progress.told(berth.board.name, f"given up: {error}{rest}")
        for entry in left:
            one = begun.get(entry.cell.number)
            why = one.interrupted() if one is not None and isinstance(error, Interrupted) else error
            self._fleet.record(self._boundary.given_up(entry.cell, berth.board, why))
        if left:
            self._fleet.builds.keep(self._desk.unbuilt())
        self._say(berth, "")

    def _remember(self, berth: Berth, reason: str) -> None:
        if reason and not self._fleet.stop.is_set():
            self._fleet.given_up[berth.board.name] = reason

    def _idle(self) -> None:
        """Say which build the open board waits for, and how many more; let a board go that waits for nothing."""
        if self._open is None:
            return
        if self._desk.rests(self._open[0]):
            self._close()
            return
        unbuilt = self._desk.unbuilt(self._open[0])
        for key in self._fleet.builds.pending(unbuilt)[:1]:
            axes = unbuilt[key].cell.axes
            words = f"waiting for {axes['model']}/{axes['optimization']} to be built, {len(unbuilt)} left"
            self._say(self._open[0], words)

    def _say(self, berth: Berth, text: str) -> None:
        if text:
            log.info("%s: %s", berth.board.name, text)
        self._fleet.progress.at(berth.board.name, None, text)


def waits_s(berth: Berth) -> float:
    """How long to wait for somebody else's hold in all."""
    allowed_s = berth.board.device.wait_for_hold_s
    return allowed_s if berth.given_at_s is None else max(allowed_s, GIVEN_S)
