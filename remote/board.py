"""The state of the board beside a measurement: temperature, clocks, governor, throttling, foreign load."""

from __future__ import annotations

import time

from remote import sensors
from remote.clocks import CpuClocks, cpu_folders
from remote.load import Load, involuntary_switches

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterable

_COSTLY_EVERY = 5  # samples: where a value takes a process of its own

REASONS = {
    "temperature_c": "no thermal zone and no CPU sensor under /sys",
    "cpu_mhz": "no cpufreq under /sys: the clock is fixed or not told",
    "governor": "no cpufreq under /sys",
    "throttled": "no Raspberry Pi firmware",
    "gpu_mhz": "no GPU among the devfreq devices under /sys",
    "fan_rpm": "no fan under /sys tells its speed",
    "over_current": "no over-current counters of a Jetson under /sys",
    "throttle_events": "no thermal_throttle counters of an x86 CPU under /sys",
}
"""Why a board does not tell something."""


class State:
    """Takes samples; what this board cannot tell is null, with the reason in ``missing``."""

    def __init__(self, sys_root: str = "/sys", proc_root: str = "/proc", cpus: Iterable[int] = ()) -> None:
        self._proc_root = proc_root
        self.temperature = sensors.Temperature(sys_root)
        self._clocks = CpuClocks(sys_root)
        folders = cpu_folders(sys_root)
        self._governor = sensors.opened(folders[0][1] + "/scaling_governor") if folders else None
        self._throttled = sensors.Throttled(sys_root)
        self._gpu = sensors.GpuClock(sys_root)
        self._fan = sensors.Fan(sys_root)
        self._over_current = sensors.over_current(sys_root)
        self._throttle_events = sensors.cpu_throttle(sys_root)
        self._load = Load(proc_root)
        self._turn = 0
        self.pinned_mhz = self._clocks.pinned(cpus)
        self.samples: list[dict[str, Any]] = []
        self.next_s = 0.0
        self.child: int | None = None  # the measuring process
        self.missing = self._reasons()

    def _reasons(self) -> dict[str, str]:
        there = {
            "temperature_c": self.temperature.exists,
            "cpu_mhz": self._clocks.exists,
            "governor": self._governor is not None,
            "throttled": self._throttled.exists,
            "gpu_mhz": self._gpu.exists,
            "fan_rpm": self._fan.exists,
            "over_current": self._over_current.exists,
            "throttle_events": self._throttle_events.exists,
        }
        missing = {name: reason for name, reason in REASONS.items() if not there[name]}
        if self.pinned_mhz is None:
            missing["pinned_mhz"] = "no clock is pinned: limits that differ, and a governor that chooses"
        return missing

    def told(self) -> dict[str, Any]:
        """For the record."""
        return {"samples": self.samples, "missing": self.missing, "pinned_mhz": self.pinned_mhz}

    def fire(self, whole: bool = False) -> None:
        """One sample, due once a second. ``whole``: with what costs a process, as between two measurements."""
        now = time.monotonic()
        self.next_s = now + 1.0
        costly = whole or self._turn % _COSTLY_EVERY == 0
        self._turn += 1
        cpu_busy, own_busy = self._load.read(self.child)
        self.samples.append(
            {
                "t_s": now,
                "temperature_c": self.temperature.read(),
                "cpu_mhz": self._clocks.read(),
                "throttled": self._throttled.read(costly),
                "governor": self._governor.read(60) if self._governor else None,
                "gpu_mhz": self._gpu.read(),
                "fan_rpm": self._fan.read(),
                "over_current": self._over_current.read(),
                "throttle_events": self._throttle_events.read(),
                "involuntary_switches": involuntary_switches(self._proc_root, self.child),
                "cpu_busy": cpu_busy,
                "own_busy": own_busy,
            }
        )
