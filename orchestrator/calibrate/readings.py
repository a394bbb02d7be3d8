"""What a stored sweep says about one board: the mean powers of a meter and of the board's own sensors at each load."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.config.stored import CONFIG_FILE, read
from orchestrator.device import Board, Device, PowerProfile, PowerRange
from orchestrator.energy import MeterReadings
from orchestrator.energy.levels import Level, Point, level
from orchestrator.energy.meter import METER_FILE
from orchestrator.errors import ConfigError, MeasurementError
from orchestrator.result import DONE, Result, Sweep, load_sweep
from orchestrator.verdict import INVALID
from orchestrator.words import labels

PAGE = "docs/energy.md#calibrate-your-own-board"


@dataclass(frozen=True, slots=True)
class Readings:
    """Everything that a sweep says about one board."""

    sweep: Sweep
    device: Device
    board: Board
    meter: MeterReadings
    points: tuple[Point, ...]
    left_out: Mapping[str, str]  # cells, and why
    unusable: Mapping[str, str]  # readers of sensors, and why
    doubted: Mapping[str, str]  # cells that were used all the same, and what speaks against them


def readings(directory: Path) -> Readings:
    """The points of a stored sweep.

    Raises:
        ConfigError: it is of several boards, or no meter was beside them.
        MeasurementError: no cell of it can be used.
    """
    sweep, results = load_sweep(directory)
    done = [one for one in results if one.status == DONE and one.directory is not None]
    if len(boards := sorted({f"{one.axes['device']} ({one.board})" for one in done})) > 1:
        raise ConfigError(f"sweep {sweep.id} is of several boards: {', '.join(boards)}", hint="calibrate one by one")
    if not done:
        raise MeasurementError(f"no cell of sweep {sweep.id} has a result", hint="its report says why")
    device, board = board_of(done[0])
    names = labels({one.number: one.axes for one in done})
    points: list[Point] = []
    left_out: dict[str, str] = {}
    unusable: dict[str, str] = {}
    doubted: dict[str, str] = {}
    meters = []
    for one in done:
        meter = meter_of(one)
        name = names[one.number]
        found = level_of(name, one, meter, device)
        if isinstance(found, Level) and meter is not None:
            meters.append(meter)
            points += found.points
            unusable |= {reader: f"{why} ({name})" for reader, why in found.unusable.items()}
            if doubts := [*found.doubts, *doubts_of(one)]:
                doubted[name] = "; ".join(doubts)
        else:
            left_out[name] = str(found)
    if not meters:
        raise MeasurementError(
            f"nothing to fit in sweep {sweep.id}: {'; '.join(f'{name}: {why}' for name, why in left_out.items())}",
            hint=f"see {PAGE}",
        )
    return Readings(sweep, device, board, meters[0], tuple(points), left_out, unusable, doubted)


def board_of(result: Result) -> tuple[Device, Board]:
    """The device as it was configured, and the host that it was; only what a calibration needs to know of them."""
    path = folder_of(result) / CONFIG_FILE
    stored = read(path)["device"]
    powers = {host: profile_of(one) for host, one in (stored.get("powers") or {}).items()}
    power = profile_of(stored.get("power") or {})
    device = Device(stored["name"], list(stored["hosts"]), cores=stored.get("cores"), power=power, powers=powers)
    found = [board for board in (Board(device, host) for host in device.hosts) if board.name == result.board]
    if not found:
        raise MeasurementError(f"{path} does not name the board {result.board}", hint="it was changed by hand")
    return device, found[0]


def profile_of(stored: Mapping[str, Any]) -> PowerProfile:
    idle, load = (PowerRange(**stored[end]) if stored.get(end) else None for end in ("idle", "load"))
    return PowerProfile(idle, load, stored.get("scope", "board_dc_in"), stored.get("source", ""))


def meter_of(result: Result) -> MeterReadings | None:
    path = folder_of(result) / METER_FILE
    return MeterReadings.from_json(load(path)) if path.is_file() else None


def level_of(name: str, result: Result, meter: MeterReadings | None, device: Device) -> Level | str:
    if result.measurement and result.measurement.verdict.level == INVALID:
        return f"it is invalid: {'; '.join(result.measurement.verdict.reasons)}"
    cores = cores_of(result, device)
    if cores is None:
        return "the number of cores of the board is not known (device.cores)"
    record = load(folder_of(result) / "record.json")
    return level(name, record["energy"], meter, cores, record["state"]["samples"])


def doubts_of(result: Result) -> list[str]:
    """Why the cell, or its energy, is suspect. What makes its power another one than the model's is refused before."""
    if result.measurement is None:
        return []
    energy = result.measurement.tags.get("energy.verdict.reasons")
    return [*result.measurement.verdict.reasons, *([energy] if energy else [])]


def cores_of(result: Result, device: Device) -> int | None:
    """What the board says, else what the inventory does."""
    said = result.measurement.tags.get("board.cores", "") if result.measurement else ""
    return int(said) if said.isdecimal() else device.cores


def folder_of(result: Result) -> Path:
    if result.directory is None:
        raise MeasurementError(f"{result.cell_id} is nowhere on this disk")
    return result.directory


def load(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise MeasurementError(f"{path} cannot be read: {error}", hint="calibrate anew") from error
