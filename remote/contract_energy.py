"""The contract about energy: the sensors of a board, and the pass with its idle, its windows and their readings."""

from __future__ import annotations

from remote.schema import (
    ContractError,
    all_of,
    fields,
    flag,
    integer,
    integers,
    many,
    maybe,
    number,
    one_of,
    pair,
    text,
    texts,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_VALUES = 4_000_000  # raw durations of one process: an hour of calls of 1 ms
MAX_SAMPLES = 200_000
MAX_WINDOWS = 100
MOST_W = 10_000.0  # of a sampled trace, either way: far beyond any board

SCOPES = ("gpu_board", "cpu_package", "soc_rails", "module_in", "board_dc_in", "wall_ac")
"""What a power includes, the narrowest first."""
KINDS = ("sampled", "counter")
"""Of a trace: points in W, or in J since its first reading."""

_ns = integer()
_seconds = number(0, 1e15)
_name = text(200)
_count = integer(0, 10**12)

_SENSOR = fields(
    {
        "source": text(500),
        "reader": _name,  # which kind of sensor: ina3221, hwmon, rapl, ...
        "scope": maybe(one_of(*SCOPES)),  # null: nobody can say what it includes, so it is not used
        "kind": one_of(*KINDS),
        "rail": _name,
        "used": flag,
        "reason": maybe(text(1000)),
        "details": texts(20, 200),  # how the chip is set: its shunt, its averaging
    }
)


def _lasting(value: Any, path: str) -> Any:
    if not value["begin_s"] < value["end_s"]:
        raise ContractError(path, "it ends at %r s, and begins at %r s" % (value["end_s"], value["begin_s"]))
    return value


def _counted(value: Any, path: str) -> Any:
    calls = value["group"] * len(value["invoke_ns"])
    if value["inferences"] != calls:
        raise ContractError(path + ".inferences", "%d are not the %d of invoke_ns" % (value["inferences"], calls))
    if not any(value["invoke_ns"]):
        raise ContractError(path + ".invoke_ns", "they took no time")
    return value


def _possible(value: Any, path: str) -> Any:
    if value["kind"] == "sampled":
        for index, (_, watts) in enumerate(value["points"]):
            if abs(watts) > MOST_W:
                raise ContractError("%s.points[%d][1]" % (path, index), "no board takes %g W" % watts)
    return value


_SPAN = all_of(fields({"begin_s": _seconds, "end_s": _seconds}), _lasting)

_WINDOW = all_of(
    fields(
        {
            "begin_s": _seconds,
            "end_s": _seconds,
            "inferences": integer(1, 10**12),
            "group": integer(1, 10**9),
            "invoke_ns": integers(MAX_VALUES),
            "cpu_ns": _ns,
        }
    ),
    _lasting,
    _counted,
)

_TRACE = all_of(
    fields(
        {
            "source": text(2000),
            "reader": _name,
            "scope": one_of(*SCOPES),
            "kind": one_of(*KINDS),
            "rate_hz": number(0.001, 1e6),  # nominal
            "points": many(pair(_seconds, number(-1e5, 1e12)), MAX_SAMPLES),  # CLOCK_MONOTONIC s, W or J
            "missed": _count,  # readings that gave no value
            "problem": maybe(text(1000)),  # of the last one of them
        }
    ),
    _possible,
)

_PASS = fields(
    {
        "idle": many(_SPAN, 2),  # loaded and ready, not invoking: before the windows, and after
        "windows": many(_WINDOW, MAX_WINDOWS, 1),
        "traces": many(_TRACE, 20),
    }
)

ENERGY_RECORD = fields({"sensors": many(_SENSOR, 256), "pass": maybe(_PASS), "reason": maybe(text(2000))})
"""The record's ``energy``."""


def check_energy(data: object) -> None:
    """The record's ``energy`` alone; raises :class:`ContractError`."""
    ENERGY_RECORD(data, "record.energy")
