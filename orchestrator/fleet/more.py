"""More processes for what is undecided: cells that seem to differ from their baseline, without proof yet.

The other half of a two-stage design: `stats.undecided` looks with a level of its own, so that looking costs the report
nothing of its level.
"""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator import stats
from orchestrator.fleet.kin import is_baseline, kin_of
from orchestrator.fleet.rota import Underway


def through(cells: Sequence[Underway]) -> list[Underway]:
    """Of the cells on a board, those that are done with; the undecided ones among the others get more processes.

    A cell that may get some waits until all that it is compared with have run theirs: more processes are worth
    something only on both sides, at the same time.
    """
    groups: dict[tuple[str, ...], list[Underway]] = {}
    for one in cells:
        groups.setdefault(kin_of(one.entry), []).append(one)
    return [one for group in groups.values() for one in _through(group)]


def _through(group: Sequence[Underway]) -> list[Underway]:
    complete = [one for one in group if one.complete]
    may_ask = [one for one in group if one.entry.cell.settings.scenario.extra_processes and not one.asked]
    if not any(is_baseline(one.entry) for one in group) or not may_ask:
        return complete
    if len(complete) < len(group):
        return []
    _ask(group)
    return [one for one in group if one.complete]


def _ask(group: Sequence[Underway]) -> None:
    """Once for the whole group, as the report will: all its pairs together."""
    known = [one for one in group if one.compared_ms]
    bases = [i for i, one in enumerate(known) if is_baseline(one.entry)]
    pairs = [(i, base) for base in bases[:1] for i in range(len(known)) if i != base]
    undecided = stats.undecided([one.compared_ms for one in known], pairs)
    for pair, open_ in zip(pairs, undecided, strict=True):
        for one in (known[i] for i in pair if open_):
            one.extra = one.entry.cell.settings.scenario.extra_processes
    for one in group:
        one.asked = True
