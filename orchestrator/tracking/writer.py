"""The one thread that talks to the tracker, so that a slow or absent one never holds up a sweep."""

from __future__ import annotations

import contextlib
import json
import logging
import queue
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.errors import TrackingError
from orchestrator.result import Result, Sweep, load_sweep, write_json
from orchestrator.tracking.seam import Receipt, Tracker, TrackerAway

log = logging.getLogger(__name__)

DELIVERED_FILE = "delivered.json"
PATIENCE_S = 30.0
"""After nobody answered, results are only kept for this long before the next one is tried."""

Turn = Callable[[], AbstractContextManager[object]]


@dataclass(frozen=True, slots=True)
class Undelivered:
    """What the tracker does not have, and why. ``result`` is None for the summary of the sweep."""

    what: str
    reason: str
    result: Result | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class _Job:
    what: str
    call: Callable[[], None]
    result: Result | None = None
    always: bool = False  # also right after nobody answered


class TrackingWriter:
    """``open`` a sweep, ``submit`` results, ``finish`` the sweep, ``close``. None of them but ``close`` waits.

    Everything handed over is on the disk already. ``turn`` is entered around each piece of work: the fleet's gate
    that keeps tracking off this machine while something is measured on it.
    """

    def __init__(self, tracker: Tracker, turn: Turn = contextlib.nullcontext) -> None:
        self._tracker = tracker
        self._turn = turn
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._waiting: list[_Job] = []  # handed over and not yet delivered, in order; guarded by the lock
        self._reasons: dict[int, str] = {}  # of those that were refused, by id of the job
        self._lock = threading.Lock()
        self._away_until_s = 0.0
        self._away_reason = ""
        self._thread = threading.Thread(target=self._run, name="tracking", daemon=True)
        self._thread.start()

    def open(self, sweep: Sweep) -> None:
        # Not in the list of what is waiting: a sweep that could not be opened is opened again by its first result.
        self._jobs.put(_Job(f"sweep {sweep.id}", lambda: self._tracker.open_sweep(sweep), always=True))

    def submit(self, result: Result) -> None:
        """Deliver this result; a marker in its directory says when that is done."""
        self._put(_Job(result.short, lambda: self._deliver(result), result))

    def finish(self, sweep: Sweep) -> None:
        """Once more what was refused, then the summary; the comparison files must lie in the sweep's directory."""
        self._jobs.put(_Job("what was refused", self._again, always=True))
        self._put(_Job(f"summary of sweep {sweep.id}", lambda: self._tracker.close_sweep(sweep)))

    def close(self, timeout_s: float) -> list[Undelivered]:
        """Wait for the queue to empty and say what the tracker has not got."""
        self._jobs.put(None)
        self._thread.join(timeout_s)
        otherwise = (
            f"not done {timeout_s:g} s after the end"
            if self._thread.is_alive()
            else "the tracking thread ended unexpectedly; its traceback is in the log"
        )
        with self._lock:
            return [Undelivered(j.what, self._reasons.get(id(j), otherwise), j.result) for j in self._waiting]

    def _put(self, job: _Job) -> None:
        with self._lock:
            self._waiting.append(job)
        self._jobs.put(job)

    def _run(self) -> None:
        for job in iter(self._jobs.get, None):
            with self._turn():
                self._attempt(job)

    def _attempt(self, job: _Job) -> None:
        if time.monotonic() < self._away_until_s and not job.always:
            self._refused(job, self._away_reason)
            return
        try:
            job.call()
        except TrackingError as error:
            if isinstance(error, TrackerAway):
                self._away_until_s, self._away_reason = time.monotonic() + PATIENCE_S, str(error)
            log.warning("not tracked, kept on disk: %s", error)
            self._refused(job, str(error))
        else:
            self._done(job)

    def _again(self) -> None:
        self._away_until_s = 0.0
        with self._lock:
            refused = [job for job in self._waiting if id(job) in self._reasons]
        for job in refused:  # after the first timeout the others are refused at once
            self._attempt(job)

    def _deliver(self, result: Result) -> None:
        receipt = self._tracker.deliver(result)
        if result.directory is not None:
            try:
                _mark(result.directory, receipt)
            except OSError as error:  # delivered all the same; a later sync finds the run and makes the mark
                log.warning("%s: cannot write %s: %s", result.short, DELIVERED_FILE, error)

    def _refused(self, job: _Job, reason: str) -> None:
        with self._lock:
            self._reasons[id(job)] = reason

    def _done(self, job: _Job) -> None:
        with self._lock:
            self._waiting = [other for other in self._waiting if other is not job]


def _mark(directory: Path, receipt: Receipt) -> None:
    write_json(directory / DELIVERED_FILE, {"uri": receipt.uri, "run_id": receipt.run_id})


def is_delivered(result: Result, uri: str) -> bool:
    """Whether this store has confirmed to have got it."""
    if result.directory is None:
        return False
    try:
        marker = json.loads((result.directory / DELIVERED_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(marker, dict) and marker.get("uri") == uri


def redeliver(tracker: Tracker, directory: Path, timeout_s: float = 600.0) -> list[Undelivered]:
    """Deliver what a stored sweep's tracker has not confirmed, and its summary; what still fails is returned.

    Raises ConfigError or MeasurementError if the sweep cannot be read.
    """
    sweep, results = load_sweep(directory)
    writer = TrackingWriter(tracker)
    writer.open(sweep)
    for result in results:
        if not is_delivered(result, tracker.where):
            writer.submit(result)
    writer.finish(sweep)
    return writer.close(timeout_s)
