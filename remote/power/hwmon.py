"""Power monitors of the kernel's hwmon class: power*_input in microwatts (Documentation/hwmon/sysfs-interface).

Only chips that are made to sit in a supply line count as the board's input; what another chip's power includes
(a GPU, a drive, a regulator) its name does not tell, so it is listed and not used.
"""

from __future__ import annotations

import glob
import os

from remote.power.rail import Attribute, Group, Rail
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
    for name in (channel + "_label", "in1_label", "label"):
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


def find(sys_root: str) -> tuple[list[Rail], list[Group]]:
    """All power inputs, and the board's own where that is clear."""
    rails, supplies = [], []
    for folder in sorted(glob.glob(os.path.join(sys_root, "class/hwmon/hwmon*"))):
        chip = read_text(os.path.join(folder, "name")) or "unnamed"
        if "ina3221" in chip:
            continue
        for path in sorted(glob.glob(os.path.join(folder, "power*_input"))):
            channel = os.path.basename(path)[: -len("_input")]
            rail = Rail("%s:%s" % (chip, path), _label(folder, channel, chip), "sampled", _microwatts(path))
            rail.reason = "nothing tells what the power of a %s includes" % chip
            rails.append(rail)
            if chip in _SUPPLY_MONITORS:
                supplies.append(rail)
    main = _main(supplies)
    for rail in supplies:
        rail.reason = (
            "several supply monitors, and another one is called the input"
            if main
            else ("several supply monitors, and no label tells which one is the board's input")
        )
    if main is None:
        return rails, []
    main.reason = None
    return rails, [Group("board_dc_in", [main])]
