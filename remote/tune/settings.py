"""The settings of ``device.tune``: what each changes, in which order, and how it reads afterwards."""

from __future__ import annotations

import os

from remote.process import command
from remote.tune.root import Refused
from remote.tune.targets import JetsonClocks, PowerMode, cpufreq, fan, file_of, policies

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterable

    from remote.tune.targets import Target

    Changes = list[tuple[Target, str]]

NO_CPUFREQ = "no cpufreq under /sys: this kernel does not change the clock"
_NEAR_KHZ = 1000


class Board:
    """Where things are: ``base`` is ``/``, but for tests; ``store`` where root keeps what jetson_clocks changed."""

    def __init__(self, base: str, store: str, cpus: list[int]) -> None:
        self.base = base
        self.store = store
        self.cpus = cpus


class Governor:
    """Of all CPUs."""

    name = "governor"

    def __init__(self, board: Board, wanted: str) -> None:
        self.wanted = wanted
        self._policies = policies(board.base, [])

    def read(self) -> str | None:
        return one_of(file_of(folder, "scaling_governor") for folder in self._policies)

    def changes(self) -> Changes:
        if not self._policies:
            raise Refused(NO_CPUFREQ)
        for folder in self._policies:
            there = (file_of(folder, "scaling_available_governors") or self.wanted).split()
            if self.wanted not in there:
                raise Refused("this kernel has the governors %s" % ", ".join(there))
        return [(cpufreq(folder, "scaling_governor"), self.wanted) for folder in self._policies]


class CpuMhz:
    """Lowest and highest clock are one, of the CPUs that are measured on.

    Clocks are steps such as 729.6 MHz: what is wanted is the nearest one, at most 1 MHz away.
    """

    name = "cpu_mhz"

    def __init__(self, board: Board, wanted: float) -> None:
        self._policies = policies(board.base, board.cpus)
        self._khz = {folder: _step(folder, round(wanted * 1000)) for folder in self._policies}
        self.wanted = one_of(_mhz(khz) for khz in self._khz.values() if khz is not None) or _mhz(wanted * 1000)

    def read(self) -> str | None:
        return one_of(map(_span, self._policies))

    def changes(self) -> Changes:
        if not self._policies:
            raise Refused(NO_CPUFREQ)
        return [change for folder in self._policies for change in self._of(folder)]

    def _of(self, folder: str) -> Changes:
        """The highest clock first where it rises: the kernel refuses a lowest one above it."""
        khz, steps = self._khz[folder], _steps(folder)
        if khz is None:
            there = "the clocks %s" % " ".join(map(_mhz, steps)) if steps else "clocks from %s to %s" % _bounds(folder)
            raise Refused("%s has %s MHz" % (os.path.basename(folder), there))
        ends = ["max", "min"] if khz > int(file_of(folder, "scaling_max_freq") or 0) else ["min", "max"]
        return [(cpufreq(folder, "scaling_%s_freq" % end), str(khz)) for end in ends]


class Power:
    """The mode of a Jetson."""

    name = "power_mode"

    def __init__(self, board: Board, wanted: str) -> None:
        self.wanted = wanted
        self._mode = PowerMode(board.base)

    def read(self) -> str | None:
        return self._mode.read()

    def changes(self) -> Changes:
        if command("nvpmodel") is None:
            raise Refused("no nvpmodel on this board: it is no Jetson")
        if self.wanted not in self._mode.modes():
            raise Refused("this module has the power modes %s" % ", ".join(self._mode.modes()))
        return [(self._mode, self.wanted)]


class Clocks:
    """NVIDIA's ``jetson_clocks``."""

    name = "jetson_clocks"
    wanted = "on"

    def __init__(self, board: Board, wanted: bool) -> None:
        self._clocks = JetsonClocks(board.base, board.store)

    def read(self) -> str | None:
        return self._clocks.read()

    def changes(self) -> Changes:
        if command("jetson_clocks") is None:
            raise Refused("no jetson_clocks on this board: it is no Jetson")
        return [(self._clocks, "on")]


class FanSpeed:
    """In percent of what it is driven with."""

    name = "fan"

    def __init__(self, board: Board, wanted: int) -> None:
        self.wanted = "%d %%" % wanted
        self._value = str(round(wanted * 255 / 100))
        self._fan = fan(board.base)

    def read(self) -> str | None:
        said = self._fan.read() if self._fan else None
        return "%d %%" % round(int(said) * 100 / 255) if said and said.isdigit() else None

    def changes(self) -> Changes:
        if self._fan is None:
            raise Refused("no fan that can be set: no pwmfan under /sys/class/hwmon")
        return [(self._fan, self._value)]


KINDS: tuple[Any, ...] = (Power, Governor, CpuMhz, Clocks, FanSpeed)
"""In the order in which they are set: a power mode brings other clocks with it. Put back in the opposite one."""


def one_of(values: Iterable[str | None]) -> str | None:
    """The value that all share; several where they differ."""
    known = list(dict.fromkeys(value for value in values if value is not None))
    return ", ".join(known) or None


def _steps(folder: str) -> list[int]:
    """The clocks in kHz that a policy has, where it has only some."""
    return sorted(int(word) for word in (file_of(folder, "scaling_available_frequencies") or "").split())


def _limits(folder: str) -> list[int | None]:
    said = [file_of(folder, "cpuinfo_%s_freq" % end) or "" for end in ("min", "max")]
    return [int(khz) if khz.isdigit() else None for khz in said]


def _bounds(folder: str) -> tuple[str, ...]:
    """Lowest and highest clock in MHz, for people."""
    return tuple("?" if khz is None else _mhz(khz) for khz in _limits(folder))


def _step(folder: str, khz: int) -> int | None:
    """The clock of a policy that is meant by ``khz``; None where none is near."""
    steps = _steps(folder)
    low, high = _limits(folder)
    if steps:
        nearest = min(steps, key=lambda step: abs(step - khz))
    else:
        nearest = max(khz if low is None else low, min(khz, khz if high is None else high))
    return nearest if abs(nearest - khz) <= _NEAR_KHZ else None


def _mhz(khz: float) -> str:
    """``729.6``, to the kHz and without zeros that say nothing."""
    return ("%.3f" % (khz / 1000)).rstrip("0").rstrip(".")


def _span(folder: str) -> str | None:
    low, high = (file_of(folder, "scaling_%s_freq" % end) or "" for end in ("min", "max"))
    if not (low.isdigit() and high.isdigit()):
        return None
    return _mhz(int(low)) if low == high else "%s-%s" % (_mhz(int(low)), _mhz(int(high)))
