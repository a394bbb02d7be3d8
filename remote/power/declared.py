"""What the inventory says about sensors whose name does not tell what their power includes (device.sensor_scopes)."""

from __future__ import annotations

from fnmatch import fnmatchcase

from remote.power.rail import Group, Rail

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def declared(rails: list[Rail], groups: list[Group], scopes: list[dict[str, Any]]) -> tuple[list[Group], list[str]]:
    """The groups with the declared ones instead of what was taken from names, and the patterns that no sensor matches.
    The rails of one line add up; a rail belongs to the first line that it matches."""
    taken: set[Rail] = set()
    made, unmatched = [], []
    for line in scopes:
        ours = [rail for rail in rails if rail.chip and rail not in taken and _matches(rail, line["match"])]
        if not ours:
            unmatched.append(line["match"])
            continue
        taken.update(ours)
        made.append(Group(line["scope"], _once(ours)))
    kept = [group for group in groups if not taken.intersection(group.rails)]
    return kept + made, unmatched


def _matches(rail: Rail, pattern: str) -> bool:
    return fnmatchcase("%s/%s" % (rail.chip, rail.name), pattern)


def _once(rails: list[Rail]) -> list[Rail]:
    """Without the power of what has an energy counter, too: added to each other they would count twice."""
    counters = [rail for rail in rails if rail.kind == "counter"]
    for rail in rails:
        rail.reason = "its energy counter is read instead" if counters and rail.kind == "sampled" else None
    return counters or rails
