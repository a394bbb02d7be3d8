"""The checks of a board by their names, in the order in which they are made and told."""

from __future__ import annotations

from orchestrator.checkup.check import GOLDEN
from orchestrator.device import Board
from orchestrator.session.tuning import wanted

SSH, HOST_KEY, PYTHON, FOLDER, MEMORY = "ssh", "host key", "python", "work folder", "memory"
CLOCK, TEMPERATURE, GOVERNOR, THROTTLING, SUPPLY = "clock", "temperature", "governor", "throttling", "power supply"
SENSORS, METER, HOLD, SETTINGS = "sensors", "meter", "hold", "settings"
RUNTIME, DELEGATE = "runtime", "delegate"

TOLD_BY_STATE = (CLOCK, TEMPERATURE, GOVERNOR, THROTTLING, SUPPLY)
"""Those that the verb ``state`` of the board's program answers."""


def names_of(board: Board, golden: bool) -> list[str]:
    """``golden``: whether a benchmark is to be run."""
    looks = [SSH, HOST_KEY, PYTHON, FOLDER, MEMORY, *TOLD_BY_STATE, SENSORS]
    looks += [METER] if board.meter is not None else []
    looks += [HOLD]
    looks += [SETTINGS] if golden and wanted(board.device) is not None else []
    looks += [RUNTIME]
    looks += [DELEGATE] if golden else []
    looks += [accelerator(name) for name in dict.fromkeys(board.device.accelerators)]
    return [*looks, GOLDEN] if golden else looks


def accelerator(name: str) -> str:
    """The check of one accelerator that the inventory declares."""
    return f"accelerator {name}"
