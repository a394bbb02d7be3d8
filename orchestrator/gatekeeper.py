"""``gate list|accept|replay``: what the gate alarmed for and is open, a person's word on it, and deciding it again."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from rich.console import Console

from orchestrator.console import say
from orchestrator.errors import ConfigError
from orchestrator.preview import columns
from orchestrator.regression import accepted
from orchestrator.regression.accepted import Accepted
from orchestrator.regression.decision import OPEN, REGRESSION, SYSTEM_CHANGED, UNCONFIRMED
from orchestrator.regression.entry import Entry
from orchestrator.regression.gate import FILE, replay
from orchestrator.regression.gated import FAILURE
from orchestrator.regression.series import Series
from orchestrator.result import find_sweep
from orchestrator.statuses import DIFFERENT, OK
from orchestrator.whoami import user_name
from orchestrator.words import counted


@dataclass(frozen=True, slots=True)
class Alarm:
    """One that is open: of a metric of a cell on a board, since a night."""

    cell: str
    metric: str
    board: str
    since: str
    from_s: float
    outcome: str


def alarms(root: Path) -> list[Alarm]:
    """All that are open and that nobody has accepted, by cell."""
    series, told = Series(root), accepted.read(root)
    found: dict[tuple[str, str, str], Alarm] = {}
    for cell in series.cells():
        entries = series.read(cell)
        for entry in entries:
            for metric, outcome in entry.outcomes.items():
                if outcome.outcome == UNCONFIRMED:  # says nothing, also of an alarm before
                    continue
                key = (cell, metric, "" if metric == FAILURE else str(entry.board))
                if outcome.outcome not in (REGRESSION, SYSTEM_CHANGED, OPEN):
                    found.pop(key, None)
                    continue
                since = outcome.since or entry.night
                found[key] = Alarm(*key, since, _at(entries, since, entry), outcome.outcome)
    return [one for one in found.values() if not _is_accepted(one, told.get((one.cell, one.metric, one.board)))]


def _at(entries: Sequence[Entry], night: str, otherwise: Entry) -> float:
    return next((one.at_s for one in entries if one.night == night), otherwise.at_s)


def _is_accepted(alarm: Alarm, told: Accepted | None) -> bool:
    return told is not None and told.covers(alarm.from_s)


def listed(console: Console, root: Path) -> int:
    """A line for each open alarm."""
    found = alarms(root)
    if not found:
        say(console, "no alarm is open")
        return OK
    head = ["cell", "metric", "board", "since"]
    for line in columns(head, [[one.cell, one.metric, one.board, one.since] for one in found], right=()):
        say(console, *line)
    say(console, "if that is how it is meant to be: python -m orchestrator gate accept CELL --why '...'")
    return OK


def accept(console: Console, root: Path, cells: Sequence[str], every: bool, why: str) -> int:
    """What is alarmed for is the new level of these cells (globs), from the night on in which it began.

    Raises ConfigError where no open alarm is of any of them.
    """
    if not cells and not every:
        raise ConfigError("which cells?", hint="their ids as 'gate list' shows them, globs such as 'pi4/*', or --all")
    found = [one for one in alarms(root) if every or any(fnmatchcase(one.cell, glob) for glob in cells)]
    if not found:
        raise ConfigError("no open alarm is of these cells", hint="'gate list' shows those that are open")
    for one in found:
        accepted.add(root, Accepted(one.cell, one.metric, one.board, one.from_s, time.time(), user_name(), why))
        say(console, ("accepted", "green"), f" {one.cell}, {one.metric}: its level since {one.since} is the baseline")
    say(console, f"{counted(len(found), 'alarm')} accepted; three nights on, the gate has a baseline there again")
    return OK


def replayed(console: Console, root: Path, names: Sequence[str]) -> int:
    """Decide stored nights again; 3 where a decision is another one."""
    status = OK
    for name in names or ["last"]:
        directory = find_sweep(root, name)
        found = replay(root, directory)
        differing = found.differing
        words = f"{counted(len(found.then), 'decision')} of {directory.name}"
        if not differing:
            say(console, ("the same", "green"), f": {words}, from {FILE} and the history of the cells")
            continue
        status = DIFFERENT
        say(console, (f"{len(differing)} differ", "bold red"), f" of {words}")
        for then, now in differing:
            one = then or now
            assert one is not None
            before, after = (side.outcome if side else "no decision" for side in (then, now))
            say(console, f"  {one.cell}, {one.metric}: {before} -> {after}")
    return status
