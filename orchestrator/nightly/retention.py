"""Old nights make room. Their cells' history stays: a line for each cell and night."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

from orchestrator.errors import ConfigError, OrchestratorError
from orchestrator.result import Sweep, find_sweep, load_sweep, stored_sweeps
from orchestrator.tracking import TrackerAway, is_delivered, open_tracker, recalled

log = logging.getLogger(__name__)

DAY_S = 86400.0


def forget_old(root: Path, now_s: float, keep_days: int, pinned: str | None) -> list[str]:
    """Remove the nights that are older, from the disk and from their tracker; what was removed, or why not, in words.

    What the tracker has not got stays, since it is nowhere else; so does the pinned one, and every sweep that was no
    night.
    """
    told = []
    kept = _pinned(root, pinned)
    for sweep in _old(root, now_s - keep_days * DAY_S):
        if sweep.directory == kept:
            continue
        try:
            told.append(_forgotten(root, sweep))
        except TrackerAway as error:
            told.append(f"old nights stay: {error}")
            break
        except (OrchestratorError, OSError) as error:
            told.append(f"the night {sweep.id} was to be removed, and stays: {error}")
    return [words for words in told if words]


def _pinned(root: Path, pinned: str | None) -> Path | None:
    if pinned is None:
        return None
    try:
        return find_sweep(root, pinned)
    except OrchestratorError:
        return None


def _old(root: Path, before_s: float) -> Iterator[Sweep]:
    for directory in stored_sweeps(root):
        try:
            sweep, _ = load_sweep(directory)
        except OrchestratorError as error:
            log.warning("left out: %s: %s", directory, error)
            continue
        if sweep.night and sweep.status != "running" and sweep.started_s < before_s:
            yield sweep


def _forgotten(root: Path, sweep: Sweep) -> str:
    tracked = sweep.tracking.get("kind") != "none"
    if tracked:
        tracker = open_tracker(recalled(sweep, None), root)
        results = load_sweep(sweep.directory)[1]
        folders = [sweep.directory, *(result.directory for result in results)]
        if not all(is_delivered(folder, tracker.where) for folder in folders):
            return f"the night {sweep.id} stays: its tracker has not got all of it ('sync' delivers it)"
        tracker.forget(sweep)
    shutil.rmtree(sweep.directory)
    log.info("the night %s was removed", sweep.id)
    return ""


def must_be_there(root: Path, pinned: str | None) -> str | None:
    """The id of the night that is the baseline. Raises ConfigError where there is none of that name."""
    if pinned is None:
        return None
    try:
        sweep, _ = load_sweep(find_sweep(root, pinned))
    except ConfigError as error:
        raise ConfigError(f"gate.pinned={pinned}: {error.message}", hint=error.hint) from error
    if not sweep.night:
        raise ConfigError(
            f"gate.pinned={pinned}: {sweep.id} was no night, so that its cells have no history",
            hint="pin a sweep that was run with night.enabled=true",
        )
    return sweep.id
