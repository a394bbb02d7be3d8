"""Finds one stored cell by what people call it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import ConfigError
from orchestrator.result import DONE, RESULT_FILE, SWEEP_FILE, Result, Sweep, find_sweep, load_sweep, stored_sweeps
from orchestrator.tracking.writer import DELIVERED_FILE

RUN_ID_LEAST = 8
"""Characters of an MLflow run id that are taken for one."""


@dataclass(frozen=True, slots=True)
class StoredCell:
    """A result on the disk, the sweep it belongs to, and the MLflow run it was delivered as, if it was."""

    sweep: Sweep
    result: Result
    folder: Path
    run_id: str | None

    @property
    def name(self) -> str:
        """As it can be called again."""
        return f"{self.sweep.id}:{self.result.number}"


def find_cell(root: Path, name: str) -> StoredCell:
    """The stored cell called ``last`` or SWEEP (with one cell), SWEEP:NUMBER, the path of its folder, or its run id.

    Raises:
        ConfigError: there is no such cell, or it is not clear which, or it has no result.
        MeasurementError: its files cannot be read.
    """
    cell = _called(root, name)
    if cell.result.status != DONE:
        raise ConfigError(
            f"{cell.name} ({cell.result.short}) has no result to compare with: "
            f"{cell.result.status}: {cell.result.why or 'no reason is stored'}",
            hint="resolve that, and run it as a cell of its own",
        )
    return cell


def _called(root: Path, name: str) -> StoredCell:
    for path in (Path(name), root / name):
        if (path / RESULT_FILE).is_file():
            return _in(path.resolve())
    sweep, colon, number = name.rpartition(":")
    if colon and number.isdecimal():
        return _numbered(find_sweep(root, sweep), int(number))
    if name != "last" and (found := _delivered_as(root, name)):
        return _in(found)
    try:
        return _numbered(find_sweep(root, name), None)
    except ConfigError as error:
        if name == "last" or "there is no sweep" not in error.message:
            raise
        hint = "SWEEP:NUMBER, a cell's folder, or the id of a run that was delivered from here"
        raise ConfigError(f"no stored cell under {root} is called {name!r}", hint=hint) from error


def _in(folder: Path) -> StoredCell:
    """The cell whose files lie in ``folder``, which lies in its sweep's."""
    if not (folder.parent / SWEEP_FILE).is_file():
        raise ConfigError(f"{folder} lies in no sweep", hint=f"{folder.parent} has no {SWEEP_FILE}")
    sweep, results = load_sweep(folder.parent)
    result = next(result for result in results if result.directory == folder)
    return StoredCell(sweep, result, folder, _run_id(folder))


def _numbered(directory: Path, number: int | None) -> StoredCell:
    sweep, results = load_sweep(directory)
    chosen = [result for result in results if number is None or result.number == number]
    if len(chosen) != 1 or chosen[0].directory is None:
        there = ", ".join(f"{sweep.id}:{r.number} {r.short}" for r in results[:8]) or "none"
        more = f" and {len(results) - 8} more" if len(results) > 8 else ""
        wrong = f"has no cell {number}" if number is not None else f"has {len(results)} cells"
        raise ConfigError(f"sweep {sweep.id} {wrong}", hint=f"which one: {there}{more}")
    return StoredCell(sweep, chosen[0], chosen[0].directory, _run_id(chosen[0].directory))


def _delivered_as(root: Path, run_id: str) -> Path | None:
    """The folder of the cell that was delivered as this run (or the start of its id); None for anything else.

    Raises ConfigError where several runs start so, and where it is the run of a whole sweep.
    """
    if len(run_id) < RUN_ID_LEAST or not all(c in "0123456789abcdef" for c in run_id):
        return None
    found = {
        identity: file.parent
        for directory in stored_sweeps(root)
        for file in [*directory.glob(f"*/{DELIVERED_FILE}"), directory / DELIVERED_FILE]
        if (identity := _run_id(file.parent)) is not None and identity.startswith(run_id)
    }
    if len(found) > 1:
        raise ConfigError(f"{len(found)} runs start with {run_id!r}", hint="write more of the id")
    folder = next(iter(found.values()), None)
    if folder is not None and (folder / SWEEP_FILE).is_file():
        raise ConfigError(f"run {run_id} is that of a whole sweep", hint=f"choose a cell of it: {folder.name}:0")
    return folder


def _run_id(folder: Path) -> str | None:
    try:
        marker = json.loads((folder / DELIVERED_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return str(marker["run_id"]) if isinstance(marker, dict) and marker.get("run_id") else None
