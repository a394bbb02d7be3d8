"""One board, one cell at a time."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from orchestrator.artifact import Artifact
from orchestrator.cell import Cell
from orchestrator.device import Board
from orchestrator.errors import BoardError, Interrupted
from orchestrator.provisioning import Environment, Room, choose, deploy, prepare
from orchestrator.session.following import GRACE_S, Outcome, collect, follow
from orchestrator.session.job import Left, Part, job_of
from orchestrator.session.link import Link, Progress, Workshop
from orchestrator.session.metering import Metering
from orchestrator.session.needs import blobs_of, environment_key, with_pillow
from remote import contract

log = logging.getLogger(__name__)

LISTING_S = 60.0
ENDING_S = 20.0


class Session(Link):
    """Exclusive use of one board, from :meth:`open` to :meth:`close`; used by one thread.

    A lost link does not end it: the supervisor on the board goes on, and :meth:`open` takes the same hold up again.
    """

    def __init__(self, board: Board, workshop: Workshop, stop: threading.Event) -> None:
        super().__init__(board, workshop, stop)
        self._environments: dict[str, tuple[str, Environment | None]] = {}
        self._running: str | None = None  # the job that was started and has not been heard of since

    # -- one cell ------------------------------------------------------------------------------------------------

    def lacks(self, cell: Cell, artifact: Artifact) -> bool:
        """True if :meth:`deploy` would send something."""
        known = self._environments.get(environment_key(cell, artifact.format))
        return known is None or any(sha256 not in self.known_facts().blobs for sha256, _ in blobs_of(cell, artifact))

    def deploy(self, cell: Cell, artifact: Artifact, progress: Progress) -> None:
        """Everything the cell needs is on the board afterwards; what was there is not sent again.

        Raises as :meth:`equip`.
        """
        self.equip(cell, artifact.format, progress)
        blobs = blobs_of(cell, artifact)
        room = self._room(cell, artifact.format, *(sha256 for sha256, _ in blobs))
        for sha256, path in blobs:
            push = partial(self._push, path, sha256, progress, room)
            self.patiently(push, progress)

    def _push(self, path: Path, sha256: str, progress: Progress, room: Room) -> None:
        deploy.push_blob(self.need_connection(), self.talk(), self.known_facts(), path, sha256, progress, room)

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
        board_facts = self.known_facts()
        if environment is not None:
            self.patiently(
                lambda: deploy.push_environment(
                    self.need_connection(),
                    self.talk(),
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
            board_facts = self.known_facts()
            choice = choose(runtime, board_facts, form, pillow=with_pillow(cell))
            environment: Environment | None = None
            if runtime.install == "push":
                progress(f"preparing {choice.name} for {board_facts.arch}")
                environment = prepare(choice, self.workshop.cache, self.stop.is_set)
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
        cores = self.known_facts().cores
        job = contract.check_job(job_of(cell, self.board, artifact, part, runtime, environment, cores))
        self._stop_other(part.run_id)
        self._running = part.run_id
        meter = Metering(self.board, self.workshop.program, self.stop, job["scenario"])
        try:
            self.patiently(lambda: self.talk().request("start", job=job), progress)
            final = follow(self, part.run_id, part.deadline_s + GRACE_S, meter, progress)
            self.patiently(lambda: meter.sight(self.talk(), again=True), progress)
            digest = environment.digest if environment else None
            outcome = collect(self, part.run_id, final, runtime, digest, progress)
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
        told = self.talk().request("jobs", prefix=prefix, timeout_s=LISTING_S).get("jobs")
        found = [one for one in map(Left.parsed, told if isinstance(told, list) else []) if one is not None]
        return sorted(found, key=lambda one: (one.first, one.run_id))

    def recover(self, left: Left, progress: Progress) -> Outcome | None:
        """The record of such a job, once it has ended; None where it came to none. Its meter, if it had one, is lost.

        Raises as :meth:`run` does.
        """
        if left.status == contract.RUNNING:
            progress("waiting for what runs since before")
        final = follow(self, left.run_id, left.deadline_s + GRACE_S, None, progress)
        self._running = None
        if str(final.get("status")) in (contract.CANCELLED, contract.LOST):
            return None
        return collect(self, left.run_id, final, left.runtime, left.env, progress)

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
                self.stop.wait(0.3)
            self._running = None

    def _stop_running(self) -> object:
        return self.talk().request("cancel", run_id=self._running, timeout_s=15.0).get("status")
