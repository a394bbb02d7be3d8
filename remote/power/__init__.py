"""Power sensors on the board: found by a real read, and which of them together are a total of a known scope.

Nothing is written, no permission is changed, no module is loaded.
"""

from __future__ import annotations

import time

from remote.contract import SCOPES
from remote.power import battery, hwmon, ina3221, nvml, pmic, rapl
from remote.power.counter import CounterEnded
from remote.power.declared import declared
from remote.power.rail import Group, Rail
from remote.schema import clean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Iterable

__all__ = ["CounterEnded", "Found", "Meter", "discover"]

RATE_HZ = 10.0
LEAST_OF_INTERVAL, MOST_OF_INTERVAL = 0.5, 1.5
"""Of the nominal interval: a fixed rate that beats with the inferences can be off by half, however long the window."""
MAX_TRACES = 20
MAX_SENSORS = 256

_STEP_S, _STEPS = 0.05, 6  # RAPL moves every millisecond, a GPU's counter every tenth of a second

_FINDERS = (ina3221.find, hwmon.find, rapl.find, pmic.find, battery.find, nvml.find)


class Meter:
    """The rails that together are a total: ``read`` gives W (sampled) or J since the start (counter)."""

    def __init__(self, group: Group) -> None:
        self.rails = group.rails
        self.scope = group.scope
        self.kind = group.rails[0].kind
        self.reader = group.rails[0].reader
        self._limit_w = group.limit_w
        self.source = clean(" + ".join(rail.source for rail in group.rails), 2000)
        update_s = max(rail.update_s for rail in group.rails)
        self.interval_s = max(1 / RATE_HZ, update_s / LEAST_OF_INTERVAL)  # the shortest one: no faster than the chip

    def start(self) -> None:
        """Counters begin at 0 J: what has passed since they were probed is not of interest, a wrap included."""
        for rail in self.rails:
            if rail.counter:
                rail.counter.restart()

    def read(self) -> float:
        """Raises OSError or ValueError when a rail does not answer, CounterEnded when it never will."""
        value = sum([rail.read() for rail in self.rails])
        if self.kind == "sampled" and abs(value) >= self._limit_w:
            raise ValueError("answers %.3f W, which cannot be" % value)
        return value

    def described(self) -> dict[str, Any]:
        """As the record's trace begins."""
        rate_hz = round(1 / self.interval_s, 6)
        return {
            "source": self.source,
            "reader": self.reader,
            "scope": self.scope,
            "kind": self.kind,
            "rate_hz": min(1e6, max(0.001, rate_hz)),
        }


class Found:
    """What discovery came to: the meters, the widest scope first, or the reason why there is none, and every rail."""

    def __init__(self, rails: list[Rail], meters: list[Meter], unmatched: Iterable[str] = ()) -> None:
        self.meters = meters
        read = {rail for meter in meters for rail in meter.rails}
        self.sensors = [_described(rail, rail in read) for rail in rails][:MAX_SENSORS]
        self.reason = None if meters else _why_none(rails, list(unmatched))


def _described(rail: Rail, used: bool) -> dict[str, Any]:
    return {
        "source": clean(rail.source, 500),
        "reader": rail.reader,
        "scope": rail.scope,
        "kind": rail.kind,
        "rail": clean(rail.name, 200),
        "used": used,
        "reason": None if used else clean(rail.reason or "more sensors than are read at once", 1000),
        "details": {name: clean(value, 200) for name, value in list(rail.details.items())[:20]},
    }


def _why_none(rails: list[Rail], unmatched: list[str]) -> str:
    why = "no sensor answered: " + "; ".join("%s: %s" % (rail.name, rail.reason) for rail in rails)
    if not rails:
        why = "no sensor answered: this board shows no power sensor under /sys, by vcgencmd or by NVML"
    if unmatched:
        why += "; no sensor matches %s of device.sensor_scopes" % ", ".join("'%s'" % one for one in unmatched)
    return clean(why, 2000)


def _watts(rail: Rail) -> float:
    """A real read. A counter is read until it moves; its first read only sets where it begins."""
    if rail.kind == "sampled":
        return rail.read()
    first, begin, passed = rail.read(), time.monotonic(), 0.0
    for _ in range(_STEPS):
        time.sleep(_STEP_S)
        passed = rail.read() - first
        if passed > 0:
            break
    return passed / (time.monotonic() - begin)


def _probe(group: Group) -> bool:
    """Whether the group answers with something that can be a power; where not, its rails get the reason."""
    total = 0.0
    for rail in group.rails:
        try:
            total += _watts(rail)
        except (OSError, ValueError) as error:
            problem = rail.denied if isinstance(error, PermissionError) else "does not answer: %s" % error
            for member in group.rails:
                member.reason = problem if member is rail else "belongs to a sum with %s" % rail.name
            return False
    if 0 < total < group.limit_w:
        return True
    for rail in group.rails:
        rail.reason = "answers %.3f W, which cannot be" % total
    return False


def _found(find: Callable[[str], tuple[list[Rail], list[Group]]], sys_root: str) -> tuple[list[Rail], list[Group]]:
    """What one kind of sensor comes to. Where it cannot even be looked for, it is listed with the reason."""
    try:
        return find(sys_root)
    except Exception as error:  # noqa: BLE001 - whatever a driver may answer: the other kinds go on
        kind = find.__module__.rpartition(".")[2]
        rail = Rail(kind, kind, lambda: 0.0)
        rail.reason = "cannot be looked for: %s: %s" % (type(error).__name__, error)
        return [rail], []


def discover(sys_root: str = "/sys", scopes: list[dict[str, Any]] | None = None) -> Found:
    """Look for sensors and try them; ``scopes`` is the job's ``sensor_scopes``."""
    rails: list[Rail] = []
    groups: list[Group] = []
    for find in _FINDERS:
        seen, candidates = _found(find, sys_root)
        rails += seen
        groups += candidates
    groups, unmatched = declared(rails, groups, scopes or [])
    usable = [group for group in groups if _probe(group)]
    usable.sort(key=lambda group: -SCOPES.index(group.scope))
    return Found(rails, [Meter(group) for group in usable[:MAX_TRACES]], unmatched)
