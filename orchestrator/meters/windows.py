"""Whether the windows of a scenario are long enough for the instrument beside a board; known before it is asked."""

from __future__ import annotations

import math

from orchestrator.cell import Settings
from orchestrator.device import Meter
from orchestrator.energy.meter import MeterReadings
from orchestrator.energy.reading import shortest_window_s
from orchestrator.meters import usual


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


def shortest_s(meter: Meter, found: MeterReadings | None = None) -> float:
    """Seconds of a window, for a meter as the inventory has it. A rate that only the readings will tell is that of what
    was ``found``, and high enough before."""
    rate_hz = meter.rate_hz or usual.RATES_HZ.get(meter.kind) or (found.rate_hz if found else math.inf)
    limits = found.limits if found and meter.kind == "host" else usual.limits(meter)  # it tells which sensor it is
    return shortest_window_s(limits, rate_hz)
