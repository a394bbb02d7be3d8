"""Power sensors on the board: found by a real read, and one choice of which of them is the total."""

from __future__ import annotations

import time

from remote.power import hwmon, ina3221, rapl
from remote.power.rail import Group, Rail
from remote.schema import clean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_WIDEST_FIRST = ("board_dc_in", "module_in", "soc_rails", "cpu_package")
_PROBE_S = 0.05  # RAPL moves every millisecond

_FINDERS = (ina3221.find, hwmon.find, rapl.find)


class Meter:
    """The rails that together are the total: ``read`` gives W (sampled) or J since the first read (counter)."""

    def __init__(self, group: Group) -> None:
        self.rails = group.rails
        self.scope = group.scope
        self.kind = group.rails[0].kind
        self.reader = group.rails[0].reader
        self.source = clean(" + ".join(rail.source for rail in group.rails), 2000)

    def read(self) -> float:
        """Raises OSError or ValueError when a rail does not answer."""
        return sum(rail.read() for rail in self.rails)


class Found:
    """What discovery came to: a meter or the reason why there is none, and every rail seen."""

    def __init__(self, rails: list[Rail], meter: Meter | None) -> None:
        self.meter = meter
        self.sensors = [_described(rail, meter) for rail in rails]
        self.reason = None if meter else _why_none(rails)


def _described(rail: Rail, meter: Meter | None) -> dict[str, Any]:
    used = meter is not None and rail in meter.rails
    reason = rail.reason or "another sensor includes more of the board"
    return {
        "source": clean(rail.source, 500),
        "reader": rail.reader,
        "scope": rail.scope,
        "kind": rail.kind,
        "rail": clean(rail.name, 200),
        "used": used,
        "reason": None if used else clean(reason, 1000),
        "details": {},
    }


def _why_none(rails: list[Rail]) -> str:
    if not rails:
        return "no sensor answered: this board shows no power sensor under /sys"
    return clean("no sensor answered: " + "; ".join("%s: %s" % (rail.name, rail.reason) for rail in rails), 2000)


def _watts(rail: Rail) -> float:
    """A real read. A counter is read twice; its first read only sets where it begins."""
    if rail.kind == "sampled":
        return rail.read()
    first, begin = rail.read(), time.monotonic()
    time.sleep(_PROBE_S)
    return (rail.read() - first) / (time.monotonic() - begin)


def _probe(group: Group) -> bool:
    """Whether the group answers with something that can be a power; where not, its rails get the reason."""
    total = 0.0
    for rail in group.rails:
        try:
            total += _watts(rail)
        except (OSError, ValueError) as error:
            problem = rapl.DENIED % rail.source if isinstance(error, PermissionError) else "does not answer: %s" % error
            for member in group.rails:
                member.reason = problem if member is rail else "belongs to a sum with %s" % rail.name
            return False
    if 0 < total < group.limit_w:
        return True
    for rail in group.rails:
        rail.reason = "answers %.3f W, which cannot be" % total
    return False


def discover(sys_root: str = "/sys") -> Found:
    """Look for sensors and choose the one that includes most of the board."""
    rails: list[Rail] = []
    groups: list[Group] = []
    for find in _FINDERS:
        seen, candidates = find(sys_root)
        rails += seen
        groups += candidates
    usable = [group for group in groups if _probe(group)]
    usable.sort(key=lambda group: _WIDEST_FIRST.index(group.scope))
    return Found(rails, Meter(usable[0]) if usable else None)
