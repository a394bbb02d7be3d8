"""Single values of a board that can be changed. Each has words that name it, in the journal and for the root script."""

from __future__ import annotations

import os
import re

from remote.process import command, read_text
from remote.tune import root
from remote.tune.root import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Target(Protocol):
        """``lasts`` over a restart of the board."""

        words: list[str]
        lasts: bool

        def read(self) -> str | None: ...

        def write(self, value: str) -> None: ...


POWER_MODE, JETSON_CLOCKS = ["power_mode"], ["jetson_clocks"]
_CPUFREQ = "devices/system/cpu/cpufreq"
_REBOOT = (
    "this power mode needs a restart of the board, which is never done for you: on the board, "
    "sudo nvpmodel -m %s, confirm, and run again"
)


class SysFile:
    """A file of /sys."""

    lasts = False

    def __init__(self, path: str, words: list[str]) -> None:
        self.path = path
        self.words = words

    def read(self) -> str | None:
        return read_text(self.path)

    def write(self, value: str) -> None:
        """Raises :class:`Refused`."""
        root.write(self.path, value, self.words)


class PowerMode:
    """The mode of a Jetson by its name: the numbers differ between modules."""

    lasts = True

    def __init__(self, base: str) -> None:
        self.words = list(POWER_MODE)
        self._conf = os.path.join(base, "etc/nvpmodel.conf")
        self._status = os.path.join(base, "var/lib/nvpmodel/status")

    def modes(self) -> dict[str, str]:
        """Numbers by name, as this module's configuration says."""
        found = re.findall(r"^<\s*POWER_MODEL\s+ID=(\d+)\s+NAME=(\S+)", read_text(self._conf) or "", re.MULTILINE)
        return {name.rstrip(">"): number for number, name in found}

    def read(self) -> str | None:
        nvpmodel = command("nvpmodel")
        said = root.run([nvpmodel, "-q"])[1] if nvpmodel else ""
        match = re.search(r"NV Power Mode:\s*(\S+)", said)
        if match:
            return match.group(1)
        match = re.search(r"pmode:0*(\d+)", read_text(self._status) or "")
        number = match.group(1) if match else None
        return next((name for name, known in self.modes().items() if known == number), None)

    def write(self, value: str) -> None:
        """Raises :class:`Refused`."""
        number, nvpmodel = self.modes().get(value), command("nvpmodel")
        if number is None or nvpmodel is None:
            raise Refused("no nvpmodel on this board" if nvpmodel is None else "no power mode %s" % value)
        if root.is_root():
            status, said = root.run([nvpmodel, "-m", number])
        else:
            status, said = root.asked(*self.words, number)
        if "reboot" in said.lower():
            raise Refused(_REBOOT % number)
        if status:
            raise Refused("nvpmodel: %s" % (said or "exit status %d" % status)[-300:])


class JetsonClocks:
    """``on`` or ``off``: all clocks at their highest. What they were is stored before, in a file of root's, since
    ``--restore`` writes as root whatever such a file says."""

    lasts = False

    def __init__(self, base: str, store: str) -> None:
        self.words = list(JETSON_CLOCKS)
        self._cpus = os.path.join(base, "sys", _CPUFREQ)
        self._store = store

    def read(self) -> str | None:
        """By what it does to the CPU: lowest and highest clock are one."""
        limits = [(file_of(folder, "scaling_min_freq"), file_of(folder, "scaling_max_freq")) for folder in self._all()]
        return ("on" if all(low == high for low, high in limits) else "off") if limits else None

    def _all(self) -> list[str]:
        names = sorted(os.listdir(self._cpus)) if os.path.isdir(self._cpus) else []
        return [os.path.join(self._cpus, name) for name in names if name.startswith("policy")]

    def write(self, value: str) -> None:
        """Raises :class:`Refused`."""
        program = command("jetson_clocks")
        if program is None:
            raise Refused("no jetson_clocks on this board")
        if not root.is_root():
            root.ask(*self.words, value)
            return
        steps = [["--restore", self._store]]
        if value == "on":
            if os.path.exists(self._store):
                os.remove(self._store)  # it would ask whether to overwrite
            steps = [["--store", self._store], []]
        for step in steps:
            status, said = root.run([program, *step])
            if status:
                raise Refused("jetson_clocks: %s" % (said or "exit status %d" % status)[-300:])


def file_of(folder: str, name: str) -> str | None:
    """The text of a file in a folder."""
    return read_text(os.path.join(folder, name))


def policies(base: str, cpus: list[int]) -> list[str]:
    """Folders of the cpufreq policies, all or those of some CPUs, by number."""
    parent = os.path.join(base, "sys", _CPUFREQ)
    names = os.listdir(parent) if os.path.isdir(parent) else []
    found = [os.path.join(parent, name) for name in names if re.match(r"policy\d+$", name)]
    found.sort(key=lambda path: (len(path), path))
    if not cpus:
        return found
    return [folder for folder in found if set(map(str, cpus)) & set((file_of(folder, "related_cpus") or "").split())]


def cpufreq(folder: str, name: str) -> SysFile:
    """A file of a policy."""
    return SysFile(os.path.join(folder, name), ["cpufreq", os.path.basename(folder), name])


def fan(base: str) -> SysFile | None:
    """The first fan that is driven by the kernel's ``pwm-fan`` and nothing else, 0 to 255; or JetPack 4's."""
    parent = os.path.join(base, "sys/class/hwmon")
    for name in sorted(os.listdir(parent)) if os.path.isdir(parent) else []:
        path = os.path.join(parent, name, "pwm1")
        if read_text(os.path.join(parent, name, "name")) == "pwmfan" and os.path.exists(path):
            return SysFile(path, ["fan", name])
    path = os.path.join(base, "sys/devices/pwm-fan/target_pwm")
    return SysFile(path, ["fan", "target"]) if os.path.exists(path) else None


def named(base: str, store: str, words: list[str]) -> Target | None:
    """What a journal names, also where the file is not there now; None for words that name nothing."""
    if words == POWER_MODE:
        return PowerMode(base)
    if words == JETSON_CLOCKS:
        return JetsonClocks(base, store)
    if len(words) == 3 and words[0] == "cpufreq" and all(re.match(r"\w+$", word) for word in words):
        return cpufreq(os.path.join(base, "sys", _CPUFREQ, words[1]), words[2])
    if words == ["fan", "target"]:
        return SysFile(os.path.join(base, "sys/devices/pwm-fan/target_pwm"), words)
    if len(words) == 2 and words[0] == "fan" and re.match(r"hwmon\d+$", words[1]):
        return SysFile(os.path.join(base, "sys/class/hwmon", words[1], "pwm1"), words)
    return None
