"""The CPU's clocks, as cpufreq tells them, and which of them are meant to stand still."""

from __future__ import annotations

import glob
import os
import re

from remote.process import read_text
from remote.sensors import opened

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterable

_FASTEST_KHZ = 100_000_000
_OWN_MIND = ("intel_", "amd-pstate", "amd_pstate")  # the processor chooses; and an idle core's reading is stale


def cpu_folders(sys_root: str) -> list[tuple[int, str]]:
    """Number and cpufreq folder of each CPU that has one, by number."""
    found = []
    for path in glob.glob(os.path.join(sys_root, "devices/system/cpu/cpu[0-9]*/cpufreq")):
        match = re.search(r"cpu(\d+)/cpufreq$", path)
        if match:
            found.append((int(match.group(1)), path))
    return sorted(found)


class CpuClocks:
    """``scaling_cur_freq`` of every CPU, in the order of their numbers."""

    def __init__(self, sys_root: str) -> None:
        self._folders = cpu_folders(sys_root)
        self._files = [opened(os.path.join(folder, "scaling_cur_freq")) for _, folder in self._folders]
        self.exists = any(self._files)

    def read(self) -> list[float] | None:
        """MHz of each; None unless all of them answer (a CPU may go offline)."""
        values = [found.number() if found else None for found in self._files]
        known = [khz / 1000.0 for khz in values if khz is not None and 0 <= khz <= _FASTEST_KHZ]
        return known if known and len(known) == len(values) else None

    def pinned(self, cpus: Iterable[int]) -> list[float | None] | None:
        """MHz that each is meant to keep, in the order of :meth:`read`; None for one that may change its clock, or that
        is not among ``cpus`` (none: all count). None as a whole where no clock is pinned."""
        chosen = set(cpus)
        found = [pinned_mhz(folder) if not chosen or cpu in chosen else None for cpu, folder in self._folders]
        return found if any(found) else None


def pinned_mhz(folder: str) -> float | None:
    """The clock of a CPU whose limits are one value, or whose governor chooses one; None where it may change."""
    said = {
        name: read_text(os.path.join(folder, "scaling_" + name)) or ""
        for name in ("driver", "governor", "min_freq", "max_freq", "setspeed")
    }
    if said["driver"].startswith(_OWN_MIND):
        return None
    if said["min_freq"] == said["max_freq"] or said["governor"] == "performance":
        khz = said["max_freq"]
    else:
        khz = said["setspeed"] if said["governor"] == "userspace" else ""
    return int(khz) / 1000.0 if khz.isdigit() and 0 < int(khz) <= _FASTEST_KHZ else None
