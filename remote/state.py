"""What a board is like now, as one line of JSON: a sample as in a measurement, and what a health check asks beside it.

It needs no hold, changes no setting and writes no file.
"""

from __future__ import annotations

import glob
import json
import os
import struct
import time

from remote.board import State
from remote.schema import clean, fields, flag, integer, many, maybe, number, text, texts
from remote.tune.root import SCRIPT, is_root
from remote.tune.settings import one_of
from remote.tune.targets import file_of, policies

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict

_SAMPLED = ("temperature_c", "cpu_mhz", "throttled", "gpu_mhz", "fan_rpm", "over_current", "throttle_events")
_NAME = 200
_MAX_PROPERTY = 4096
_count = integer(0, 10**12)

_STATE = fields(
    {
        "temperature_c": maybe(number(-100, 300)),
        "cpu_mhz": maybe(many(number(0, 100_000), 1024)),
        "governor": maybe(text(_NAME)),  # of all policies, several where they differ
        "governors": many(text(_NAME), 64),  # that every policy has
        "throttled": maybe(integer(0, 2**32 - 1)),  # the Raspberry Pi's bits
        "gpu_mhz": maybe(number(0, 100_000)),
        "fan_rpm": maybe(number(0, 1e6)),
        "over_current": maybe(_count),
        "throttle_events": maybe(_count),
        "supply_ma": maybe(integer(0, 100_000)),  # what a Raspberry Pi 5 was promised by its supply
        "rtc": flag,  # whether a clock goes on without power
        "may_tune": flag,  # by itself, or by the one script that root has put there
        "missing": texts(20, 500),
        "time_s": number(0, 1e11),  # since 1970, on the board's wall clock, just before the line was written
    }
)


def main(arguments: list[str]) -> int:
    """``state [ROOT]``: print the line. ``ROOT`` is ``/``, but for tests."""
    told = gathered(arguments[0] if arguments else "/")
    told["time_s"] = time.time()
    print(json.dumps({"ok": told}, allow_nan=False))
    return 0


def checked(told: object) -> Dict[str, Any]:
    """What a board has answered, checked field by field; raises :class:`remote.schema.ContractError`."""
    state: Dict[str, Any] = _STATE(told, "state")
    return state


def gathered(root: str) -> Dict[str, Any]:
    """All but the time."""
    state = State(os.path.join(root, "sys"), os.path.join(root, "proc"))
    state.fire(whole=True)
    sample, folders = state.samples[0], policies(root, [])
    there = [set((file_of(folder, "scaling_available_governors") or "").split()) for folder in folders]
    governors = [file_of(folder, "scaling_governor") for folder in folders] or [sample["governor"]]
    return {
        **{name: sample[name] for name in _SAMPLED},
        "governor": clean(one_of(governors) or "", _NAME) or None,
        "governors": sorted(clean(name, _NAME) for name in set.intersection(*there))[:64] if there else [],
        "supply_ma": _cell(os.path.join(root, "proc/device-tree/chosen/power/max_current")),
        "rtc": bool(glob.glob(os.path.join(root, "sys/class/rtc/rtc[0-9]*"))),
        "may_tune": is_root() or os.path.exists(SCRIPT),
        "missing": state.missing,
    }


def _cell(path: str) -> int | None:
    """A number of the device tree: four bytes, the highest first."""
    try:
        with open(path, "rb") as stream:
            found = int(struct.unpack(">I", stream.read(_MAX_PROPERTY))[0])
    except (OSError, struct.error):
        return None
    return found if found <= 100_000 else None
