"""One board, one cell at a time."""

from __future__ import annotations

import json
import logging
import secrets
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from orchestrator.artifact import Artifact
from orchestrator.cell import Cell
from orchestrator.connection import Connection, LocalServer, ProgramEnded, connect
from orchestrator.device import Board
from orchestrator.energy import MeterReadings
from orchestrator.errors import (
    BoardError,
    BoardNotReady,
    ConnectionFailed,
    HoldLost,
    Interrupted,
    MeasurementError,
    TransferFailed,
)
from orchestrator.plain import plain
from orchestrator.provisioning import Environment, Facts, Program, Room, choose, deploy, facts, prepare
from orchestrator.session import metering, tuning
from orchestrator.session.dialogue import Dialogue
from orchestrator.session.holds import Holds, hold_key
from orchestrator.session.job import Left, Part, ended, job_of, phase
from orchestrator.session.metering import Metering
from orchestrator.session.needs import blobs_of, environment_key, with_pillow
from orchestrator.session.waiting import Waiting, held_words
from orchestrator.whoami import user_name
from remote import contract
from remote.hold import YIELD_S

log = logging.getLogger(__name__)

RECONNECT_S = 120.0
"""A lost link is retried this long; the job goes on meanwhile and its record waits on the board."""
LINK_LOST = (ConnectionFailed, ProgramEnded)
"""Also when only the program at the other end of the channel is gone: the supervisor behind it goes on."""
LISTING_S = 60.0
LOOK_S = 10.0
ENDING_S = 20.0
GRACE_S = 60.0
"""The board enforces the deadline; the controller gives up only this much later."""

LOST, BACK = f"link lost, reconnecting (up to {RECONNECT_S:.0f} s)", "the link is back"
"""What a session says that people must not miss."""

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Workshop:
    """What every session of a sweep shares."""

    program: Program
    cache: Path
    sweep_id: str
    local: LocalServer | None = None
    holds: Holds | None = None  # tokens that outlive this process; None: nobody goes on with its sessions
    priority: int = 0  # of the sweep: a higher one gets its boards between two turns


@dataclass(frozen=True, slots=True)
class Outcome:
    """A finished cell as the board left it: the checked record, its log, and with what it ran."""

    record: dict[str, Any]
    log: str
    runtime: str
    environment: str | None
    meter: MeterReadings | None = None  # of an instrument beside the board, in the part that has the energy pass


class Session:
    """Exclusive use of one board, from :meth:`open` to :meth:`close`; used by one thread.

    A lost link does not end it: the supervisor on the board goes on, and :meth:`open` takes the same hold up again.
    """

    def __init__(self, board: Board, workshop: Workshop, stop: threading.Event) -> None:
        self.board = board
        self._workshop = workshop
        self._stop = stop
        self._token = _token(workshop, board)  # lets this session, and nobody else, attach again after a lost link
        self._environments: dict[str, tuple[str, Environment | None]] = {}
        self._connection: Connection | None = None
        self._dialogue: Dialogue | None = None
        self._running: str | None = None  # the job that was started and has not been heard of since
        self.ended_by: HoldLost | None = None  # somebody else ended the hold: it is not ours to take again
        self._said: list[str] = []  # what people have to be told, once
        self._told: set[str] = set()
        self._came = False  # whether it was open before
        self._probed = False  # whether the meter was asked for a reading
        self.facts: Facts | None = None

    # -- opening and closing -------------------------------------------------------------------------------------

    def open(self, progress: Progress, wait_s: float) -> Facts:
        """Connect, look at the board, bring the program and take the hold; a second time, take it up again.

        ``wait_s`` is how long to wait for somebody else's hold. One of a lower priority is waited for up to ``YIELD_S``
        in any case, since its turn ends before.

        Raises:
            BoardError: as the class says; nothing stays open.
            Interrupted: the sweep ends.
        """
        self._drop()
        progress("connecting")
        try:
            connection = self._connect()
            progress("looking at the board")
            self.facts = facts(connection, self.board.device, self.board.workdir)
            deploy.push_program(connection, self.facts, self.board.device, self._workshop.program)
            progress("taking the hold")
            self._attach(connection, wait_s, progress, claim=not self._came)
            self._came = True
            self._set(progress)
            self._probe(progress)
        except BaseException:
            self._drop()
            raise
        return self.facts

    def close(self) -> None:
        """End the hold and the connection; never raises, whatever state the link is in."""
        try:
            if self._dialogue is not None:
                set_back = tuning.wanted(self.board.device) is not None
                answer = self._dialogue.request("release", timeout_s=tuning.RELEASE_S if set_back else 10.0)
                self._say(tuning.left_behind(answer))
        except BoardError as error:
            log.warning("%s: the hold was not released cleanly and ends by itself: %s", self.board.name, error)
        finally:
            self._drop()

    def waiting(self) -> Waiting | None:
        """Who of a higher priority waits for the board, asked between two turns. Never raises: None also where that
        cannot be told. A hold that was ended meanwhile shows in ``ended_by``."""
        try:
            told = self._talk().request("waiting", timeout_s=LOOK_S).get("waiting")
            return Waiting.parsed(told, above=self._workshop.priority)
        except HoldLost as error:
            self.ended_by = error
        except (BoardError, Interrupted) as error:  # also of a supervisor that does not know the question
            log.info("%s: nobody can be seen waiting: %s", self.board.name, error)
        return None

    def news(self) -> list[str]:
        """What people must not miss about the board's settings, and have not been told yet."""
        said, self._said = self._said, []
        self._told.update(said)
        return said

    def _say(self, words: list[str]) -> None:
        self._said += [one for one in words if one not in self._told and one not in self._said]

    def _set(self, progress: Progress) -> None:
        """Ask for the device's settings; a setting that the board refuses is told, and no reason not to measure."""
        settings = tuning.wanted(self.board.device)
        if settings is not None:
            progress("setting the board")
            answer = self._talk().request("tune", settings=settings, timeout_s=tuning.TUNE_S)
            self._say(tuning.troubles(answer))

    def _probe(self, progress: Progress) -> None:
        """Ask the meter for one reading, once; that it gives none is told, and no reason not to measure."""
        if self.board.meter is not None and not self._probed:
            progress("reading the meter")
            self._say([plain(words) for words in metering.trouble(self.board, self._workshop.program, self._stop)])
            self._probed = True

    def _connect(self) -> Connection:
        self._connection = connect(self.board, local=self._workshop.local, stop=self._stop)
        return self._connection

    def _attach(self, connection: Connection, wait_s: float, progress: Progress, claim: bool = False) -> None:
        """``claim``: also where somebody has ended our hold before."""
        board_facts, device = self._known_facts(), self.board.device
        holder = {"user": user_name(), "host": socket.gethostname(), "sweep": self._workshop.sweep_id}
        argv = [*deploy.program_command(board_facts, device, self._workshop.program), "attach"]
        argv += ["--workdir", board_facts.workdir, "--hold", self.board.hold, "--session", self._token]
        argv += ["--wait", f"{wait_s:g}", "--holder", json.dumps(holder), "--claim", "1" if claim else "0"]
        priority = self._workshop.priority
        argv += ["--priority", str(priority)]
        stream, say = connection.open_stream(argv), _once(progress)
        self._dialogue = Dialogue(stream, self._stop, lambda told: say(held_words(told, priority)))
        hello = self._dialogue.request("hello", timeout_s=max(wait_s, YIELD_S) + 30.0)
        spoken = str(hello.get("contract"))[:20]
        if spoken != str(contract.CONTRACT):
            raise BoardNotReady(
                f"the supervisor on the board speaks contract {spoken}, this controller {contract.CONTRACT}",
                hint="wait until the other controller is done, or use the same version on both",
            )
        self._say(tuning.left_behind(hello))

    def _drop(self) -> None:
        """Close the connection without a word to the other side."""
        if self._connection is not None:
            self._connection.close()
        self._connection = self._dialogue = None

    def _known_facts(self) -> Facts:
        if self.facts is None:
            raise BoardError("the session is not open", board=self.board.name)
        return self.facts

    def _talk(self) -> Dialogue:
        if self._dialogue is None:
            raise ConnectionFailed("the session has no connection", board=self.board.name)
        return self._dialogue

    def need_connection(self) -> Connection:
        """The open connection. Raises ConnectionFailed if there is none."""
        if self._connection is None:
            raise ConnectionFailed("the session has no connection", board=self.board.name)
        return self._connection

    # -- one cell ------------------------------------------------------------------------------------------------

    def lacks(self, cell: Cell, artifact: Artifact) -> bool:
        """True if :meth:`deploy` would send something."""
        known = self._environments.get(environment_key(cell, artifact.format))
        return known is None or any(sha256 not in self._known_facts().blobs for sha256, _ in blobs_of(cell, artifact))

    def deploy(self, cell: Cell, artifact: Artifact, progress: Progress) -> None:
        """Everything the cell needs is on the board afterwards; what was there is not sent again.

        Raises as :meth:`equip`.
        """
        self.equip(cell, artifact.format, progress)
        blobs = blobs_of(cell, artifact)
        room = self._room(cell, artifact.format, *(sha256 for sha256, _ in blobs))
        for sha256, path in blobs:
            push = partial(self._push, path, sha256, progress, room)
            self._patiently(push, progress)

    def _push(self, path: Path, sha256: str, progress: Progress, room: Room) -> None:
        deploy.push_blob(self.need_connection(), self._talk(), self._known_facts(), path, sha256, progress, room)

    def _room(self, cell: Cell, form: str, *names: str) -> Room:
        """What else the cell needs must not be what makes room."""
        _, environment = self._environments.get(environment_key(cell, form), ("", None))
        kept = {*names, *([environment.digest] if environment is not None else [])}
        return Room(round(self.board.device.cache_limit_gb * 1e9), frozenset(kept))

    def equip(self, cell: Cell, form: str, progress: Progress) -> None:
        """The cell's runtime for artifacts of a format is on the board afterwards: once a board, no part of any cell.

        Raises:
            BoardNotReady: no runtime serves this board, each with its reason, or there is no space.
            BoardError: as the class says.
            Interrupted: the sweep ends.
        """
        _, environment = self.provision(cell, form, progress)
        board_facts = self._known_facts()
        if environment is not None:
            self._patiently(
                lambda: deploy.push_environment(
                    self.need_connection(),
                    self._talk(),
                    board_facts,
                    environment,
                    progress,
                    self._room(cell, form),
                ),
                progress,
            )

    def provision(self, cell: Cell, form: str, progress: Progress) -> tuple[str, Environment | None]:
        """The runtime that this board gets for artifacts of a format: its name and its environment, made here."""
        key, runtime = environment_key(cell, form), cell.settings.runtime
        if key not in self._environments:
            board_facts = self._known_facts()
            choice = choose(runtime, board_facts, form, pillow=with_pillow(cell))
            environment: Environment | None = None
            if runtime.install == "push":
                progress(f"preparing {choice.name} for {board_facts.arch}")
                environment = prepare(choice, self._workshop.cache, self._stop.is_set)
            self._environments[key] = (choice.name, environment)
        return self._environments[key]

    def run(self, cell: Cell, artifact: Artifact, part: Part, progress: Progress) -> Outcome:
        """Run some processes of a deployed cell and bring their record home, across lost links.

        Raises:
            BenchmarkFailed: the board says so.
            Interrupted: the sweep was asked to end; the job was cancelled on the board.
            ConnectionFailed: the link did not come back in time; the record waits on the board.
        """
        runtime, environment = self.provision(cell, artifact.format, progress)
        cores = self._known_facts().cores
        job = contract.check_job(job_of(cell, self.board, artifact, part, runtime, environment, cores))
        self._stop_other(part.run_id)
        self._running = part.run_id
        meter = Metering(self.board, self._workshop.program, self._stop, job["scenario"])
        try:
            self._patiently(lambda: self._talk().request("start", job=job), progress)
            final = self._follow(part.run_id, part.deadline_s + GRACE_S, meter, progress)
            self._patiently(lambda: meter.sight(self._talk(), again=True), progress)
            digest = environment.digest if environment else None
            outcome = self._collect(part.run_id, final, runtime, digest, progress)
            outcome = replace(outcome, meter=meter.finish(outcome.record))
        finally:
            meter.close()
        self._running = None
        return outcome

    # -- what was left behind by a lost link, or by a controller that is gone --------------------------------------

    def left(self, prefix: str) -> list[Left]:
        """The jobs on the board whose ids begin like that and whose records nobody has taken home; the first process
        first.

        Raises BoardError as its class says.
        """
        told = self._talk().request("jobs", prefix=prefix, timeout_s=LISTING_S).get("jobs")
        found = [one for one in map(Left.parsed, told if isinstance(told, list) else []) if one is not None]
        return sorted(found, key=lambda one: (one.first, one.run_id))

    def recover(self, left: Left, progress: Progress) -> Outcome | None:
        """The record of such a job, once it has ended; None where it came to none. Its meter, if it had one, is lost.

        Raises as :meth:`run` does.
        """
        if left.status == contract.RUNNING:
            progress("waiting for what runs since before")
        final = self._follow(left.run_id, left.deadline_s + GRACE_S, None, progress)
        self._running = None
        if str(final.get("status")) in (contract.CANCELLED, contract.LOST):
            return None
        return self._collect(left.run_id, final, left.runtime, left.env, progress)

    def taken(self, run_ids: Sequence[str]) -> None:
        """Tell the board that these records are on our disk; it keeps them for some days. Never raises."""
        try:
            if self._dialogue is not None and run_ids:
                self._dialogue.request("taken", run_ids=list(run_ids), timeout_s=15.0)
        except (BoardError, Interrupted) as error:
            log.info("%s: the board was not told that its records are here: %s", self.board.name, error)

    def _stop_other(self, run_id: str) -> None:
        """A job that was started before the link was lost, and of which nobody wants to know any more."""
        if self._running not in (None, run_id):
            end = time.monotonic() + ENDING_S
            while time.monotonic() < end and self._stop_running() == contract.RUNNING:
                self._stop.wait(0.3)
            self._running = None

    def _stop_running(self) -> object:
        return self._talk().request("cancel", run_id=self._running, timeout_s=15.0).get("status")

    def _follow(self, run_id: str, limit_s: float, meter: Metering | None, progress: Progress) -> dict[str, Any]:
        """Wait for the job's last event and return it; the meter is recorded from the energy pass on."""
        deadline = time.monotonic() + limit_s
        offset, following = 0, False
        while True:
            try:
                if self._stop.is_set():
                    self._talk().request("cancel", run_id=run_id, timeout_s=15.0)
                    raise Interrupted("stopped on the board")
                if not following:
                    self._talk().request("follow", run_id=run_id, offset=offset)
                    following = True
                if meter is not None:
                    meter.sight(self._talk())
                message = self._talk().next_event(1.0)
            except LINK_LOST as error:
                if meter is not None:
                    meter.away()
                self._reconnect(error, progress)
                following = False
                continue
            if message is not None and message.get("run_id") == run_id:
                offset = max(offset, whole(message.get("offset")))
                event = message["event"] if isinstance(message["event"], dict) else {}
                if event.get("event") == contract.FINISHED:
                    return event
                progress(phase(event))
                if meter is not None and event.get("event") == contract.ENERGY:
                    meter.begin()
            if time.monotonic() > deadline:
                raise ConnectionFailed(f"no final word on {run_id} {limit_s:.0f} s after its start")

    def _patiently(self, ask: Callable[[], object], progress: Progress) -> None:
        """Ask once more over a new connection when the first one is gone; everything asked for is idempotent."""
        try:
            ask()
        except LINK_LOST as error:
            self._reconnect(error, progress)
            ask()

    def _reconnect(self, cause: BoardError, progress: Progress) -> None:
        """Come back to the same supervisor, which goes on without us.

        Raises:
            ConnectionFailed: the board stayed away for ``RECONNECT_S``.
            Interrupted: the sweep ends meanwhile.
        """
        deadline, delay_s = time.monotonic() + RECONNECT_S, 1.0
        progress(LOST)
        while not self._stop.wait(delay_s):
            self._drop()
            try:
                self._attach(self._connect(), 0.0, progress)
                self._set(progress)
                progress(BACK)
                return
            except LINK_LOST as error:
                if time.monotonic() > deadline:
                    raise ConnectionFailed(f"the link was lost ({cause.message}) and did not come back") from error
                delay_s = min(delay_s * 2, 15.0)
        raise Interrupted("interrupted while the link was lost; the job ends at its deadline") from cause

    def _collect(
        self, run_id: str, final: dict[str, Any], runtime: str, environment: str | None, progress: Progress
    ) -> Outcome:
        """The record first: nothing that is wrong with the log may cost a measurement."""
        folder = f"{self._known_facts().workdir}/jobs/{run_id}"
        status, raw = str(final.get("status")), b""
        if status in (contract.DONE, contract.FAILED):
            raw = self._read(f"{folder}/record.json", contract.MAX_RECORD_BYTES, progress)
        try:
            text = self._read(f"{folder}/log.txt", contract.MAX_LOG_BYTES, progress).decode("utf-8", "replace")
        except TransferFailed as error:
            text = f"(the board's log could not be fetched: {error})"
        if not raw:
            raise ended(status, final, text)
        try:
            record = contract.parse_record(raw)
        except contract.ContractError as error:
            raise MeasurementError(f"the board answered with a record that is none: {error}") from error
        if record["run_id"] != run_id:
            raise MeasurementError("the board answered with the record of another run")
        return Outcome(record, text, runtime, environment)

    def _read(self, path: str, limit_bytes: int, progress: Progress) -> bytes:
        content: list[bytes] = []
        self._patiently(lambda: content.append(self.need_connection().get(path, limit_bytes=limit_bytes)), progress)
        return content[-1]


def _once(tell: Progress) -> Progress:
    """Tells what is new."""
    last = [""]

    def changed(words: str) -> None:
        if words != last[0]:
            last[0] = words
            tell(words)

    return changed


def _token(workshop: Workshop, board: Board) -> str:
    try:
        return workshop.holds.token(hold_key(board)) if workshop.holds else secrets.token_hex(16)
    except OSError as error:  # a full disk: the hold will end by itself
        log.warning("%s: its hold cannot be taken up by another process: %s", board.name, error)
        return secrets.token_hex(16)


def whole(value: object) -> int:
    """A byte offset from the board, 0 if it is none."""
    return value if isinstance(value, int) and value >= 0 else 0
