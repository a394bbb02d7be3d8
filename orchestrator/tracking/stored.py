"""Stored sweeps: where each belongs, and delivering what the tracker there has not confirmed."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator import alive
from orchestrator.cell import Tracking
from orchestrator.errors import ConfigError
from orchestrator.redact import BLOT
from orchestrator.result import Result, Sweep, load_sweep
from orchestrator.tracking.kinds import open_tracker
from orchestrator.tracking.seam import Tracker
from orchestrator.tracking.writer import TrackingWriter, Undelivered, is_delivered

ENVIRONMENT = "MLFLOW_TRACKING_URI"
SYNC_S = 600.0
"""How long one stored sweep may take."""


@dataclass(frozen=True, slots=True)
class Synced:
    """What came of one stored sweep: in words, what is left, and whether nothing more is to do here."""

    words: str
    left: tuple[Undelivered, ...] = ()
    complete: bool = True


def remembered(tracking: Tracking, tracker: Tracker) -> dict[str, str]:
    """What a sweep has to keep (``Sweep.tracking``) to be delivered to the same place later; no credentials.

    ``where`` is empty for the default store, so that a root that was moved takes it along.
    """
    chosen = tracking.uri or os.environ.get(ENVIRONMENT)
    return {"kind": tracking.kind, "experiment": tracking.experiment, "where": tracker.where if chosen else ""}


def recalled(sweep: Sweep, uri: str | None) -> Tracking:
    """The tracking of a stored sweep: at ``uri``, else where the environment says, else where it was meant to go.

    That is the default store where its own address had credentials, which are not kept.
    """
    kept, own = sweep.tracking, sweep.tracking.get("where")
    where = uri or os.environ.get(ENVIRONMENT) or (own if own and BLOT not in own else None)
    usual = Tracking()
    return Tracking(kept.get("kind", usual.kind), where, kept.get("experiment", usual.experiment))


def sync(directory: Path, root: Path, uri: str | None, *, named: bool) -> Synced:
    """Deliver what is missing of the sweep in ``directory``. ``named``: a person asked for this one.

    A sweep whose controller died is closed as interrupted; one that still runs is left to its controller.

    Raises OrchestratorError or OSError if the sweep cannot be read or written, or its tracker is unknown.
    """
    sweep, _ = load_sweep(directory)
    if sweep.tracking.get("kind") == "none":
        return Synced("not tracked (tracking=none)")
    if sweep.status == "running" and alive.state_of(sweep.controller) == alive.RUNNING:
        return Synced("still running, and delivers its results itself")
    try:
        lock = alive.alone(directory)
    except ConfigError:
        return Synced("another process works on it, and delivers its results itself")
    with lock:
        return _synced(directory, root, uri, named=named)


def _synced(directory: Path, root: Path, uri: str | None, *, named: bool) -> Synced:
    """Nobody else works on the sweep meanwhile."""
    sweep, results = load_sweep(directory)
    if sweep.status == "running":
        state = alive.state_of(sweep.controller)
        if state == alive.ELSEWHERE and not named:
            host = sweep.controller.get("host")
            return Synced(f"runs on {host}, or died there; once it is dead: sync {sweep.id}", complete=False)
        sweep = sweep.ended("interrupted", max((r.ended_s for r in results), default=time.time()))
        sweep.write()
    tracking = recalled(sweep, uri)
    tracker = open_tracker(tracking, root)
    where, own = tracker.where, sweep.tracking.get("where")
    if own and tracking.uri is None:
        where += f" (and not in its own {own}, whose credentials are not kept: give it by --uri or {ENVIRONMENT})"
    if is_complete(sweep, results, tracker.where):
        return Synced(f"all in {where} already")
    left = tuple(redeliver(tracker, sweep, results))
    return Synced(f"{len(left)} not delivered" if left else f"all in {where}", left, not left)


def is_complete(sweep: Sweep, results: Sequence[Result], where: str) -> bool:
    """Whether this store has confirmed every result and the summary."""
    return is_delivered(sweep.directory, where) and all(is_delivered(r.directory, where) for r in results)


def redeliver(
    tracker: Tracker, sweep: Sweep, results: Sequence[Result], timeout_s: float = SYNC_S
) -> list[Undelivered]:
    """Deliver what the tracker has not confirmed of a stored sweep, and its summary; what still fails is returned."""
    writer = TrackingWriter(tracker)
    writer.open(sweep)
    for result in results:
        if not is_delivered(result.directory, tracker.where):
            writer.submit(result)
    writer.finish(sweep)
    return writer.close(timeout_s)
