"""From what a session brought home, or from what went wrong, to the cell's result."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import json
import time
import traceback
from dataclasses import replace
from typing import Any

from orchestrator.artifact import Artifact
from orchestrator.cell import Cell
from orchestrator.declared import mismatches
from orchestrator.device import Board
from orchestrator.energy.meter import METER_FILE
from orchestrator.errors import BenchmarkFailed, OrchestratorError
from orchestrator.measurement import Measurement, measure
from orchestrator.provisioning import Facts
from orchestrator.result import DONE, FAILED, INTERRUPTED, NOT_RUN, SKIPPED, Failure, Result, Sweep
from orchestrator.samples import keep_samples
from orchestrator.session.following import Outcome

RECORD_FILE, LOG_FILE, MANIFEST_FILE = "record.json", "log.txt", "manifest.json"


def finished(
    sweep: Sweep,
    cell: Cell,
    board: Board,
    facts: Facts | None,
    artifact: Artifact,
    outcome: Outcome,
    started_s: float,
    busy_s: float,
) -> Result:
    """The record on disk first, then what it comes to. ``busy_s``: what it took of the board's time.

    Raises:
        BenchmarkFailed: the record says that the benchmark failed.
        MeasurementError: the record holds nothing to measure.
    """
    keep(cell, outcome, artifact)
    error = outcome.record.get("error")
    if error is not None:
        raise BenchmarkFailed(
            f"{error['message']} (in phase '{error['phase']}')", kind=error["type"], trace=error["traceback"] or ""
        )
    known = {**(dataclasses.asdict(facts) if facts else {}), "tags": " ".join(board.tags)}
    cores = facts.cores if facts else cell.settings.device.cores
    measurement = measure(
        outcome.record,
        manifest=artifact.manifest,
        power=board.power,
        cores=cores,
        facts=known,
        mismatches=mismatches(board.device, known),
        scenario=cell.settings.scenario,
        batch_size=cell.settings.batch_size,
        axes=cell.axes if cell.settings.model.kind == "keras_application" else None,  # a file may be called anything
        meter=outcome.meter,
        calibrations=board.calibrations,
        evaluation=artifact.evaluation,
    )
    measurement.tags["artifact.key"] = artifact.key
    if outcome.environment is not None:
        measurement.tags["runtime.environment"] = outcome.environment
    return result(
        sweep,
        cell,
        DONE,
        started_s,
        board=board,
        measurement=measurement,
        runtime=outcome.runtime,
        busy_s=round(busy_s, 3),
        warnings=keep_samples(cell.directory, outcome.record),
    )


def keep(cell: Cell, outcome: Outcome, artifact: Artifact) -> None:
    """The raw record, the board's log and the artifact's manifest, beside the result that is made of them."""
    cell.directory.mkdir(parents=True, exist_ok=True)
    (cell.directory / RECORD_FILE).write_text(json.dumps(outcome.record, allow_nan=False))
    if outcome.meter is not None:
        (cell.directory / METER_FILE).write_text(json.dumps(outcome.meter.to_json(), allow_nan=False))
    (cell.directory / LOG_FILE).write_text(outcome.log, encoding="utf-8", errors="backslashreplace")
    manifest = {"key": artifact.key, "sha256": artifact.sha256, **artifact.manifest}
    (cell.directory / MANIFEST_FILE).write_text(json.dumps(manifest, indent=1))


def failed(sweep: Sweep, cell: Cell, board: Board | None, error: Exception, started_s: float) -> Result:
    """A cell without a number: its traceback goes to the cell's log, its message to people."""
    trace = "".join(traceback.format_exception(error))
    path = cell.directory / LOG_FILE
    board_words = f"{error.trace}\n" if isinstance(error, BenchmarkFailed) and error.trace else ""
    with contextlib.suppress(OSError):  # a full disk must not hide what went wrong
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(f"\n{board_words}--- on the controller ---\n{trace}")
    here = False  # whether it is this machine's fault
    if isinstance(error, OSError):
        error = OrchestratorError(
            f"this machine cannot write the cell's files: {error}", hint="make room; the record waits on the board"
        )
        here = True
    if isinstance(error, OrchestratorError):
        # A copy: the cells of one lost board share the error, and each has a log of its own.
        failure = Failure.of(copy.copy(error).located(cell=cell.id, log=str(path)))
        failure = replace(failure, infrastructure=failure.infrastructure or here)
    else:
        words = f"a bug of the orchestrator: {error}"
        failure = Failure(type(error).__name__, words, log=str(path), traceback=trace, infrastructure=True)
    return result(sweep, cell, FAILED, started_s, board=board, error=failure)


def skipped(sweep: Sweep, cell: Cell, board: Board | None, reason: str) -> Result:
    """An impossible combination, with its reason."""
    return result(sweep, cell, SKIPPED, time.time(), board=board, reason=reason)


def interrupted(sweep: Sweep, cell: Cell, board: Board | None, reason: str, started_s: float) -> Result:
    """A cell that the end of the sweep overtook."""
    return result(sweep, cell, INTERRUPTED, started_s, board=board, reason=reason)


def not_run(sweep: Sweep, cell: Cell, reason: str) -> Result:
    """A cell that was not begun, since it would not have ended within the budget of the sweep."""
    return result(sweep, cell, NOT_RUN, time.time(), board=None, reason=reason)


def result(
    sweep: Sweep,
    cell: Cell,
    status: str,
    started_s: float,
    *,
    board: Board | None,
    runtime: str | None = None,
    measurement: Measurement | None = None,
    **known: Any,
) -> Result:
    """A result with the cell's own words; the runtime is the one the board got, not 'auto'."""
    axes = cell.axes | ({"runtime": cell.settings.runtime.called(runtime)} if runtime else {})
    if cell.extras:  # no number without its conditions: 'quick' with another window is not 'quick'
        axes["scenario"] = f"{axes['scenario']} ({', '.join(cell.extras)})"
    return Result(
        number=cell.number,
        sweep_id=sweep.id,
        cell_id=cell.id,
        status=status,
        axes=axes,
        started_s=started_s,
        ended_s=time.time(),
        board=board.name if board else None,
        measurement=measurement,
        directory=cell.directory,
        **known,
    )
