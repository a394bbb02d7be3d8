"""Batteries of the power_supply class (Documentation/power/power_supply_class.rst), while they discharge.

power_now in uW, else current_now in uA times voltage_now in uV; some drivers give a negative current for a discharge.
A battery of a mouse has the scope Device. Several of one board add up.
"""

from __future__ import annotations

import glob
import os

from remote.power.rail import Attribute, Group, Rail
from remote.process import read_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable

_UPDATE_S = 0.5  # a fuel gauge has a new value every second or less often


class _Battery:
    def __init__(self, folder: str) -> None:
        self.name = os.path.basename(folder)
        self._folder = folder
        self.discharge_w = self._power()

    def status(self) -> str:
        """Charging, Discharging, Full, ... Raises OSError where it has none."""
        with open(os.path.join(self._folder, "status"), "rb") as stream:
            return stream.read(64).decode("utf-8", "replace").strip()

    def _power(self) -> Callable[[], float]:
        power = os.path.join(self._folder, "power_now")
        if os.path.exists(power):
            watts = Attribute(power)
            return lambda: abs(watts.read()) / 1e6
        amps = Attribute(os.path.join(self._folder, "current_now"))
        volts = Attribute(os.path.join(self._folder, "voltage_now"))
        return lambda: abs(amps.read()) * volts.read() / 1e12


def _total(batteries: list[_Battery]) -> float:
    """W of those that discharge; raises ValueError where none does, or another one is charged meanwhile."""
    statuses = {battery.name: battery.status() for battery in batteries}
    if "Discharging" not in statuses.values() or "Charging" in statuses.values():
        said = ", ".join("%s is %s" % item for item in statuses.items())
        raise ValueError("%s: a battery tells the board's power only while it discharges" % said)
    return sum(one.discharge_w() for one in batteries if statuses[one.name] == "Discharging")


def find(sys_root: str) -> tuple[list[Rail], list[Group]]:
    """All batteries of the board as one sum."""
    folders = []
    for folder in sorted(glob.glob(os.path.join(sys_root, "class/power_supply/*"))):
        said = {name: (read_text(os.path.join(folder, name)) or "").lower() for name in ("type", "scope", "present")}
        if said["type"] == "battery" and said["scope"] != "device" and said["present"] != "0":
            folders.append(folder)
    if not folders:
        return [], []
    batteries = [_Battery(folder) for folder in folders]
    name = " + ".join(battery.name for battery in batteries)
    rail = Rail("battery:" + " + ".join(folders), name, lambda: _total(batteries))
    rail.update_s = _UPDATE_S
    return [rail], [Group("board_dc_in", [rail])]
