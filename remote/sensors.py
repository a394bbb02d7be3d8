"""What a board's /sys and firmware tell about its state, read as cheaply as it goes: files opened once, then pread."""

from __future__ import annotations

import glob
import os
import subprocess

from remote.process import command, read_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterable

_ZONES = ("cpu", "x86_pkg_temp", "soc", "package", "tdiode", "big", "core")  # the first kind that is there
_CHIPS = ("coretemp", "k10temp", "zenpower", "cpu_thermal")
_GPUS = ("gpu", "ga10b", "gv11b", "gp10b", "gm20b")  # in names of devfreq; Jetsons call theirs by its chip
_COLDEST_MC, _HOTTEST_MC = -100_000, 300_000  # beyond them a sensor says it is broken
_FASTEST_HZ = 10**11


class File:
    """A small file of /proc or /sys, opened once; raises OSError where it cannot be."""

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


def opened(path: str | None) -> File | None:
    """The file, or None where there is none that can be read."""
    try:
        return File(path) if path else None
    except OSError:
        return None


def first(paths: Iterable[str]) -> File | None:
    """The first that can be opened."""
    return next((found for found in map(opened, paths) if found), None)


def hwmons(sys_root: str, name: str | None = None) -> list[str]:
    """Folders of hwmon chips, all or those of a name."""
    folders = sorted(glob.glob(os.path.join(sys_root, "class/hwmon/hwmon*")))
    return [folder for folder in folders if name is None or read_text(os.path.join(folder, "name")) == name]


class Temperature:
    """Of the CPU: its thermal zone, else a CPU chip of hwmon, else the first zone."""

    def __init__(self, sys_root: str) -> None:
        self._file = opened(_temperature_path(sys_root))
        self.exists = self._file is not None

    def read(self) -> float | None:
        """Degrees Celsius; None where the sensor says what cannot be."""
        milli = self._file.number() if self._file else None
        return milli / 1000.0 if milli is not None and _COLDEST_MC <= milli <= _HOTTEST_MC else None


def _temperature_path(sys_root: str) -> str | None:
    zones = sorted(glob.glob(os.path.join(sys_root, "class/thermal/thermal_zone*")))
    kinds = {zone: (read_text(os.path.join(zone, "type")) or "").lower() for zone in zones}
    for word in _ZONES:
        for zone in zones:
            if word in kinds[zone]:
                return os.path.join(zone, "temp")
    for chip in hwmons(sys_root):
        if read_text(os.path.join(chip, "name")) in _CHIPS:
            return os.path.join(chip, "temp1_input")
    return os.path.join(zones[0], "temp") if zones else None


def vcgencmd() -> int | None:
    """``throttled=0x50000``; None where the firmware does not answer."""
    program = command("vcgencmd")
    if program is None:
        return None
    try:
        done = subprocess.run(
            [program, "get_throttled"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=2,
            check=True,
        )
        return int(done.stdout.decode().strip().rpartition("=")[2], 16)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None


class Throttled:
    """The Raspberry Pi's throttle bits as they come, live (0-3) and sticky (16-19)."""

    def __init__(self, sys_root: str) -> None:
        paths = glob.glob(os.path.join(sys_root, "devices/platform/soc*/soc*:firmware/get_throttled"))
        self._file = opened(paths[0]) if paths else None
        self._asks = self._file is None and vcgencmd() is not None
        self.exists = self._file is not None or self._asks

    def read(self, costly: bool) -> int | None:
        """``costly``: also where it takes a process and a trip to the firmware."""
        if self._file is not None:
            try:
                return int(self._file.read() or "", 16)
            except ValueError:
                return None
        return vcgencmd() if self._asks and costly else None


class GpuClock:
    """Of the first GPU among the devfreq devices."""

    def __init__(self, sys_root: str) -> None:
        folders = sorted(glob.glob(os.path.join(sys_root, "class/devfreq/*")))
        gpus = [folder for folder in folders if any(word in os.path.basename(folder) for word in _GPUS)]
        self._file = first(os.path.join(folder, "cur_freq") for folder in gpus)
        self.exists = self._file is not None

    def read(self) -> float | None:
        """MHz."""
        hertz = self._file.number() if self._file else None
        return hertz / 1e6 if hertz is not None and 0 <= hertz < _FASTEST_HZ else None


class Fan:
    """Its speed: ``fan*_input`` of hwmon, else ``rpm``, as the tachometer of a Jetson calls it."""

    def __init__(self, sys_root: str) -> None:
        paths = [path for chip in hwmons(sys_root) for path in sorted(glob.glob(os.path.join(chip, "fan[0-9]*_input")))]
        self._file = first(paths + [os.path.join(chip, "rpm") for chip in hwmons(sys_root)])
        self.exists = self._file is not None

    def read(self) -> float | None:
        """Turns per minute."""
        turns = self._file.number() if self._file else None
        return turns if turns is not None and 0 <= turns <= 1e6 else None


class Counters:
    """Events that the kernel or the firmware counts since boot, summed over their files."""

    def __init__(self, paths: list[str]) -> None:
        self._files = [found for found in map(opened, paths) if found]
        self.exists = bool(self._files)

    def read(self) -> int | None:
        """None if any of them does not answer: a sum of fewer would look like events that went away."""
        counts = [found.number() for found in self._files]
        known = [int(count) for count in counts if count is not None and 0 <= count < 2**63]
        return sum(known) if known and len(known) == len(counts) else None


def over_current(sys_root: str) -> Counters:
    """A Jetson's over-current alarms: throttling by the power supply's limits (driver ``soctherm_oc``)."""
    chips = hwmons(sys_root, "soctherm_oc")
    return Counters([path for chip in chips for path in sorted(glob.glob(os.path.join(chip, "oc*_event_cnt")))])


def cpu_throttle(sys_root: str) -> Counters:
    """x86: how often a core, or the package (counted once, at the first core), was slowed down for its heat."""
    cpus = os.path.join(sys_root, "devices/system/cpu")
    cores = sorted(glob.glob(os.path.join(cpus, "cpu[0-9]*/thermal_throttle/core_throttle_count")))
    return Counters(cores + glob.glob(os.path.join(cpus, "cpu0/thermal_throttle/package_throttle_count")))
