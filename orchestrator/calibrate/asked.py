"""Which sweep measures a board for its calibration: levels of load, and windows that the meter can follow."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import replace

from orchestrator.calibrate.readings import PAGE
from orchestrator.config import composed_settings
from orchestrator.device import Board, Device, Meter
from orchestrator.energy.reading import shortest_window_s
from orchestrator.errors import ConfigError
from orchestrator.meters import usual
from orchestrator.meters.poll import most_doubt_s

PRESET, SCENARIO = "calibrate", "calibration"
THREADS = (1, 2, 4)
"""Levels of load where the board's cores are not known."""
SLACK = 1.1
"""What a meter trails by is more than it is said to: the time of a request comes to it, and what the readings show."""


def asked(overrides: Sequence[str]) -> list[str]:
    """The sweep's command line: levels of load for this board, windows that its meter can follow.

    Raises ConfigError where there is no single board, or no meter beside it.
    """
    board = board_of(overrides)
    meter = board.meter
    if meter is None:
        raise ConfigError(
            f"{board.device.name} has no meter, and only a meter beside the board can tell what its own sensor leaves "
            "out",
            hint=f"device.meter.kind=shelly device.meter.address=HOST, for instance; see {PAGE}",
        )
    keys = [key_of(word) for word in overrides]
    words = ["-m", f"+experiment={PRESET}"]
    if "threads" not in keys:
        words.append(f"threads={','.join(map(str, levels_of(board.device)))}")
    scenario, least_s = composed_settings([f"scenario={SCENARIO}"]).scenario, span_for(meter)
    for key in ("energy_s", "idle_s"):
        if f"scenario.{key}" not in keys and least_s > getattr(scenario, key):
            words.append(f"scenario.{key}={least_s}")
    return [*words, *overrides]


def board_of(overrides: Sequence[str]) -> Board:
    """The one board that these words are about.

    Raises ConfigError where there is none, or more than one.
    """
    if "device" not in map(key_of, overrides):
        raise ConfigError("which board?", hint="calibrate device=NAME, or calibrate SWEEP for a stored one")
    device = composed_settings([word for word in overrides if key_of(word).partition(".")[0] == "device"]).device
    if len(device.boards) != 1:
        names = ", ".join(device.hosts)
        raise ConfigError(
            f"{device.name} is a pool ({names}), and the meter is beside one board",
            hint=f"'device.hosts=[{device.hosts[0]}]' names it",
        )
    return device.boards[0]


def key_of(override: str) -> str:
    return override.lstrip("+").partition("=")[0]


def span_for(meter: Meter) -> int:
    """Seconds of a window, and of idle, that this meter can follow."""
    limits, rate_hz = usual.limits(meter), meter.rate_hz or usual.RATES_HZ.get(meter.kind, 1.0)
    polled_s = most_doubt_s(rate_hz, limits.lag_s) if meter.kind in usual.RATES_HZ else 0.0
    trails_s = SLACK * (limits.lag_s + max(0.5 / rate_hz, polled_s))
    return math.ceil(shortest_window_s(replace(limits, lag_s=trails_s), rate_hz))


def levels_of(device: Device) -> list[int]:
    """Threads: one, a quarter, half and all of the cores."""
    cores = device.cores or (os.cpu_count() if device.is_local else None)
    if cores is None:  # the board's own word comes too late for a plan
        return list(THREADS)
    most = len(device.cpus) or cores
    return sorted({1, max(1, most // 4), max(1, most // 2), most})
