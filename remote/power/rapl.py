"""RAPL, the energy counters of x86 packages, from the powercap tree (AMD is there too since Linux 5.8).

Core, uncore and dram are inside of the package or beside it, and psys over-reports on some machines, so only packages
count. The counter wraps at max_energy_range_uj: 262 kJ is 44 minutes at 100 W; it is read far more often than that.
"""

from __future__ import annotations

import glob
import os

from remote.power.counter import Counter
from remote.power.rail import Attribute, Group, Rail, denied, settings
from remote.process import read_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable

MAX_PACKAGES_W = 1500.0  # servers with several sockets serve as test hosts

_DENIED = "%s is there, but only root may read it (Linux >= 5.10, CVE-2020-8694)"
_PATTERN = "/sys/class/powercap/intel-rapl:*/energy_uj"
_LASTING = "/sys/devices/virtual/powercap/intel-rapl/intel-rapl:*/energy_uj"  # tmpfiles.d follows no link of /sys/class


def microjoules(path: str) -> Callable[[], float]:
    """A file in uJ, read in J."""
    energy = Attribute(path)
    return lambda: energy.read() / 1e6


def _rail(folder: str, name: str) -> Rail:
    path = os.path.join(folder, "energy_uj")
    span = microjoules(os.path.join(folder, "max_energy_range_uj"))
    counter = Counter(microjoules(path), span, MAX_PACKAGES_W)
    rail = Rail("rapl:" + path, name, counter.read, counter)
    rail.denied = _DENIED % path + denied(_PATTERN, _LASTING).partition("may not read it")[2]
    rail.details = settings(folder, ("max_energy_range_uj",))
    return rail


def find(sys_root: str) -> tuple[list[Rail], list[Group]]:
    """All packages as one sum; intel-rapl-mmio shows the same counters again and is left out."""
    rails = []
    for folder in sorted(glob.glob(os.path.join(sys_root, "class/powercap/intel-rapl:*"))):
        name = read_text(os.path.join(folder, "name")) or ""
        if name.startswith("package-"):
            rails.append(_rail(folder, name))
    return rails, [Group("cpu_package", rails, MAX_PACKAGES_W)] if rails else []
