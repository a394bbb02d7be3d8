"""Asking an instrument again and again."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator

from orchestrator.errors import MeterError
from orchestrator.meters.seam import Clocks, Missed, Reading, plausible

DOUBT, SMALL_DOUBT_S, DOUBT_OF_LAG = 0.1, 0.050, 0.25
"""A reading is of some time within its request. Half of that: a share of the nominal interval at the most, or so many
seconds, as the clocks of a meter and a board may be apart in any case, or a share of the lag that is allowed for."""


def most_doubt_s(rate_hz: float, lag_s: float) -> float:
    """Half of the longest request that is a reading."""
    return max(DOUBT / rate_hz, SMALL_DOUBT_S, DOUBT_OF_LAG * lag_s)


def poll(
    ask: Callable[[], float], rate_hz: float, lag_s: float, stop: threading.Event, clocks: Clocks
) -> Iterator[Reading | Missed]:
    """Readings at intervals drawn from 0.5 to 1.5 of the nominal: a fixed rate that beats with the inferences can be
    off by half, however long the window. A reading is of the middle of its request; a slow answer is none, since nobody
    can say when it was read, and half of the slowest one counts as lag of them all.
    """
    longest_s = 2 * most_doubt_s(rate_hz, lag_s)
    draw = random.Random()
    while not stop.is_set():
        before = clocks.monotonic()
        try:
            watts = plausible(ask())
        except MeterError as error:
            yield Missed(error.message)
        else:
            took_s = clocks.monotonic() - before
            if took_s > longest_s:
                yield Missed(
                    f"it answered after {took_s:.3g} s; at {rate_hz:g} Hz (device.meter.rate_hz) and a lag of "
                    f"{lag_s:g} s (device.meter.lag_s) no reading may take longer than {longest_s:.2g} s"
                )
            else:
                yield Reading(before + took_s / 2, watts, took_s / 2)
        due_s = before + draw.uniform(0.5, 1.5) / rate_hz
        clocks.wait(stop, due_s - clocks.monotonic())
