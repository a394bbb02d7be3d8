"""From ``device.meter`` to an instrument."""

from __future__ import annotations

from collections.abc import Callable

from orchestrator import device
from orchestrator.meters.command import Command
from orchestrator.meters.host import Host, Stream
from orchestrator.meters.scpi import Scpi
from orchestrator.meters.seam import CLOCKS, Clocks, Meter
from orchestrator.meters.shelly import Shelly
from orchestrator.meters.tasmota import Tasmota

Link = Callable[[], Stream]
"""Opens the conversation with the host that a meter of kind ``host`` is on."""

KINDS: dict[str, Callable[[device.Meter, Link, Clocks], Meter]] = {
    "shelly": lambda settings, _, clocks: Shelly(settings, clocks),
    "tasmota": lambda settings, _, clocks: Tasmota(settings, clocks),
    "scpi": lambda settings, _, clocks: Scpi(settings, clocks),
    "command": lambda settings, _, clocks: Command(settings, clocks),
    "host": lambda settings, link, clocks: Host(settings, link, clocks),
}


def meter_of(settings: device.Meter, link: Link, clocks: Clocks = CLOCKS) -> Meter:
    """The instrument that the inventory declares; nothing is opened."""
    return KINDS[settings.kind](settings, link, clocks)
