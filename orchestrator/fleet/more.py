"""More processes for what is undecided: cells that seem to differ from their baseline, without proof yet.

The other half of a two-stage design: `stats.undecided` looks with a level of its own, so that looking costs the report
nothing of its level.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from orchestrator import stats
from orchestrator.fleet.kin import is_baseline, kin_of
from orchestrator.fleet.rota import Underway


def through(cells: Sequence[Underway]) -> list[Underway]:
    """Of the cells on a board, those that are done with.

    A cell that may get more processes waits until all that it is compared with have run theirs: more processes are
    worth something only on both sides, at the same time.
    """
    return [one for group in _groups(cells) if not _pending(group) for one in group if one.complete]


def undecided(cells: Sequence[Underway]) -> list[Underway]:
    """Ask the groups that have run all their processes; the cells that run on."""
    ready = [group for group in _groups(cells) if _pending(group) and all(one.complete for one in group)]
    for group in ready:
        _ask(group)
    return [one for group in ready for one in group if not one.complete]


def _groups(cells: Sequence[Underway]) -> Iterable[list[Underway]]:
    groups: dict[tuple[str, ...], list[Underway]] = {}
    for one in cells:
        groups.setdefault(kin_of(one.entry), []).append(one)
    return groups.values()


def _pending(group: Sequence[Underway]) -> bool:
    """Whether somebody is still to be asked, and there is a baseline to ask about."""
    may_ask = any(one.entry.cell.settings.scenario.extra_processes and not one.asked for one in group)
    return may_ask and any(is_baseline(one.entry) for one in group)


def _ask(group: Sequence[Underway]) -> None:
    """Once for the whole group, as the report will: all its pairs together."""
    known = [one for one in group if one.compared_ms]
    bases = [i for i, one in enumerate(known) if is_baseline(one.entry)]
    pairs = [(i, base) for base in bases[:1] for i in range(len(known)) if i != base]
    open_pairs = stats.undecided([one.compared_ms for one in known], pairs)
    for pair, open_ in zip(pairs, open_pairs, strict=True):
        for one in (known[i] for i in pair if open_):
            one.extra = one.entry.cell.settings.scenario.extra_processes
    for one in group:
        one.asked = True
