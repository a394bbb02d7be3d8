"""One board is examined: all that can be told without holding it, then a golden benchmark under a hold of its own."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from orchestrator.checkup import fixes, power, readiness, runtimes, vitals
from orchestrator.checkup import history as past
from orchestrator.checkup.ask import asked, held_words
from orchestrator.checkup.check import GOLDEN, NOTE, OK, PROBLEM, UNKNOWN, Check, Examination, Findings
from orchestrator.checkup.golden import AUTO, Golden, doubts
from orchestrator.checkup.names import (
    CLOCK,
    DELEGATE,
    FOLDER,
    HOLD,
    PYTHON,
    RUNTIME,
    SETTINGS,
    TOLD_BY_STATE,
    names_of,
)
from orchestrator.connection import Connection, connect
from orchestrator.device import Board
from orchestrator.errors import (
    BenchmarkFailed,
    BoardBusy,
    BoardError,
    BoardNotReady,
    Interrupted,
    MeasurementError,
    OrchestratorError,
    reason,
)
from orchestrator.measurement import Measurement
from orchestrator.provisioning import Facts, NotFetched, NoWorkFolder, deploy, facts
from orchestrator.session import Session, Workshop

log = logging.getLogger(__name__)

Progress = Callable[[str], None]
ROOT = "/"
"""Where the board's program looks for its state; tests have trees of their own."""
STATE_S = 30.0


def _quietly(_: str) -> None:
    """For who does not want to be told."""


def examine(
    board: Board,
    workshop: Workshop,
    stop: threading.Event,
    golden: Golden | None,
    progress: Progress = _quietly,
    session: Session | None = None,
) -> Examination:
    """Everything that can be told of a board now, each with what to do about it.

    Without ``session`` the board is connected to, and held for the golden benchmark alone, for which somebody else's
    hold is waited for as long as ``device.wait_for_hold_s`` says. An open ``session`` is used instead, and stays open.
    ``golden``: None looks without running anything. What is wrong with the board is in the answer.

    Raises:
        Interrupted: ``stop`` was set. Nothing stays open that was opened here.
    """
    return _Visit(board, workshop, stop, golden, progress, session).examined()


class _Visit:
    """One examination, from the link to the last latency."""

    def __init__(
        self,
        board: Board,
        workshop: Workshop,
        stop: threading.Event,
        golden: Golden | None,
        progress: Progress,
        session: Session | None,
    ) -> None:
        self._board, self._workshop, self._stop, self._golden = board, workshop, stop, golden
        self._session = session
        self._progress = progress
        self._findings = Findings(board, names_of(board, golden is not None))

    def examined(self) -> Examination:
        known = None
        with ExitStack() as opened:
            connection = self._reached(opened)
            if connection is not None:
                known = self._known(connection)
                if known is not None:
                    self._looked(connection, known)
        if known is not None and self._golden is not None:
            self._run(self._golden)
        return self._findings.examination()

    def _at(self, words: str) -> None:
        """Say what comes next. Raises Interrupted."""
        if self._stop.is_set():
            raise Interrupted("interrupted while it was examined")
        self._progress(words)

    # -- without a hold ------------------------------------------------------------------------------------------

    def _reached(self, opened: ExitStack) -> Connection | None:
        """The link, and whether the host and our key are known to each other; None where there is none."""
        self._at("connecting")
        begin_s = time.monotonic()
        try:
            if self._session is not None:
                connection = self._session.need_connection()
            else:
                made = connect(self._board, local=self._workshop.local, stop=self._stop)
                connection = opened.enter_context(made)
        except OrchestratorError as error:
            self._findings.add(*readiness.not_reached(self._board, error))
            return None
        self._findings.add(*readiness.reached(self._board, connection.address, time.monotonic() - begin_s))
        return connection

    def _known(self, connection: Connection) -> Facts | None:
        """What the board is, with our program on it; None where it cannot be brought there."""
        self._at("looking at the board")
        board = self._board
        try:
            known = facts(connection, board.device, board.workdir)
        except NoWorkFolder as error:
            self._are(error.facts)
            self._findings.add(readiness.no_folder(board, error))
            return None
        except BoardError as error:
            self._findings.add(Check(PYTHON, PROBLEM, error.message, error.hint))
            return None
        self._are(known)
        try:
            deploy.push_program(connection, known, board.device, self._workshop.program)
        except BoardError as error:
            self._findings.add(readiness.not_brought(board, known, error))
            return None
        self._findings.add(readiness.folder(board, known))
        return known

    def _are(self, known: Facts) -> None:
        """What it has told of itself."""
        self._findings.facts |= {"hostname": known.hostname, "boot_id": known.boot_id, "python": known.python_text}
        self._findings.add(readiness.python(self._board, known), readiness.memory(self._board, known))
        self._findings.add(*runtimes.accelerators(self._board, known))

    def _looked(self, connection: Connection, known: Facts) -> None:
        """State, sensors, meter, and who has it."""
        board, program = self._board, self._workshop.program
        self._state(connection, known)
        self._at("reading its sensors")
        self._findings.add(power.sensors(board, connection, known, program))
        if board.meter is not None:
            self._at("reading its meter")
            self._findings.add(power.meter(board, board.meter, program))
        self._at("asking who holds it")
        self._findings.add(self._holder(connection, known))
        fits = runtimes.fits(self._golden.runtime if self._golden else AUTO, known)
        if fits.level == PROBLEM or self._golden is None:
            self._findings.add(fits)

    def _state(self, connection: Connection, known: Facts) -> None:
        self._at("reading its state")
        board, sent_s = self._board, time.time()
        try:
            state = asked(connection, known, board, self._workshop.program, "state", ROOT, timeout_s=STATE_S)
        except BoardError as error:
            self._findings.add(Check(CLOCK, PROBLEM, error.message, error.hint))
            self._findings.lacks("not told: see clock", *TOLD_BY_STATE[1:])
            return
        received_s = time.time()
        self._findings.facts |= {"serial": known.serial, "temperature_c": state["temperature_c"]}
        self._findings.add(vitals.clock(board, state, sent_s, received_s))
        looks = (vitals.temperature, vitals.governor, vitals.throttling, vitals.supply)
        self._findings.add(*(look(board, state) for look in looks))

    def _holder(self, connection: Connection, known: Facts) -> Check:
        board = self._board
        if self._session is not None:
            return Check(HOLD, OK, "ours")
        try:
            held = asked(connection, known, board, self._workshop.program, "holder", board.hold, "look")
        except BoardError as error:
            return Check(HOLD, UNKNOWN, error.message)
        if not held["held"]:
            return Check(HOLD, OK, "free")
        end = f"wait for it with device.wait_for_hold_s=600, or end it: {fixes.ours(board, 'board', 'release')}"
        end = end if held.get("own") else "wait for it with device.wait_for_hold_s=600"
        return Check(HOLD, NOTE, f"held {held_words(held)}", end)

    # -- under a hold --------------------------------------------------------------------------------------------

    def _run(self, golden: Golden) -> None:
        """The golden benchmark, where the board can be had."""
        if self._findings.level(RUNTIME) == PROBLEM or self._findings.level(FOLDER) == PROBLEM:
            return
        held, holds = self._findings.found(HOLD), self._workshop.holds
        ours = holds is not None and holds.knows(self._board)  # of this sweep, perhaps: a lost link has left it behind
        if held is not None and held.level == NOTE and not ours and self._board.device.wait_for_hold_s == 0:
            self._busy(held.found)
            return
        session, own = self._session, self._session is None
        if session is None:
            session = Session(golden.board(self._board), self._workshop, self._stop)
        try:
            if own:
                session.open(self._at, self._board.device.wait_for_hold_s)
            self._benchmarked(golden, session)
        except BoardBusy as error:
            self._busy(error.message)
        except (NotFetched, OSError) as error:  # this machine's fault, and nothing is known of the board
            self._findings.lacks(f"not run: {reason(error)}", RUNTIME, DELEGATE, GOLDEN)
        except BoardNotReady as error:
            self._findings.add(Check(RUNTIME, PROBLEM, error.message, error.hint))
        except (BoardError, BenchmarkFailed, MeasurementError) as error:
            self._findings.add(Check(GOLDEN, PROBLEM, error.message, error.hint))
        finally:
            if own:
                session.close()
            self._settings(session)

    def _busy(self, who: str) -> None:
        self._findings.lacks(f"not run: {who}", GOLDEN, RUNTIME, DELEGATE)
        if SETTINGS in names_of(self._board, True):
            self._findings.lacks(f"not tried: {who}", SETTINGS)

    def _settings(self, session: Session) -> None:
        """What the board would not set, or set back, of ``device.tune``."""
        if SETTINGS not in names_of(self._board, True):
            return
        told = session.news() if session is not self._session else []
        if told:
            self._findings.add(Check(SETTINGS, NOTE, "; ".join(told), fixes.allow_tuning(self._board)))
        elif self._findings.level(RUNTIME) is not None:
            self._findings.add(Check(SETTINGS, OK, "as device.tune asks for, and put back"))

    def _benchmarked(self, golden: Golden, session: Session) -> None:
        record, measured = golden.run(session, self._at)
        self._findings.add(*runtimes.ran(record, golden.runtime.install))
        told = record["runtime"]
        self._findings.facts |= {"runtime": told["name"], "runtime_version": told["version"]}
        wrong = doubts(golden, record, measured)
        if wrong:
            fix = "see whether its memory or its card fails; other boards of this kind, with the same runtime, tell"
            self._findings.add(Check(GOLDEN, PROBLEM, "; ".join(wrong), fix))
            return
        self._findings.add(self._latency(golden, told, measured))

    def _latency(self, golden: Golden, told: dict[str, str], measured: Measurement) -> Check:
        """Against this board's earlier ones; the faster of its processes, since the other one may have been
        disturbed."""
        known, latency_ms = self._findings.facts, min(measured.process_medians_ms)
        known["latency_ms"] = latency_ms
        one = past.Golden(
            device=self._board.device.name,
            board=self._board.name,
            hostname=known["hostname"],
            serial=known.get("serial"),
            time_s=time.time(),
            latency_ms=latency_ms,
            runtime=told["name"],
            runtime_version=told["version"],
            model=golden.artifact.sha256,
        )
        top1 = measured.metrics["quality/top1"]
        found = f"{latency_ms:.3g} ms, {top1:.1%} right as where it was built"
        level, words = (OK, "not compared") if golden.kept is None else _kept(golden.kept, one)
        fix = None
        if level != OK:
            fix = "see temperature, governor and throttling above, and what else runs there"
            fix += f"\nif it is meant to be so slow from now on: take its lines out of {golden.kept}"
        return Check(GOLDEN, level, f"{found}; {words}", fix)


def _kept(path: Path, one: past.Golden) -> tuple[str, str]:
    """Judge it by those before, and keep it; a disk that takes nothing costs no verdict."""
    try:
        level, words = past.judged(one, past.read(path))
        past.append(path, replace(one, level=level))
    except OSError as error:
        log.warning("the latency of a golden benchmark is not kept: %s", reason(error))
        return OK, f"not kept: {reason(error)}"
    return level, words
