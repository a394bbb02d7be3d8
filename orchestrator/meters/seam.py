"""What every instrument beside a board can do, and what it says."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from orchestrator.energy.limits import Limits
from orchestrator.errors import MeterError

HIGHEST_W = 2000.0
"""As the watts of the inventory: no board of this project draws more, so a larger reading is a wrong unit."""


def _wait(stop: threading.Event, seconds: float) -> None:
    stop.wait(max(0.0, seconds))


@dataclass(frozen=True, slots=True)
class Clocks:
    """Time as meters see it; tests bring their own."""

    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    wait: Callable[[threading.Event, float], None] = _wait  # at most so many seconds, or until it is set


CLOCKS = Clocks()


@dataclass(frozen=True, slots=True)
class Instrument:
    """What answered. ``rate_hz`` is the nominal one; None: only its readings will tell."""

    source: str  # such as 'shelly:plug1 (SNPL-00112EU)'
    scope: str
    rate_hz: float | None
    limits: Limits
    details: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reading:
    """W at a time on this machine's CLOCK_MONOTONIC; ``doubt_s``: half of the time that the request took."""

    t_s: float
    watts: float
    doubt_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Missed:
    """A reading that gave no value, and why."""

    why: str


@dataclass(frozen=True, slots=True)
class Ended:
    """What is known only afterwards: ``invalid`` says why none of the readings counts; the rest is how far the clock
    that they came with may be from this machine's."""

    invalid: str | None = None
    clock_bound_s: float = 0.0
    clock_drift_s: float = 0.0


class Meter(Protocol):
    """An instrument; used by one thread, and opened again after a MeterError or :meth:`close`."""

    def open(self) -> Instrument:
        """Find out what it is, with a real answer of it. Raises MeterError."""
        ...

    def readings(self, stop: threading.Event) -> Iterator[Reading | Missed]:
        """Until ``stop`` is set. Raises MeterError where there will be no more."""
        ...

    def ended(self) -> Ended:
        """After the readings have ended."""
        ...

    def close(self) -> None:
        """Leaves no connection and no process behind; never raises."""
        ...


def plausible(watts: float) -> float:
    """Raises MeterError for what no running board draws."""
    if not math.isfinite(watts):
        raise MeterError("it answered with no number")
    if watts < 0:
        raise MeterError(f"it read {watts:g} W: are its leads, or its shunt, the wrong way round?")
    if watts == 0:
        raise MeterError("it read 0 W: is the board on this outlet (device.meter.channel), and running?")
    if watts > HIGHEST_W:
        raise MeterError(f"it read {watts:g} W, more than any board draws: W are needed, not mW")
    return watts
