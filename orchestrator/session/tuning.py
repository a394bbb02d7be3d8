"""What a device asks of its board's settings, and what became of it, in words."""

from __future__ import annotations

from typing import Any

from orchestrator.device import Device
from orchestrator.errors import BoardError
from orchestrator.measurement.state import not_as_asked
from orchestrator.plain import plain
from remote import contract

TUNE_S = 180.0
"""Patience for all settings together: nvpmodel and jetson_clocks take some seconds each."""
RELEASE_S = 60.0
"""And for putting them back."""


def wanted(device: Device) -> dict[str, Any] | None:
    """The settings as the board is asked for them; None where nothing is to be changed."""
    tune = device.tune
    settings = {
        "governor": tune.governor,
        "cpu_mhz": tune.cpu_mhz,
        "power_mode": tune.power_mode,
        "jetson_clocks": tune.jetson_clocks,
        "fan": tune.fan,
    }
    asked = any(value is not None and value is not False for value in settings.values())
    return {**settings, "cpus": device.cpus} if asked else None


def troubles(answer: dict[str, Any]) -> list[str]:
    """What is not as it was asked for. Raises BoardError where the answer is none."""
    try:
        outcomes = contract.check_tuning(answer.get("tuning"))
    except contract.ContractError as error:
        raise BoardError(f"the board's answer about its settings makes no sense: {error}") from error
    return [plain(not_as_asked(outcome)) for outcome in outcomes if outcome["reason"] is not None]


def left_behind(answer: dict[str, Any]) -> list[str]:
    """What the board says is not as it was before a session, from an answer that is not trusted."""
    left = answer.get("left")
    return [plain(words)[:500] for words in left[:20] if isinstance(words, str)] if isinstance(left, list) else []
