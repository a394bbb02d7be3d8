"""How far another machine's CLOCK_MONOTONIC is ahead of ours, by round trips."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from orchestrator.energy.meter import ClockOffset

ROUND_TRIPS = 20


@dataclass(frozen=True, slots=True)
class Sight:
    """One look at the other clock: ``offset_s`` is wrong by ``bound_s`` at the most."""

    offset_s: float
    bound_s: float
    round_trips: int


def sight(
    ask: Callable[[], float], clock: Callable[[], float] = time.monotonic, round_trips: int = ROUND_TRIPS
) -> Sight:
    """The shortest of some round trips: the other clock was read at some time within it, so its middle is off by half
    of it at the most, however unlike the ways there and back are."""
    trips = []
    for _ in range(round_trips):
        before = clock()
        theirs = ask()
        after = clock()
        trips.append((after - before, theirs - (before + after) / 2))
    took_s, offset_s = min(trips)
    return Sight(offset_s, took_s / 2, round_trips)


def offset(before: Sight, after: Sight, bound_s: float = 0.0, drift_s: float = 0.0) -> ClockOffset:
    """From a look before and one after; ``bound_s`` and ``drift_s`` of a third clock in between come on top."""
    return ClockOffset(
        offset_s=(before.offset_s + after.offset_s) / 2,
        bound_s=max(before.bound_s, after.bound_s) + bound_s,
        drift_s=abs(after.offset_s - before.offset_s) + abs(drift_s),
        round_trips=before.round_trips + after.round_trips,
    )
