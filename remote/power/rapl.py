"""RAPL, the energy counters of x86 packages, from the powercap tree (AMD is there too since Linux 5.8).

Core, uncore and dram are inside of the package or beside it, and psys over-reports on some machines, so only packages
count. The counter wraps at max_energy_range_uj: 262 kJ is 44 minutes at 100 W; it is read far more often than that.
"""

from __future__ import annotations

import glob
import os

from remote.power.rail import Attribute, Group, Rail
from remote.process import read_text

MAX_PACKAGES_W = 1500.0  # servers with several sockets serve as test hosts

DENIED = (
    "%s is there, but only root may read it (Linux >= 5.10, CVE-2020-8694). To allow it until the next boot: "
    "sudo chmod a+r /sys/class/powercap/intel-rapl:*/energy_uj"
)


class _Counter:
    """Joules since the first read, over any number of wraps as long as it is read once per round."""

    def __init__(self, folder: str) -> None:
        self._energy = Attribute(os.path.join(folder, "energy_uj"))
        self._range = Attribute(os.path.join(folder, "max_energy_range_uj"))
        self._last_uj: float | None = None
        self._total_uj = 0.0

    def read(self) -> float:
        now_uj = self._energy.read()
        if self._last_uj is not None:
            passed = now_uj - self._last_uj
            self._total_uj += passed if passed >= 0 else passed + self._range.read()
        self._last_uj = now_uj
        return self._total_uj / 1e6


def find(sys_root: str) -> tuple[list[Rail], list[Group]]:
    """All packages as one sum; intel-rapl-mmio shows the same counters again and is left out."""
    rails = []
    for folder in sorted(glob.glob(os.path.join(sys_root, "class/powercap/intel-rapl:*"))):
        name = read_text(os.path.join(folder, "name")) or ""
        if name.startswith("package-"):
            rails.append(Rail("rapl:%s/energy_uj" % folder, name, "counter", _Counter(folder).read))
    return rails, [Group("cpu_package", rails, MAX_PACKAGES_W)] if rails else []
