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


def kept_parts(cell: Cell, board: str, artifact: str, boot_id: str | None) -> list[Outcome]:
    """What is there of a cell that this board measured with this artifact (its sha256): each process once, in order,
    all under one boot with one runtime.

    Of several boots the one in which all processes ran, else the present one (``boot_id``): the others cannot be gone
    on with. Records of another board, artifact or contract are none of the cell as it is now. All stay where they are.
    """
    found = [part for path in sorted((cell.directory / PARTS).glob("*.json")) if (part := _read(path, board, artifact))]
    chains = [_chain([part for part in found if part.record["boot_id"] == boot]) for boot in _boots(found)]
    whole = [chain for chain in chains if sum(map(count, chain)) >= cell.settings.scenario.processes]
    present = [chain for chain in chains if chain and chain[0].record["boot_id"] == boot_id]
    return next(iter([*whole, *present]), [])


def _boots(parts: Sequence[Outcome]) -> list[str]:
    return list(dict.fromkeys(part.record["boot_id"] for part in parts))


def _chain(parts: Sequence[Outcome]) -> list[Outcome]:
    """From process 1 on without a gap, with the runtime of the first."""
    chain: list[Outcome] = []
    done = 0
    for part in sorted(parts, key=lambda part: (numbers(part)[:1], -count(part))):
        if numbers(part)[:1] == [done + 1] and (not chain or same_runtime(part.record, chain[0].record)):
            chain.append(part)
            done += count(part)
    return chain


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


def numbers(part: Outcome) -> list[int]:
    """Of its processes, within the cell."""
    return [int(process["number"]) for process in part.record["processes"]]


def count(part: Outcome) -> int:
    """Of its processes."""
    return len(part.record["processes"])


def same_runtime(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two records are of the same runtime; an engine is built in the first turn and there in the others."""
    ours, its = (record.get("runtime") or {} for record in (one, other))
    return all(ours.get(key) == its.get(key) for key in {*ours, *its} - {"engine"})


def _read(path: Path, board: str, artifact: str) -> Outcome | None:
    try:
        stored: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        record = contract.parse_record(json.dumps(stored["record"]).encode())
        if stored["board"] != board or record["artifact_sha256"] != artifact or record["error"] is not None:
            return None
        meter = MeterReadings.from_json(stored["meter"]) if stored["meter"] else None
        return Outcome(record, str(stored["log"]), str(stored["runtime"]), stored["environment"], meter)
    except (
        OSError,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        ArithmeticError,
        RecursionError,
        contract.ContractError,
    ) as error:
        log.warning("left out: %s: %s: %s", path, type(error).__name__, error)
        return None
