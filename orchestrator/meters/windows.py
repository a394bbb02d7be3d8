"""Whether the windows of a scenario are long enough for the instrument beside a board; known before it is asked."""

from __future__ import annotations

import math

from orchestrator.cell import Settings
from orchestrator.device import Meter
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


def shortest_s(meter: Meter) -> float:
    """Seconds of a window, for a meter as the inventory has it; a rate that only the readings will tell is taken as
    high enough."""
    rate_hz = meter.rate_hz or usual.RATES_HZ.get(meter.kind, math.inf)
    return shortest_window_s(usual.limits(meter), rate_hz)
