"""The records of a cell that is under way, on the controller's disk, turn by turn; also for who goes on with it."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from orchestrator.cell import Cell
from orchestrator.energy import MeterReadings
from orchestrator.result import write_json
from orchestrator.session import Outcome
from remote import contract

log = logging.getLogger(__name__)

PARTS = "turns"
"""Folder of the records of a cell that is not through; of one that had to begin again, they stay there."""
VERSION = 1


def keep_part(cell: Cell, board: str, run_id: str, outcome: Outcome) -> None:
    """The raw record of some processes of a cell, until all are there. Raises OSError."""
    about = {"version": VERSION, "board": board, "runtime": outcome.runtime, "environment": outcome.environment}
    meter = outcome.meter.to_json() if outcome.meter is not None else None
    write_json(_path(cell, run_id), about | {"meter": meter, "log": outcome.log, "record": outcome.record})


def kept_parts(cell: Cell, board: str, artifact: str) -> list[Outcome]:
    """What is there of a cell that this board measured with this artifact (its sha256): each process once, in order.

    Records of a board, an artifact or a contract that is another are none of the cell as it is now; they stay where
    they are.
    """
    found = [part for path in sorted((cell.directory / PARTS).glob("*.json")) if (part := _read(path, board, artifact))]
    parts: list[Outcome] = []
    done = 0
    for part in sorted(found, key=lambda part: (_numbers(part)[:1], -len(_numbers(part)))):
        if _numbers(part)[:1] == [done + 1]:
            parts.append(part)
            done += len(_numbers(part))
    return parts


def knows_part(cell: Cell, run_id: str) -> bool:
    """Whether the record of this job is here already."""
    return _path(cell, run_id).is_file()


def forget_parts(cell: Cell, run_ids: Sequence[str]) -> None:
    """What the cell's record holds is not kept twice."""
    with contextlib.suppress(OSError):
        for run_id in run_ids:
            _path(cell, run_id).unlink(missing_ok=True)
        (cell.directory / PARTS).rmdir()


def _path(cell: Cell, run_id: str) -> Path:
    return cell.directory / PARTS / f"{run_id}.json"


def _numbers(part: Outcome) -> list[int]:
    return [int(process["number"]) for process in part.record["processes"]]


def _read(path: Path, board: str, artifact: str) -> Outcome | None:
    try:
        stored: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        record = contract.parse_record(json.dumps(stored["record"]).encode())
        if stored["board"] != board or record["artifact_sha256"] != artifact or record["error"] is not None:
            return None
        meter = MeterReadings.from_json(stored["meter"]) if stored["meter"] else None
        return Outcome(record, str(stored["log"]), str(stored["runtime"]), stored["environment"], meter)
    except (OSError, ValueError, KeyError, TypeError, RecursionError, contract.ContractError) as error:
        log.warning("left out: %s: %s: %s", path, type(error).__name__, error)
        return None
