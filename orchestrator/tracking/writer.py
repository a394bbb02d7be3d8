"""The one thread that talks to the tracker, so that a slow or absent one never holds up a sweep."""

from __future__ import annotations

import contextlib
import json
import logging
import queue
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.errors import TrackingError
from orchestrator.redact import redacted
from orchestrator.result import Result, Sweep, write_json
from orchestrator.tracking.seam import Receipt, Tracker, TrackerAway

log = logging.getLogger(__name__)

DELIVERED_FILE = "delivered.json"
PATIENCE_S = 30.0
"""After nobody answered, results are only kept for this long before the next one is tried."""
STEP_S = 0.2
"""A longer wait would keep the main thread from hearing signals in time."""
AFTER_STOP_S, STOPPED_BEFORE_S = 2.0, 10.0
"""How long delivering goes on after somebody pressed Ctrl-C: meanwhile, or before it began."""

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
        self._put(_Job(f"summary of sweep {sweep.id}", lambda: self._close_sweep(sweep)))

    def close(self, timeout_s: float, stop: threading.Event | None = None) -> list[Undelivered]:
        """Wait for the queue to empty and say what the tracker has not got. Once ``stop`` is set, not much longer."""
        self._jobs.put(None)
        waited_s = self._wait(timeout_s, stop)
        otherwise = (
            f"not done {waited_s:.2g} s after the end"
            if self._thread.is_alive()
            else "the tracking thread ended unexpectedly; its traceback is in the log"
        )
        with self._lock:
            return [Undelivered(j.what, self._reasons.get(id(j), otherwise), j.result) for j in self._waiting]

    def _wait(self, timeout_s: float, stop: threading.Event | None) -> float:
        """Until the thread is done or there was enough of waiting; the seconds that took."""
        began = time.monotonic()
        until = began + timeout_s
        if stop is not None and stop.is_set():
            until, stop = min(until, began + STOPPED_BEFORE_S), None
        while self._thread.is_alive() and (left_s := until - time.monotonic()) > 0:
            self._thread.join(min(STEP_S, left_s))
            if stop is not None and stop.is_set():
                until, stop = min(until, time.monotonic() + AFTER_STOP_S), None
        return time.monotonic() - began

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
        except Exception as error:  # noqa: BLE001 - the boundary of the tracker: a bug there must not end deliveries
            log.error("not tracked, kept on disk: %s\n%s", job.what, redacted(traceback.format_exc()))
            self._refused(job, redacted(f"{type(error).__name__}: {error}"))
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
            _mark(result.directory, receipt)

    def _close_sweep(self, sweep: Sweep) -> None:
        _mark(sweep.directory, self._tracker.close_sweep(sweep))

    def _refused(self, job: _Job, reason: str) -> None:
        with self._lock:
            self._reasons[id(job)] = reason

    def _done(self, job: _Job) -> None:
        with self._lock:
            self._waiting = [other for other in self._waiting if other is not job]


def _mark(directory: Path, receipt: Receipt) -> None:
    try:
        write_json(directory / DELIVERED_FILE, {"uri": receipt.uri, "run_id": receipt.run_id})
    except OSError as error:  # delivered all the same; a later sync finds the run and makes the mark
        log.warning("%s: cannot write %s: %s", directory, DELIVERED_FILE, error)


def is_delivered(directory: Path | None, uri: str) -> bool:
    """Whether this store has confirmed what lies in this directory: of a cell, or of a sweep (its summary)."""
    if directory is None:
        return False
    try:
        marker = json.loads((directory / DELIVERED_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(marker, dict) and marker.get("uri") == uri
