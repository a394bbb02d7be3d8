"""From ``device.power_switch`` to a switch."""

from __future__ import annotations

import time
from collections.abc import Callable

from orchestrator.device import PowerSwitch
from orchestrator.switches.command import Command
from orchestrator.switches.pdudaemon import Pdudaemon
from orchestrator.switches.seam import Sleep, Switch
from orchestrator.switches.shelly import Shelly
from orchestrator.switches.tasmota import Tasmota
from orchestrator.switches.uhubctl import Uhubctl

KINDS: dict[str, Callable[[PowerSwitch, Sleep], Switch]] = {
    "shelly": lambda settings, _: Shelly(settings),
    "tasmota": lambda settings, _: Tasmota(settings),
    "pdudaemon": Pdudaemon,
    "uhubctl": lambda settings, _: Uhubctl(settings),
    "command": lambda settings, _: Command(settings),
}


def switch_of(settings: PowerSwitch, sleep: Sleep = time.sleep) -> Switch:
    """The switch that the inventory declares; nothing is opened. ``sleep`` is for a kind that has to wait."""
    return KINDS[settings.kind](settings, sleep)
