"""One invocation = one sweep = one parent run, over all batches that Hydra's sweeper launches."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import re
import shlex
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from hydra.core.utils import JobReturn, JobStatus
from omegaconf import DictConfig, OmegaConf
from rich.console import Console
from rich.markup import escape

from orchestrator import about, signals
from orchestrator.builder import Builder
from orchestrator.config import Job, blotted
from orchestrator.connection import LocalServer
from orchestrator.console import print_plan, progress
from orchestrator.fleet import Builds, Fleet, Plan, Turns, plan
from orchestrator.provisioning import Program
from orchestrator.result import DONE, SKIPPED, Result, Sweep
from orchestrator.session import Workshop
from orchestrator.tracking import TrackingWriter, open_tracker

log = logging.getLogger("orchestrator")

OK, INCOMPLETE, INTERRUPTED = 0, 2, 130


def cache_directory() -> Path:
    """Built artifacts and wheels; XDG_CACHE_HOME is honoured."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "edge-orchestrator"


class Invocation:
    """Everything that lives as long as the sweep; nothing is opened before the first batch has been validated."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self._command = blotted(shlex.join(["python", "-m", "orchestrator", *arguments]))
        self._console = Console()
        self._open = ExitStack()
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._turns = Turns()
        self._results: dict[int, Result] = {}
        self._unwritten: dict[int, str] = {}  # results that this machine's disk did not take, and why
        self._sweep: Sweep | None = None
        self._writer: TrackingWriter | None = None
        self._where = ""
        self._builder = Builder(cache_directory())
        self._local: LocalServer | None = None

    def launch(self, jobs: Sequence[Job]) -> list[JobReturn]:
        """Run a batch; a number per job for the sweeper, NaN where there is no result."""
        batch = plan([job.cell for job in jobs])
        if jobs[0].cell.settings.dry_run:
            cached = {e.cell.number: self._builder.cached(e.recipe) is not None for e in batch.entries if e.recipe}
            print_plan(self._console, batch, cached)
            return [returned(job, math.nan) for job in jobs]
        sweep = self._sweep or self._begin(jobs[0])
        for job in jobs:
            if job.cell.number not in batch.duplicates:
                job.save()
        self._run(batch, sweep)
        return [returned(job, self._objective(job, batch)) for job in jobs]

    @contextlib.contextmanager
    def folder_of(self, master: DictConfig) -> Iterator[None]:
        """Hydra's sweeper makes the sweep's folder before anything is validated; one that nobody used goes again."""
        try:
            yield
        finally:
            folder = Path(master.hydra.sweep.dir)
            if self._sweep is None and [path.name for path in folder.glob("*")] == ["multirun.yaml"]:
                (folder / "multirun.yaml").unlink()
                for empty in (folder, folder.parent, folder.parent.parent):
                    with contextlib.suppress(OSError):
                        empty.rmdir()

    def finish(self) -> int:
        """Close everything, report, deliver; the exit status of the sweep."""
        sweep, writer = self._sweep, self._writer
        with self._open:
            if sweep is None or writer is None:
                return OK
            from orchestrator.ending import conclude

            results = [self._results[number] for number in sorted(self._results)]
            status = exit_status(results, self._stop.is_set())
            for words_of_it in self._unwritten.values():
                self._console.print(f"[red]not on the disk:[/] {escape(words_of_it)}", soft_wrap=True)
            status = INCOMPLETE if status == OK and self._unwritten else status
            words = {OK: "finished", INTERRUPTED: "interrupted"}
            ended = sweep.ended(words.get(status, "failed"), time.time())
            conclude(self._console, ended, results, writer, self._where)
            return status

    def _begin(self, job: Job) -> Sweep:
        """The sweep's folder, its log, its tracker; from here on nothing is lost."""
        settings = job.cell.settings
        directory = Path(job.config.hydra.sweep.dir).resolve()
        directory.mkdir(parents=True, exist_ok=True)
        written = directory / "multirun.yaml"  # by Hydra's sweeper, as it came from the command line
        written.write_text(blotted(written.read_text() if written.exists() else ""))
        self._open.enter_context(about.logging_to(directory / "sweep.log"))
        self._open.enter_context(signals.stopping(self._stop, self._console))
        sweep = Sweep(
            sweep_id(directory), directory, time.time(), self._command, settings.baseline, facts=about.controller()
        )
        sweep.write()
        log.info("sweep %s: %s", sweep.id, self._command)
        self._console.print(f"sweep [bold]{sweep.id}[/] in {about.shown(directory)}", highlight=False, soft_wrap=True)
        self._open.callback(self._builder.close)
        tracker = open_tracker(settings.tracking, Path(settings.root).resolve())
        self._where = tracker.where
        self._writer = TrackingWriter(tracker, self._turns.background)
        self._sweep = sweep
        return sweep

    def _run(self, batch: Plan, sweep: Sweep) -> None:
        if self._local is None and any(e.cell.settings.device.is_local for e in batch.runnable):
            self._local = LocalServer()
            self._open.callback(self._local.close)
        workshop = Workshop(Program.built(cache_directory()), cache_directory(), sweep.id, self._local)
        builds = Builds(self._builder, self._turns, self._stop)
        with progress(self._console, len(batch.entries)) as display:
            try:
                Fleet(sweep, workshop, builds, self._turns, display, self._journal, self._stop).run(batch)
            finally:
                builds.close()

    def _journal(self, result: Result) -> None:
        """On the disk first, then to the tracker, which may be away."""
        try:
            if result.directory is not None:
                result.write(result.directory)
        except OSError as error:
            log.error("%s: %s", result.cell_id, error)
            self._unwritten[result.number] = f"{result.short}: {error}"
        with self._lock:
            first, self._results[result.number] = not self._results, result
        if self._writer is not None and self._sweep is not None:
            if first:  # not earlier: importing MLflow takes the interpreter for two seconds while boards are waiting
                self._writer.open(self._sweep)
            self._writer.submit(result)

    def _objective(self, job: Job, batch: Plan) -> float:
        number = batch.duplicates.get(job.cell.number, job.cell.number)
        result = self._results.get(number)
        if result is None or result.measurement is None:
            return math.nan
        return result.measurement.metrics.get(job.cell.settings.objective, math.nan)


def sweep_id(directory: Path) -> str:
    """``20261124-152307-4f34cd`` from ``2026-11-24/15-23-07-4f34cd``; any other layout keeps its folder's name."""
    found = re.fullmatch(r"(\d+)-(\d+)-(\d+)/(\d+)-(\d+)-(\d+)-(\w+)", "/".join(directory.parts[-2:]))
    return "{}{}{}-{}{}{}-{}".format(*found.groups()) if found else directory.name


def exit_status(results: Sequence[Result], interrupted: bool) -> int:
    """0: every runnable cell has a result; 2: some have none; 130: interrupted."""
    if interrupted:
        return INTERRUPTED
    return OK if all(result.status in (DONE, SKIPPED) for result in results) else INCOMPLETE


def returned(job: Job, value: float) -> JobReturn:
    """What a Hydra sweeper wants back; a failed cell is NaN, since an exception would end the sweep."""
    hydra: DictConfig = OmegaConf.masked_copy(job.config, ["hydra"])
    task = OmegaConf.masked_copy(job.config, [str(key) for key in job.config if key != "hydra"])
    done = JobReturn(list(job.overrides), task, hydra, str(job.cell.directory), "orchestrator")
    done.status = JobStatus.COMPLETED
    done.return_value = value
    return done
