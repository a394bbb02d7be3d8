"""One board, one cell at a time."""

from __future__ import annotations

import getpass
import json
import logging
import secrets
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.artifact import Artifact
from orchestrator.cell import Cell, Runtime
from orchestrator.connection import Connection, LocalServer, connect
from orchestrator.device import Board
from orchestrator.errors import (
    BenchmarkFailed,
    BoardError,
    BoardNotReady,
    ConnectionFailed,
    Interrupted,
    MeasurementError,
)
from orchestrator.provisioning import Environment, Facts, Program, choose, deploy, facts, prepare
from orchestrator.session.dialogue import Dialogue
from remote import contract

log = logging.getLogger(__name__)

RECONNECT_S = 120.0
"""A lost link is retried this long; the job goes on meanwhile and its record waits on the board."""
GRACE_S = 60.0
"""The board enforces the deadline; the controller gives up only this much later."""

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Workshop:
    """What every session of a sweep shares."""

    program: Program
    cache: Path
    sweep_id: str
    local: LocalServer | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """A finished cell as the board left it: the checked record, its log, and with what it ran."""

    record: dict[str, Any]
    log: str
    runtime: str
    environment: str | None


class Session:
    """Exclusive use of one board from :meth:`open` to :meth:`close`. Used by one thread."""

    def __init__(self, board: Board, workshop: Workshop, stop: threading.Event) -> None:
        self.board = board
        self._workshop = workshop
        self._stop = stop
        self._token = secrets.token_hex(16)  # lets this session, and nobody else, attach again after a lost link
        self._environments: dict[str, tuple[str, Environment | None]] = {}
        self._connection: Connection | None = None
        self._dialogue: Dialogue | None = None
        self.facts: Facts | None = None

    # -- opening and closing -------------------------------------------------------------------------------------

    def open(self, progress: Progress) -> Facts:
        """Connect, look at the board, bring the program and take the hold.

        Raises:
            BoardError: as the class says; nothing stays open.
        """
        try:
            return self._open(progress)
        except BaseException:
            self.close()
            raise

    def _open(self, progress: Progress) -> Facts:
        progress("connecting")
        connection = self._connect()
        progress("looking at the board")
        self.facts = facts(connection, self.board.device)
        deploy.push_program(connection, self.facts, self.board.device, self._workshop.program)
        progress("taking the hold")
        self._attach(connection, self.board.device.wait_for_hold_s)
        return self.facts

    def close(self) -> None:
        """End the hold and the connection; never raises, whatever state the link is in."""
        dialogue, connection = self._dialogue, self._connection
        self._dialogue = self._connection = None
        try:
            if dialogue is not None:
                dialogue.request("release", timeout_s=10.0)
                dialogue.close()
        except BoardError as error:
            log.warning("%s: the hold was not released cleanly and ends by itself: %s", self.board.name, error)
        finally:
            if connection is not None:
                connection.close()

    def _connect(self) -> Connection:
        self._connection = connect(self.board, local=self._workshop.local)
        return self._connection

    def _attach(self, connection: Connection, wait_s: float) -> None:
        board_facts, device = self._known_facts(), self.board.device
        holder = {"user": getpass.getuser(), "host": socket.gethostname(), "sweep": self._workshop.sweep_id}
        argv = [*deploy.program_command(board_facts, device, self._workshop.program), "attach"]
        argv += ["--workdir", board_facts.workdir, "--hold", device.hold, "--session", self._token]
        argv += ["--wait", f"{wait_s:g}", "--holder", json.dumps(holder)]
        self._dialogue = Dialogue(connection.open_stream(argv))
        hello = self._dialogue.request("hello", timeout_s=wait_s + 30.0)
        spoken = str(hello.get("contract"))[:20]
        if spoken != str(contract.CONTRACT):
            raise BoardNotReady(
                f"the supervisor on the board speaks contract {spoken}, this controller {contract.CONTRACT}",
                hint="wait until the other controller is done, or use the same version on both",
            )

    def _known_facts(self) -> Facts:
        if self.facts is None:
            raise BoardError("the session is not open", board=self.board.name)
        return self.facts

    def _talk(self) -> Dialogue:
        if self._dialogue is None:
            raise ConnectionFailed("the session has no connection", board=self.board.name)
        return self._dialogue

    # -- one cell ------------------------------------------------------------------------------------------------

    def provision(self, runtime: Runtime, progress: Progress) -> tuple[str, Environment | None]:
        """The runtime this board gets, pushed if it is missing: its name and its environment.

        Raises:
            BoardNotReady: no candidate serves this board; each with its reason.
        """
        key = json.dumps([runtime.candidates, runtime.install])
        if key not in self._environments:
            board_facts = self._known_facts()
            choice = choose(runtime, board_facts)
            environment: Environment | None = None
            if runtime.install == "push":
                progress(f"preparing {choice.name} for {board_facts.arch}")
                environment = prepare(choice, board_facts, self._workshop.cache)
                self._ship_environment(environment, progress)
            self._environments[key] = (choice.name, environment)
        return self._environments[key]

    def _ship_environment(self, environment: Environment, progress: Progress) -> None:
        connection = self._need_connection()
        deploy.push_environment(connection, self._talk(), self._known_facts(), environment, progress)

    def _need_connection(self) -> Connection:
        if self._connection is None:
            raise ConnectionFailed("the session has no connection", board=self.board.name)
        return self._connection

    def deploy(self, cell: Cell, artifact: Artifact, progress: Progress) -> None:
        """Everything the cell needs is on the board afterwards; what was there is not sent again."""
        self.provision(cell.settings.runtime, progress)
        deploy.push_blob(
            self._need_connection(), self._talk(), self._known_facts(), artifact.path, artifact.sha256, progress
        )

    def run(self, cell: Cell, artifact: Artifact, run_id: str, progress: Progress) -> Outcome:
        """Run the benchmark and bring its record home, across lost links.

        Raises:
            BenchmarkFailed: the board says so.
            Interrupted: the sweep was asked to end; the job was cancelled on the board.
            ConnectionFailed: the link did not come back in time; the record waits on the board.
        """
        runtime, environment = self.provision(cell.settings.runtime, progress)
        job = job_of(cell, artifact, run_id, runtime, environment)
        contract.check_job(job)
        self._patiently(lambda: self._talk().request("start", job=job))
        final = self._follow(run_id, cell.settings.scenario.timeout_s + GRACE_S, progress)
        return self._collect(run_id, final, runtime, environment)

    def _follow(self, run_id: str, limit_s: float, progress: Progress) -> dict[str, Any]:
        """Wait for the job's last event and return it."""
        deadline = time.monotonic() + limit_s
        offset, following = 0, False
        while True:
            try:
                if not following:
                    self._talk().request("follow", run_id=run_id, offset=offset)
                    following = True
                message = self._talk().next_event(1.0)
            except ConnectionFailed as error:
                self._reconnect(error, progress)
                following = False
                continue
            if self._stop.is_set():
                self._talk().request("cancel", run_id=run_id, timeout_s=15.0)
                raise Interrupted("stopped on the board")
            if message is not None and message.get("run_id") in (run_id, None):
                offset = int(message.get("offset") or offset)
                event = message["event"] if isinstance(message["event"], dict) else {}
                if event.get("event") == "finished":
                    return event
                progress(phase(event))
            if time.monotonic() > deadline:
                raise ConnectionFailed(f"no final word on {run_id} {limit_s:.0f} s after its start")

    def _patiently(self, ask: Callable[[], object]) -> None:
        """Ask once more over a new connection when the first one is gone; every op is idempotent."""
        try:
            ask()
        except ConnectionFailed as error:
            self._reconnect(error, lambda _: None)
            ask()

    def _reconnect(self, cause: ConnectionFailed, progress: Progress) -> None:
        """Come back to the same supervisor, which goes on without us.

        Raises:
            ConnectionFailed: the board stayed away for ``RECONNECT_S``.
        """
        deadline, delay_s = time.monotonic() + RECONNECT_S, 1.0
        while not self._stop.wait(delay_s):
            progress("link lost, reconnecting")
            self._drop()
            try:
                self._attach(self._connect(), wait_s=0.0)
                return
            except ConnectionFailed as error:
                if time.monotonic() > deadline:
                    raise ConnectionFailed(f"the link was lost ({cause.message}) and did not come back") from error
                delay_s = min(delay_s * 2, 15.0)
        raise Interrupted("interrupted while the link was lost; the job ends at its deadline") from cause

    def _drop(self) -> None:
        """Close a broken connection without a word to the other side."""
        if self._connection is not None:
            self._connection.close()
        self._connection = self._dialogue = None

    def _collect(self, run_id: str, final: dict[str, Any], runtime: str, environment: Environment | None) -> Outcome:
        folder = f"{self._known_facts().workdir}/jobs/{run_id}"
        text = self._read(f"{folder}/log.txt", contract.MAX_LOG_BYTES).decode("utf-8", "replace")
        status = str(final.get("status"))
        if status not in ("done", "failed"):
            raise ended(status, final, text)
        raw = self._read(f"{folder}/record.json", contract.MAX_RECORD_BYTES)
        try:
            record = contract.parse_record(raw)
        except contract.ContractError as error:
            raise MeasurementError(f"the board answered with a record that is none: {error}") from error
        if record["run_id"] != run_id:
            raise MeasurementError("the board answered with the record of another run")
        return Outcome(record, text, runtime, environment.digest if environment else None)

    def _read(self, path: str, limit_bytes: int) -> bytes:
        content: list[bytes] = []
        self._patiently(lambda: content.append(self._need_connection().get(path, limit_bytes=limit_bytes)))
        return content[-1]


def job_of(
    cell: Cell, artifact: Artifact, run_id: str, runtime: str, environment: Environment | None
) -> dict[str, Any]:
    """What travels to the board: plain data, version 1 of the contract."""
    s, scenario = cell.settings, cell.settings.scenario
    names = ("processes", "warmup_s", "warmup_runs", "window_s", "min_runs", "end_to_end_s", "energy_s", "idle_s")
    return {
        "version": contract.CONTRACT,
        "run_id": run_id,
        "cell_id": cell.id,
        "artifact": {"sha256": artifact.sha256, "format": "tflite"},
        "env": environment.digest if environment else None,
        "runtime": runtime,
        "threads": s.threads,
        "xnnpack": s.runtime.xnnpack,
        "seed": s.seed,
        "scenario": {name: getattr(scenario, name) for name in names},
        "deadline_s": scenario.timeout_s,
    }


def ended(status: str, final: dict[str, Any], text: str) -> BenchmarkFailed:
    """A job that left no record: why, in words, and the end of its log."""
    words = {
        "timed_out": "the benchmark did not end within scenario.timeout_s and was stopped",
        "cancelled": "the benchmark was cancelled on the board",
        "died": "the benchmark died on the board",
    }
    reason = str(final.get("reason") or final.get("message") or "")
    message = words.get(status, f"the benchmark ended as '{status[:40]}'") + (f": {reason[:500]}" if reason else "")
    return BenchmarkFailed(message, kind=status, trace=text[-4000:])


PHASES = {
    contract.STARTED: "started",
    contract.PROCESS: "loading",
    contract.LOADED: "measuring",
    contract.MEASURED: "measured",
    contract.ENERGY: "energy pass",
}


def phase(event: dict[str, Any]) -> str:
    """An event as a few words for the progress display."""
    words = PHASES.get(str(event.get("event")), "running")
    number, total = event.get("number"), event.get("of")
    return f"{words} {number}" + (f" of {total}" if total else "") if isinstance(number, int) else words
