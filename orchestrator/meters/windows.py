"""Whether windows and idle spans of a scenario are long enough for the instrument beside a board; known beforehand."""

from __future__ import annotations

import math
from dataclasses import replace

from orchestrator.cell import Settings
from orchestrator.device import Meter
from orchestrator.energy.limits import Limits
from orchestrator.energy.meter import MeterReadings
from orchestrator.energy.reading import LONGEST_INTERVAL, shortest_window_s
from orchestrator.meters import usual
from orchestrator.meters.poll import most_doubt_s

FEWEST_IDLE = 2
"""Readings of an idle span, of which its mean is made."""


def metered(settings: Settings) -> bool:
    """Whether the meter makes an energy pass certain."""
    return settings.device.meter.kind != "none" and needed_s(settings) is None


def needed_s(settings: Settings) -> float | None:
    """How long windows would have to be, where a meter is configured and they are too short for it; None elsewhere."""
    meter, window_s = settings.device.meter, settings.scenario.energy_s
    if meter.kind == "none" or window_s <= 0:
        return None
    least_s = shortest_s(meter)
    return least_s if window_s < least_s else None


def idle_needed_s(settings: Settings) -> float | None:
    """How long idle spans would have to be for a net energy, where they are too short for the meter and the windows are
    not; None elsewhere."""
    idle_s = settings.scenario.idle_s
    if idle_s <= 0 or settings.scenario.energy_s <= 0 or not metered(settings):
        return None
    limits, rate_hz = _as_read(settings.device.meter, None)
    least_s = limits.lag_s + FEWEST_IDLE * LONGEST_INTERVAL / rate_hz
    return least_s if idle_s < least_s else None


def shortest_s(meter: Meter, found: MeterReadings | None = None) -> float:
    """Seconds of a window, for a meter as the inventory has it. A rate that only the readings will tell is that of what
    was ``found``, and high enough before."""
    limits, rate_hz = _as_read(meter, found)
    return shortest_window_s(limits, rate_hz)


def _as_read(meter: Meter, found: MeterReadings | None) -> tuple[Limits, float]:
    """Limits and nominal rate as the readings may have them at the worst: half of the slowest request adds to the lag
    of a polled one."""
    rate_hz = meter.rate_hz or usual.RATES_HZ.get(meter.kind) or (found.rate_hz if found else math.inf)
    limits = found.limits if found and meter.kind == "host" else usual.limits(meter)  # it tells which sensor it is
    if meter.kind in usual.RATES_HZ:
        limits = replace(limits, lag_s=limits.lag_s + most_doubt_s(rate_hz, limits.lag_s))
    return limits, rate_hz
