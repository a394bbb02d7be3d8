"""INA3221, the three-channel monitor of Jetson modules: by hwmon (JetPack >= 5, mainline) and by IIO (JetPack 4).

Which rail is the total differs by module (rbonghi/jetson_stats, jtop/core/power.py and its docs): Nano POM_5V_IN,
TX2, Xavier NX, Orin NX and Orin Nano VDD_IN, and all others are inside of it. AGX Xavier and AGX Orin have no total,
and the sum of their rails leaves out the carrier board. VDDQ_VDD2_1V8AO of AGX Orin may be fed from VIN_SYS_5V0:
adding it could count it twice. The carrier of a TX2 has monitors of its own (VDD_MUX, VDD_5V0_IO_SYS, ...), which are
outside of the module. AGX Thor's total is the INA238 called VIN, which :mod:`remote.power.hwmon` finds.
"""

from __future__ import annotations

import glob
import os

from remote.power.rail import Attribute, Group, Rail, milliseconds, settings
from remote.process import read_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable

_TOTALS = ("VDD_IN", "POM_5V_IN")
_SUMS = (
    frozenset({"VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0"}),  # AGX Orin
    frozenset({"GPU", "CPU", "SOC", "CV", "VDDRQ", "SYS5V"}),  # AGX Xavier
)
_INSIDE = ("VDD_SYS_", "VDD_CPU", "VDD_GPU", "VDD_SOC", "POM_5V_", "VDD_4V0_WIFI")  # of a module's total
_UNUSED = ("", "NC")
_SETTINGS = ("update_interval", "samples")


def _product(millivolts: str, milliamps: str) -> Callable[[], float]:
    voltage, current = Attribute(millivolts), Attribute(milliamps)
    return lambda: voltage.read() * current.read() / 1e6


def _milliwatts(path: str) -> Callable[[], float]:
    power = Attribute(path)
    return lambda: power.read() / 1e3


def _hwmon_rails(folder: str) -> list[Rail]:
    """Channels 1 to 3; in7 is the sum of the shunt voltages and no rail."""
    rails = []
    for channel in (1, 2, 3):
        label = read_text(os.path.join(folder, "in%d_label" % channel)) or ""
        if label.upper() in _UNUSED:
            continue
        voltage = os.path.join(folder, "in%d_input" % channel)
        rail = Rail("ina3221:" + voltage, label, _product(voltage, os.path.join(folder, "curr%d_input" % channel)))
        rail.details = settings(folder, ("shunt%d_resistor" % channel, *_SETTINGS))
        rail.update_s = milliseconds(rail.details.get("update_interval"))
        rails.append(rail)
    return rails


def _iio_rails(folder: str) -> list[Rail]:
    rails = []
    for channel in (0, 1, 2):
        label = read_text(os.path.join(folder, "rail_name_%d" % channel)) or ""
        if label.upper() in _UNUSED:
            continue
        power = os.path.join(folder, "in_power%d_input" % channel)
        if os.path.exists(power):
            read = _milliwatts(power)
        else:
            read = _product(
                os.path.join(folder, "in_voltage%d_input" % channel),
                os.path.join(folder, "in_current%d_input" % channel),
            )
        rails.append(Rail("ina3221:" + power, label, read))
    return rails


def _rails(sys_root: str) -> list[Rail]:
    rails: list[Rail] = []
    for chip in sorted(glob.glob(os.path.join(sys_root, "bus/i2c/devices/*"))):
        if "ina3221" not in (read_text(os.path.join(chip, "name")) or ""):
            continue
        for folder in sorted(glob.glob(os.path.join(chip, "hwmon/hwmon*"))):
            rails += _hwmon_rails(folder)
        for folder in sorted(glob.glob(os.path.join(chip, "iio:device*"))):
            rails += _iio_rails(folder)
    for rail in rails:
        rail.chip = "ina3221"
    return rails


def _beside(name: str, total: str) -> str:
    if name.upper().startswith(_INSIDE):
        return "is inside of %s" % total
    return "%s is the module's total, and no rule says what this rail includes" % total


def find(sys_root: str) -> tuple[list[Rail], list[Group]]:
    """All rails, and the total where the labels tell which that is."""
    rails = _rails(sys_root)
    named = {rail.name.upper().replace(" ", "_"): rail for rail in rails}
    for total in _TOTALS:
        if total in named:
            for rail in rails:
                rail.reason = _beside(rail.name, named[total].name)
            named[total].reason = None
            return rails, [Group("module_in", [named[total]])]
    for names in _SUMS:
        if names <= set(named):
            for rail in rails:
                rail.reason = "may be fed from a rail that is counted already"
            summed = [named[name] for name in sorted(names)]
            for rail in summed:
                rail.reason = None
            return rails, [Group("soc_rails", summed)]
    for rail in rails:
        rail.reason = "no rule says which of these rails is the total; device.sensor_scopes may say it"
    return rails, []
