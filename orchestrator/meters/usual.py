"""What is usual for each kind of meter, where the inventory does not say otherwise."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.device import Meter
from orchestrator.energy.limits import LIMITS, UNKNOWN, Limits
from orchestrator.errors import MeterError

SCOPES = {"shelly": "wall_ac", "tasmota": "wall_ac"}
"""What a plug reads includes the power supply. Of what else only somebody who has seen the cables can tell."""
RATES_HZ = {"shelly": 1.0, "tasmota": 1.0, "scpi": 5.0}
"""Of the kinds that are polled. Plugs have a new value about once a second; a bench meter integrates over a cycle or
some of the mains."""


def scope(settings: Meter) -> str:
    """Raises MeterError where nobody said."""
    found = settings.scope or SCOPES.get(settings.kind)
    if found is None:
        raise MeterError(f"device.meter.scope is not said, and a meter of kind {settings.kind} has no usual one")
    return found


def limits(settings: Meter, reader: str | None = None, resolution_w: float | None = None) -> Limits:
    """Limits of error: the inventory's word before the usual ones. ``reader``: the sensor behind a host."""
    found = LIMITS.get(reader or settings.kind, UNKNOWN)
    if settings.gain is not None:
        found = replace(found, gain=settings.gain, assumed=False)
    if settings.offset_w is not None:
        found = replace(found, offset_w=settings.offset_w)
    if settings.lag_s is not None:
        found = replace(found, lag_s=settings.lag_s)
    return found if resolution_w is None else replace(found, resolution_w=resolution_w)
