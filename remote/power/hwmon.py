"""Power monitors of the kernel's hwmon class: power*_input, or power*_average where there is none, in microwatts, and
energy*_input in microjoules (Documentation/hwmon/sysfs-interface).

Only chips that are made to sit in a supply line count as the board's input; what another chip's power includes
(a GPU, a drive, a regulator) its name does not tell, so it is listed and not used unless the inventory declares it.
"""

from __future__ import annotations

import glob
import os
import re

from remote.power.counter import Counter
from remote.power.rail import MAX_W, Attribute, Group, Rail, milliseconds, settings
from remote.power.rapl import microjoules
from remote.process import read_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable

_SUPPLY_MONITORS = ("ina219", "ina220", "ina226", "ina230", "ina231", "ina234", "ina238", "ina260")
_INPUT_WORDS = ("vin", "vdd_in", "input", "total", "system", "supply", "5v_in", "12v_in")


def _microwatts(path: str) -> Callable[[], float]:
    power = Attribute(path)
    return lambda: power.read() / 1e6


def _label(folder: str, channel: str, chip: str) -> str:
    number = channel.lstrip("abcdefghijklmnopqrstuvwxyz")
    for name in (channel + "_label", "in%s_label" % number, "label"):
        text = read_text(os.path.join(folder, name))
        if text:
            return text
    return chip


def _main(supplies: list[Rail]) -> Rail | None:
    """The one that measures the board's input: the only one, or the only one that is called so."""
    if len(supplies) == 1:
        return supplies[0]
    called = [rail for rail in supplies if any(word in rail.name.lower() for word in _INPUT_WORDS)]
    return called[0] if len(called) == 1 else None


def _files(folder: str) -> list[tuple[str, str]]:
    """Channel and path of everything that tells a power or an energy."""
    found = {}
    for path in sorted(glob.glob(os.path.join(folder, "power*_*")) + glob.glob(os.path.join(folder, "energy*_input"))):
        parts = re.fullmatch(r"((?:power|energy)\d+)_(input|average)", os.path.basename(path))
        if parts and (parts.group(2) == "input" or parts.group(1) not in found):
            found[parts.group(1)] = path
    return sorted(found.items())


def _rail(chip: str, folder: str, channel: str, path: str) -> Rail:
    source, label = "hwmon:%s %s" % (chip, path), _label(folder, channel, chip)
    if channel.startswith("energy"):
        counter = Counter(microjoules(path), None, MAX_W)
        rail = Rail(source, label, counter.read, counter)
    else:
        rail = Rail(source, label, _microwatts(path))
    rail.chip = chip
    rail.reason = "nothing tells what the power of a %s includes; device.sensor_scopes may say it" % chip
    names = ("shunt_resistor", "update_interval", "samples", channel + "_average_interval")
    rail.details = settings(folder, names)
    interval = channel + "_average_interval" if path.endswith("_average") else "update_interval"
    rail.update_s = milliseconds(rail.details.get(interval))
    return rail


def find(sys_root: str) -> tuple[list[Rail], list[Group]]:
    """All power inputs, and the board's own where that is clear."""
    rails, supplies = [], []
    for folder in sorted(glob.glob(os.path.join(sys_root, "class/hwmon/hwmon*"))):
        chip = read_text(os.path.join(folder, "name")) or "unnamed"
        if "ina3221" in chip:
            continue
        for channel, path in _files(folder):
            rail = _rail(chip, folder, channel, path)
            rails.append(rail)
            if chip in _SUPPLY_MONITORS and rail.kind == "sampled":
                supplies.append(rail)
    main = _main(supplies)
    for rail in supplies:
        rail.reason = (
            "several supply monitors, and another one is called the input"
            if main
            else "several supply monitors: no label and no device.sensor_scopes tells which one is the board's input"
        )
    if main is None:
        return rails, []
    main.reason = None
    return rails, [Group("board_dc_in", [main])]
