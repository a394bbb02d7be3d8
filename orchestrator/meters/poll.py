"""Asking an instrument again and again."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator

from orchestrator.errors import MeterError
from orchestrator.meters.seam import Clocks, Missed, Reading, plausible


def poll(ask: Callable[[], float], rate_hz: float, stop: threading.Event, clocks: Clocks) -> Iterator[Reading | Missed]:
    """Readings at intervals drawn from 0.5 to 1.5 of the nominal: a fixed rate that beats with the inferences can be
    off by half, however long the window. A reading is of the middle of its request; an answer slower than the nominal
    interval is none, since nobody can say when it was read.
    """
    draw = random.Random()
    while not stop.is_set():
        before = clocks.monotonic()
        try:
            watts = plausible(ask())
        except MeterError as error:
            yield Missed(error.message)
        else:
            took_s = clocks.monotonic() - before
            if took_s > 1.0 / rate_hz:
                yield Missed(f"it answered after {took_s:.2g} s, at a rate of {rate_hz:g} Hz (device.meter.rate_hz)")
            else:
                yield Reading(before + took_s / 2, watts, took_s / 2)
        due_s = before + draw.uniform(0.5, 1.5) / rate_hz
        clocks.wait(stop, due_s - clocks.monotonic())
