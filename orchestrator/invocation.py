"""One invocation = one sweep = one parent run, over all batches that Hydra's sweeper launches."""

from __future__ import annotations

import contextlib
import logging
import os
import shlex
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn
from omegaconf import DictConfig
from rich.markup import escape

from orchestrator import about, adaptive, alive, signals
from orchestrator.builder import Builder
from orchestrator.cache import cache_directory
from orchestrator.cell import Cell, Tracking
from orchestrator.config import CONFIG_FILE, LAB_VARIABLE, Job
from orchestrator.console import say, terminal
from orchestrator.errors import ConfigError, Interrupted, OrchestratorError, naming, reason
from orchestrator.fleet import Entry, Plan, Progress, Turns, failed, forecast, plan
from orchestrator.flights import Flights
from orchestrator.gates import Gates
from orchestrator.history import History
from orchestrator.matrix import Matrix
from orchestrator.night import Night
from orchestrator.nightly import Nightly
from orchestrator.nightly.lock import alone
from orchestrator.preview import hopeless, print_plan, short_windows, summary
from orchestrator.redact import redacted, secrets_in, without
from orchestrator.result import SWEEP_FILE, Result, Sweep
from orchestrator.resume import Resumed, put_aside
from orchestrator.returned import returned, sweep_id
from orchestrator.statuses import INCOMPLETE, INTERRUPTED, OK, exit_status
from orchestrator.stock import Stock
from orchestrator.study import Study
from orchestrator.tracking import DELIVERED_FILE, Tracker, TrackingWriter, is_delivered, open_tracker, remembered
from orchestrator.unattended import seconds_of
from orchestrator.words import counted

log = logging.getLogger("orchestrator")


class Invocation:
    """Everything that lives as long as the sweep; nothing is opened before the first batch has been validated."""

    def __init__(self, arguments: Sequence[str], reproduces: str = "", resumed: Resumed | None = None) -> None:
        self._reproduces, self._resumed = reproduces, resumed
        self._secrets = secrets_in(arguments)
        lab = ["--config-dir", os.environ[LAB_VARIABLE]] if LAB_VARIABLE in os.environ else []
        self._command = self._without_secrets(shlex.join(["python", "-m", "orchestrator", *lab, *arguments]))
        self._console = terminal()
        self._open = ExitStack()
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._turns = Turns()
        self.matrix = Matrix(self._console)
        self._study: Study | None = None
        self.swept: Collection[str] = ()  # the axes of the sweep
        self._warned: set[str] = set()
        self._results: dict[int, Result] = {**resumed.final, **resumed.earlier} if resumed else {}
        self._journalled: set[int] = set()  # numbers of the cells that came to their result in this process
        self._unwritten: dict[int, str] = {}  # results that this machine's disk did not take, and why
        self._axes: dict[int, dict[str, str]] = {}  # of every cell so far
        self._sweep: Sweep | None = None
        self._writer: TrackingWriter | None = None
        self._where = ""
        self._builder = Builder(cache_directory())
        self._flights = Flights(self._console, self._builder, self._turns, self._stop, self._open)
        self._history: History | None = None
        self._nightly: Nightly | None = None
        self._ends_s: float | None = None  # of the budget, on the clock of time.monotonic
        self._cells: dict[str, Cell] = {}  # by their ids

    @property
    def directory(self) -> Path | None:
        """Of the sweep; None where none began."""
        return self._sweep.directory if self._sweep is not None else None

    def launch(self, jobs: Sequence[Job]) -> list[JobReturn]:
        """Run a batch; a number per job that was asked for, NaN or None where there is no result."""
        if self._stop.is_set():  # a sweeper with more batches to come
            raise Interrupted("the sweep was interrupted")
        if not jobs:
            plan([])
        settings, config = jobs[0].cell.settings, jobs[0].config
        study = self._study = self._study or Study(settings, config)
        new = self._left(self.matrix.take(jobs))
        self._cells |= {job.cell.id: job.cell for job in jobs if job.excluded is None}
        if settings.night.enabled and self._nightly is None:
            self._nightly = Nightly(settings, Path(settings.root).resolve(), self._console).checked()
        batch = plan([job.cell for job in new], self._past(new)) if new else Plan((), {})
        if adaptive.is_whole(config):
            self._warn(*self.matrix.unmatched)
            if self._resumed is None:
                self.matrix.must_have_cells(batch)
        if settings.dry_run:
            print_plan(self._console, batch, self._builder, cache_directory(), self.matrix.dropped)
            if adaptive.is_adaptive(config):
                say(self._console, "these are the first cells; the next ones depend on what they come to")
                raise SystemExit(0)
            return [returned(job, self._value(job, study)) for job in jobs if job.asked]
        for rule, count in self.matrix.dropped.items():
            say(self._console, f"{counted(count, 'cell')} excluded: {rule}")
        if new or self._resumed is not None:
            sweep = self._sweep or self._begin(jobs[0])
            self._warn(*study.warnings)
            for job in new:
                if job.cell.number not in batch.duplicates and not self._is_saved(job):
                    with naming(job.cell.directory):
                        job.save(again=self._resumed is not None)
            if new:
                self._run(batch, sweep)
        values = [returned(job, self._value(job, study)) for job in jobs if job.asked]
        study.must_lead_somewhere(self.swept)
        return values

    def _left(self, jobs: Sequence[Job]) -> list[Job]:
        """Without those that have their final result from an earlier process.

        Raises ConfigError where the stored sweep was of something else.
        """
        if self._resumed is None:
            return list(jobs)
        self._resumed.check(jobs, adaptive.is_whole(jobs[0].config) if jobs else True)
        left = [job for job in jobs if job.cell.number not in self._resumed.final]
        words = f"{len(jobs) - len(left)} of {counted(len(jobs), 'cell')} have their result from before"
        say(self._console, (f"going on with {self._resumed.sweep.id}:", "bold"), f" {words}")
        return left

    def _is_saved(self, job: Job) -> bool:
        return self._resumed is not None and (job.cell.directory / CONFIG_FILE).is_file()

    def _warn(self, *warnings: str) -> None:
        """On the terminal and in the log, each once."""
        for words in warnings:
            if words not in self._warned:
                self._warned.add(words)
                if self._sweep is not None:  # without a log, logging itself would print it
                    log.warning("%s", words)
                say(self._console, (words, "yellow"))

    def _past(self, jobs: Sequence[Job]) -> History | None:
        """What earlier sweeps took, read once."""
        if self._history is None and jobs:
            self._history = History.read(Path(jobs[0].cell.settings.root).resolve())
        return self._history

    def _without_secrets(self, text: str) -> str:
        return redacted(without(text, self._secrets))

    @contextlib.contextmanager
    def folder_of(self, master: DictConfig) -> Iterator[None]:
        """Hydra's sweeper makes the sweep's folder before anything is validated, and writes the command line as it is.

        A folder that nobody used goes again; what was written loses its secrets.
        """
        folder = Path(master.hydra.sweep.dir)
        written = folder / "multirun.yaml"
        if written.exists():
            with naming(written):
                written.write_text(self._without_secrets(written.read_text()))
        try:
            yield
        finally:
            if self._sweep is None and [path.name for path in folder.glob("*")] == [written.name]:
                written.unlink()
                for empty in (folder, folder.parent, folder.parent.parent):
                    with contextlib.suppress(OSError):
                        empty.rmdir()

    def finish(self, error: BaseException | None = None) -> int | None:
        """Close everything, report, deliver; the exit status of the sweep, None if none began.

        ``error`` is what ended it early: an error after something was measured is a sweep with cells missing.
        """
        sweep, writer = self._sweep, self._writer
        with self._open:
            if sweep is None or writer is None:
                return None
            from orchestrator.ending import conclude

            self._warn(*self.matrix.unmatched)
            if isinstance(error, KeyboardInterrupt):
                self._stop.set()
            elif error is not None:
                log.error("the sweep ended early", exc_info=error)
            self._redeliver(sweep, writer)
            results = [self._results[number] for number in sorted(self._results)]
            status = exit_status(results, interrupted=self._stop.is_set())
            if status == OK and (self._unwritten or error is not None):
                status = INCOMPLETE
            for words_of_it in self._unwritten.values():
                self._console.print(f"[red]not on the disk:[/] {escape(words_of_it)}", soft_wrap=True)
            words = {OK: "finished", INTERRUPTED: "interrupted"}
            whole = replace(sweep, excluded=self.matrix.excluded, given_up=self._flights.given_up)
            ended = whole.ended(words.get(status, "failed"), time.time())
            night = self._night(ended, results, status)
            on_disk = conclude(self._console, ended, results, writer, self._where, self._stop)
            if night is not None and self._nightly is not None:
                self._nightly.told(night)
                status = night.status
            for word, words_of_it in self._study.words(sweep.directory) if self._study is not None else ():
                say(self._console, (f"{word:<10}", "bold"), words_of_it)
            return status if on_disk or status != OK else INCOMPLETE

    def _night(self, ended: Sweep, results: Sequence[Result], status: int) -> Night | None:
        """What the night came to; nothing that goes wrong with it costs the results."""
        if self._nightly is None:
            return None

        def again(entries: Sequence[Entry]) -> dict[int, Result]:
            ends_s = time.monotonic() + seconds_of(entries[0].cell.settings.gate.rerun_budget) if entries else 0.0
            return self._flights.again(entries, ended, ends_s)

        boards = {board.name: board for cell in self._cells.values() for board in cell.settings.device.boards}
        try:
            found = self._nightly.judged(ended, results, self._cells, self._builder, again)
            ended = ended.ended(ended.status, time.time())
            status = INTERRUPTED if self._stop.is_set() else status
            return self._nightly.concluded(ended, found, results, list(boards.values()), status)
        except Exception as error:  # the results must still be delivered
            log.exception("the end of the night")
            return self._nightly.broken(ended, results, status, error)

    def _redeliver(self, sweep: Sweep, writer: TrackingWriter) -> None:
        """What an earlier process of the sweep has measured, and the tracker has not confirmed."""
        if self._resumed is None:
            return
        if not self._journalled:
            writer.open(sweep)
        for number, result in self._results.items():
            if number not in self._journalled and not is_delivered(result.directory, self._where):
                writer.submit(result)

    def _begin(self, job: Job) -> Sweep:
        """The sweep's folder, its log, its tracker; from here on nothing is lost."""
        settings = job.cell.settings
        directory = Path(job.config.hydra.sweep.dir).resolve()
        if (directory / SWEEP_FILE).exists() and self._resumed is None:
            raise ConfigError(
                f"{directory} holds a sweep already", hint="leave hydra.sweep.dir alone, or name a new one"
            )
        directory.mkdir(parents=True, exist_ok=True)
        if self._nightly is not None:
            night = alone(Path(settings.root).resolve(), sweep_id(directory))
            self._open.callback(night.release)
        lock = self._resumed.lock if self._resumed else alive.alone(directory)
        self._open.callback(lock.release)
        self._open.enter_context(about.logging_to(directory / "sweep.log"))
        self._open.enter_context(signals.stopping(self._stop, self._console))
        tracker = open_tracker(settings.tracking, Path(settings.root).resolve())
        begun = self._resumed.sweep if self._resumed else None
        if begun is not None:
            self._must_go_there(begun, settings.tracking, tracker)
            (directory / DELIVERED_FILE).unlink(missing_ok=True)  # of a summary that there will be anew
        sweep = Sweep(
            begun.id if begun else sweep_id(directory),
            directory,
            begun.started_s if begun else time.time(),
            begun.command if begun else self._command,
            settings.baseline,
            facts=about.controller(),
            tracking=remembered(settings.tracking, tracker),
            controller=alive.this_process(),
            excluded=self.matrix.excluded,
            reproduces=self._reproduces,
            battery=settings.battery or "",
            gates=Gates.of(settings.quality, settings.constraints).to_json(),
            resumed=begun.resumed + 1 if begun else 0,
            night=settings.night.enabled,
        )
        sweep.write()
        log.info("sweep %s: %s", sweep.id, self._command)
        where = escape(about.shown(directory))
        self._console.print(f"sweep [bold]{sweep.id}[/] in {where}", highlight=False, soft_wrap=True)
        self._open.callback(self._builder.close)
        self._where = tracker.where
        self._writer = TrackingWriter(tracker, self._turns.background)
        self._sweep = sweep
        return sweep

    def _must_go_there(self, begun: Sweep, tracking: Tracking, tracker: Tracker) -> None:
        """Raises ConfigError where the tracker is another one: the runs in the old one would stay as they are."""
        now = remembered(tracking, tracker)
        if begun.tracking and now != begun.tracking:
            told = [" ".join(filter(None, one.values())) for one in (begun.tracking, now)]
            raise ConfigError(
                f"{begun.id} is tracked elsewhere: in {told[0]}, not in {told[1]}",
                hint="leave tracking alone; 'sync --uri' delivers to another tracker, too",
            )

    def _run(self, batch: Plan, sweep: Sweep) -> None:
        """All cells of a batch, each to its result."""
        if self._nightly is not None:
            batch = self._nightly.at_home(batch)
        budget = batch.entries[0].cell.settings.budget
        if budget is not None and self._ends_s is None:
            self._ends_s = time.monotonic() + seconds_of(budget)
        say(self._console, summary(batch, forecast(batch), Stock.of(batch, self._builder)))
        for line in (*hopeless(batch), *short_windows(batch)):
            say(self._console, *line)
        self._axes |= {e.cell.number: e.cell.axes | {"also": " ".join(e.cell.extras)} for e in batch.entries}
        self._flights.fly(
            batch,
            sweep,
            self._journal,
            self._axes,
            ends_s=self._ends_s,
            resumed=self._resumed is not None,
            checks=self._nightly is not None,
            landed=lambda display: self._account_for(batch, sweep, display),
        )

    def _account_for(self, batch: Plan, sweep: Sweep, display: Progress) -> None:
        """Whatever happened: no cell of the plan is without a result."""
        for entry in batch.entries:
            if entry.cell.number not in self._journalled:
                lost = OrchestratorError(
                    "the cell was lost on its way: a bug of the orchestrator", hint="see sweep.log"
                )
                result = failed(sweep, entry.cell, None, lost, time.time())
                self._journal(result)
                display.done(result)

    def _journal(self, result: Result) -> bool:
        """On the disk first, then to the tracker, which may be away; whether it is on the disk."""
        earlier = self._resumed.earlier.get(result.number) if self._resumed else None
        if earlier is not None:
            result = replace(result, attempt=earlier.attempt + 1)
        try:
            if result.directory is not None:
                if earlier is not None:
                    put_aside(earlier, result.directory)
                result.write(result.directory)
        except (OSError, ValueError) as error:  # a full disk; a value that no file can hold
            log.error("%s: %s", result.cell_id, error)
            self._unwritten[result.number] = f"{result.short}: {reason(error)}"
        with self._lock:
            first, self._results[result.number] = not self._journalled, result
            self._journalled.add(result.number)
            if self._writer is not None and self._sweep is not None:
                if first:  # not earlier: importing MLflow takes the interpreter for seconds, while boards wait
                    self._writer.open(self._sweep)
                self._writer.submit(result)
        return result.number not in self._unwritten

    def _value(self, job: Job, study: Study) -> Any:
        """What the sweeper is told of a cell, its own result or that of the one it repeats."""
        result = None if job.excluded else self._results.get(self.matrix.number_of(job.cell))
        if result is not None and result.measurement is not None:
            self._warn(*adaptive.unknown(study.objectives))  # an adaptive sweep was refused for them
        return study.told(result, job.overrides)
