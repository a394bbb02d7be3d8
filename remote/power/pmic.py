"""The power management chip of a Raspberry Pi 5, 500 and CM5, by ``vcgencmd pmic_read_adc``; no file of /sys has it.

Lines such as ``3V3_SYS_A current(1)=0.05562000A`` and ``3V3_SYS_V volt(9)=3.31600000V`` (some firmware writes
``voltage``). Rails with current and voltage add up to what the regulators give. That leaves out the 5 V rail (USB,
HATs, NVMe, fan) and the losses of conversion. EXT5V and BATT have a voltage only.
"""

from __future__ import annotations

import errno
import re
import subprocess

from remote.power.rail import Group, Rail
from remote.process import command

_LINE = re.compile(r"^\s*(\w+)_([AV])\s+(?:current|volt|voltage)\(\d+\)=(-?[0-9.]+)[AV]\s*$", re.MULTILINE)
_TIMEOUT_S = 1.0  # it takes a few ms
_CLOSED = ("can't open device file", "vchi initialization failed", "permission denied")
_DENIED = "vcgencmd says '%s': add the user to the group of its device: sudo usermod -aG video $USER, then log in again"


def _ask(program: str) -> dict[str, dict[str, float]]:
    """Rail name to its ``A`` and ``V``. Raises OSError: without an answer, or where the device is closed to this user
    (PermissionError)."""
    try:
        done = subprocess.run(
            [program, "pmic_read_adc"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_TIMEOUT_S,
            close_fds=False,  # the cheaper way to start a process
        )
    except subprocess.TimeoutExpired:
        raise TimeoutError(errno.ETIMEDOUT, "vcgencmd did not answer within %g s" % _TIMEOUT_S) from None
    text = done.stdout.decode("utf-8", "replace")
    if any(words in text.lower() for words in _CLOSED):
        raise PermissionError(errno.EACCES, text.strip().partition("\n")[0][:200])
    rails: dict[str, dict[str, float]] = {}
    for name, unit, value in _LINE.findall(text):
        rails.setdefault(name, {})[unit] = float(value)
    return rails


def _rail(program: str, names: list[str], rails: dict[str, dict[str, float]]) -> Rail:
    def read() -> float:
        now = _ask(program)
        missing = [name for name in names if len(now.get(name, ())) < 2]
        if missing:  # a sum without them would be short
            raise ValueError("vcgencmd does not say %s any more" % ", ".join(missing))
        return sum(now[name]["A"] * now[name]["V"] for name in names)

    rail = Rail("pmic:%s pmic_read_adc" % program, "sum of %d rails" % len(names), read)
    rail.details = {"rails": " ".join(names)[:200]}
    rail.details.update({name + "_V": "%.3f V" % both["V"] for name, both in rails.items() if "A" not in both})
    return rail


def find(sys_root: str) -> tuple[list[Rail], list[Group]]:
    """The sum of all rails; nothing on a board that has none."""
    program = command("vcgencmd")
    if program is None:
        return [], []
    try:
        rails = _ask(program)
    except OSError as error:
        said = error.strerror or str(error)
        return [_silent(program, _DENIED % said if isinstance(error, PermissionError) else said)], []
    names = sorted(name for name, both in rails.items() if len(both) == 2)
    if not names:
        return [], []
    rail = _rail(program, names, rails)
    return [rail], [Group("soc_rails", [rail])]


def _silent(program: str, reason: str) -> Rail:
    rail = Rail("pmic:%s pmic_read_adc" % program, "PMIC", lambda: 0.0)
    rail.scope, rail.reason = "soc_rails", reason
    return rail
