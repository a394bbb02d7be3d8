"""The state of the board beside a measurement: temperature, clocks, governor, throttling, foreign load."""

from __future__ import annotations

import glob
import os
import subprocess
import time

from remote.process import read_text, stat_fields

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

_ZONES = ("cpu", "x86_pkg_temp", "soc", "package", "tdiode", "big", "core")  # the first kind that is there
_CHIPS = ("coretemp", "k10temp", "zenpower", "cpu_thermal")
_VCGENCMD_EVERY = 5  # samples: each call is a process and a trip to the firmware
_COLDEST_MC, _HOTTEST_MC, _FASTEST_KHZ = -100_000, 300_000, 100_000_000  # beyond them a sensor says it is broken
_IDLE_FIELDS = (3, 4)  # of /proc/stat: idle, iowait


class _File:
    """A small file of /proc or /sys, opened once."""

    def __init__(self, path: str) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def read(self, size: int = 256) -> str | None:
        try:
            return os.pread(self._descriptor, size, 0).decode("ascii", "replace").strip("\0 \n")
        except OSError:
            return None

    def number(self) -> float | None:
        try:
            return float(self.read() or "")
        except ValueError:
            return None


def _opened(path: str | None) -> _File | None:
    try:
        return _File(path) if path else None
    except OSError:
        return None


def _temperature_path(sys_root: str) -> str | None:
    zones = sorted(glob.glob(os.path.join(sys_root, "class/thermal/thermal_zone*")))
    kinds = {zone: (read_text(os.path.join(zone, "type")) or "").lower() for zone in zones}
    for word in _ZONES:
        for zone in zones:
            if word in kinds[zone]:
                return os.path.join(zone, "temp")
    for chip in sorted(glob.glob(os.path.join(sys_root, "class/hwmon/hwmon*"))):
        if read_text(os.path.join(chip, "name")) in _CHIPS:
            return os.path.join(chip, "temp1_input")
    return os.path.join(zones[0], "temp") if zones else None


def _vcgencmd() -> int | None:
    """``throttled=0x50000``; None where the firmware does not answer."""
    try:
        done = subprocess.run(
            ["vcgencmd", "get_throttled"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=2,
            check=True,
        )
        return int(done.stdout.decode().strip().rpartition("=")[2], 16)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None


class _Throttled:
    """The Raspberry Pi's throttle bits as they come, live (0-3) and sticky (16-19)."""

    def __init__(self, sys_root: str) -> None:
        paths = glob.glob(os.path.join(sys_root, "devices/platform/soc*/soc*:firmware/get_throttled"))
        self._file = _opened(paths[0]) if paths else None
        self._asks = self._file is None and _vcgencmd() is not None
        self._turn = 0
        self.exists = self._file is not None or self._asks

    def read(self) -> int | None:
        if self._file is not None:
            try:
                return int(self._file.read() or "", 16)
            except ValueError:
                return None
        self._turn += 1
        return _vcgencmd() if self._asks and self._turn % _VCGENCMD_EVERY == 1 else None


class _Load:
    """Shares of all cores since the last look: of everybody, and of our own processes.

    Ours are the runner, its child and the supervisor. When the child ends its time moves to the runner's account of
    ended children, so the sum has no step.
    """

    def __init__(self, proc_root: str) -> None:
        self._root = proc_root
        self._stat = _opened(os.path.join(proc_root, "stat"))
        self._cores = os.cpu_count() or 1
        self._tick_s = 1.0 / os.sysconf("SC_CLK_TCK")
        self._last = self._now(None)

    def _now(self, child: int | None) -> tuple[float, float, float]:
        total, busy = self._everybody()
        times = os.times()
        own = times.user + times.system + times.children_user + times.children_system
        for pid in (child, os.getppid()):
            text = read_text("%s/%d/stat" % (self._root, pid)) if pid else None
            own += sum(int(field) for field in stat_fields(text)[11:13]) * self._tick_s if text else 0.0
        return total, busy, own

    def _everybody(self) -> tuple[float, float]:
        """Seconds of all cores and those not idle; time stolen by a hypervisor is no idling either."""
        text = self._stat.read(512) if self._stat else None
        if not text:
            return 0.0, 0.0
        ticks = [int(field) for field in text.splitlines()[0].split()[1:9]]
        return sum(ticks) * self._tick_s, (sum(ticks) - sum(ticks[i] for i in _IDLE_FIELDS)) * self._tick_s

    def read(self, child: int | None) -> tuple[float | None, float | None]:
        total, busy, own = self._now(child)
        past = total - self._last[0]
        if past < 0.1 * self._cores:  # less than 100 ms: the kernel counts in steps of 10
            return None, None
        shares = (busy - self._last[1]) / past, (own - self._last[2]) / past
        self._last = total, busy, own
        return min(1.0, max(0.0, shares[0])), min(1.0, max(0.0, shares[1]))


class State:
    """Takes samples; what this board cannot tell is null, with the reason in ``missing``."""

    def __init__(self, sys_root: str = "/sys", proc_root: str = "/proc") -> None:
        cpus = os.path.join(sys_root, "devices/system/cpu")
        self._temperature = _opened(_temperature_path(sys_root))
        clocks = glob.glob(os.path.join(cpus, "cpu[0-9]*/cpufreq/scaling_cur_freq"))
        clocks.sort(key=lambda path: (len(path), path))
        self._clocks = [opened for opened in map(_opened, clocks) if opened]
        self._governor = _opened(os.path.join(cpus, "cpu0/cpufreq/scaling_governor"))
        self._throttled = _Throttled(sys_root)
        self._load = _Load(proc_root)
        self.samples: list[dict[str, Any]] = []
        self.next_s = 0.0
        self.child: int | None = None  # the measuring process
        self.missing = self._reasons()

    def _reasons(self) -> dict[str, str]:
        checks: dict[str, tuple[Callable[[], bool], str]] = {
            "temperature_c": (lambda: self._temperature is not None, "no thermal zone and no CPU sensor under /sys"),
            "cpu_mhz": (lambda: bool(self._clocks), "no cpufreq under /sys: the clock is fixed or not told"),
            "governor": (lambda: self._governor is not None, "no cpufreq under /sys"),
            "throttled": (lambda: self._throttled.exists, "no Raspberry Pi firmware"),
        }
        return {name: reason for name, (there, reason) in checks.items() if not there()}

    def fire(self) -> None:
        """One sample, due once a second."""
        now = time.monotonic()
        self.next_s = now + 1.0
        milli = self._temperature.number() if self._temperature else None
        clocks = [clock.number() for clock in self._clocks]
        cpu_busy, own_busy = self._load.read(self.child)
        self.samples.append(
            {
                "t_s": now,
                "temperature_c": milli / 1000.0 if milli is not None and _COLDEST_MC <= milli <= _HOTTEST_MC else None,
                "cpu_mhz": [khz / 1000.0 for khz in clocks if khz is not None and 0 <= khz <= _FASTEST_KHZ] or None,
                "throttled": self._throttled.read(),
                "governor": self._governor.read(60) if self._governor else None,
                "gpu_mhz": None,
                "fan_rpm": None,
                "over_current": None,
                "throttle_events": None,
                "involuntary_switches": None,
                "cpu_busy": cpu_busy,
                "own_busy": own_busy,
            }
        )
