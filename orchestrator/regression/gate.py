"""The gate of a night: all its cells, from their history to decisions that can be made again from what is stored."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from orchestrator.errors import MeasurementError
from orchestrator.lines import DAMAGED
from orchestrator.regression import accepted as acceptances
from orchestrator.regression.accepted import Accepted
from orchestrator.regression.cell import Case, outcomes
from orchestrator.regression.decision import Decision
from orchestrator.regression.entry import Entry, entry_of
from orchestrator.regression.question import Rerun
from orchestrator.regression.series import Series
from orchestrator.result import DONE, FAILED, Result, Sweep, write_json
from orchestrator.unattended import Gate

FILE = "gate.json"
VERSION = 1


@dataclass(frozen=True, slots=True)
class Judgement:
    """The decisions of a night, and the cases they are of."""

    cases: tuple[Case, ...]
    decisions: tuple[Decision, ...]


def cases(gate: Gate, root: Path, sweep: Sweep, results: Iterable[Result]) -> list[Case]:
    """One for each cell that came to something tonight, with what is known of it from before."""
    series, told = Series(root), acceptances.read(root).values()
    nights = [entry_of(result, sweep) for result in results if result.status in (DONE, FAILED)]
    return [_case(gate, series.read(night.cell), told, night) for night in nights]


def _case(
    gate: Gate, entries: Sequence[Entry], told: Iterable[Accepted], tonight: Entry, rerun: Rerun | None = None
) -> Case:
    past = tuple(one for one in entries if one.at_s < tonight.at_s)
    mine: dict[str, tuple[Accepted, ...]] = {}
    for one in told:
        if one.cell == tonight.cell:
            mine[one.metric] = (*mine.get(one.metric, ()), one)
    return Case(gate, past, tonight, mine, rerun)


def judged(cases: Sequence[Case]) -> Judgement:
    """Decide about all of them; what needs a re-run and has none is not confirmed."""
    return Judgement(tuple(cases), tuple(decision for case in cases for decision in case.judged().values()))


def keep(root: Path, sweep: Sweep, found: Judgement) -> None:
    """The night in the history of its cells, and the decisions with all they were made from. Raises OSError."""
    gate = found.cases[0].gate if found.cases else Gate()
    stored = {
        "version": VERSION,
        "night": sweep.id,
        "decided_s": sweep.ended_s,
        "gate": asdict(gate),
        "reruns": {case.tonight.cell: case.rerun.to_json() for case in found.cases if case.rerun is not None},
        "accepted": [one.to_json() for case in found.cases for those in case.accepted.values() for one in those],
        "decisions": [one.to_json() for one in found.decisions],
    }
    write_json(sweep.directory / FILE, stored)
    series = Series(root)
    for case in found.cases:
        series.add(case.tonight.judged(outcomes(case.judged())))


@dataclass(frozen=True, slots=True)
class Replayed:
    """The decisions of a stored night as they were, and as the rule makes them now from the same inputs."""

    then: tuple[Decision, ...]
    now: tuple[Decision, ...]

    @property
    def differing(self) -> list[tuple[Decision | None, Decision | None]]:
        """Those that are not the same any more, by cell and metric."""
        keys = {(one.cell, one.metric): [one, None] for one in self.then}
        pairs: dict[tuple[str, str], list[Decision | None]] = {key: list(pair) for key, pair in keys.items()}
        for one in self.now:
            pairs.setdefault((one.cell, one.metric), [None, None])[1] = one
        return [(a, b) for a, b in pairs.values() if a is None or b is None or _plain(a) != _plain(b)]


def replay(root: Path, directory: Path) -> Replayed:
    """Decide a stored night again, from its own file and the history before it.

    Raises:
        MeasurementError: it has no decisions, or they cannot be read.
    """
    path = directory / FILE
    try:
        stored: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if stored["version"] != VERSION:
            raise ValueError(f"version {stored['version']}")
        gate, night = Gate(**stored["gate"]), str(stored["night"])
        reruns = {cell: Rerun.from_json(one) for cell, one in stored["reruns"].items()}
        told = [Accepted(**one) for one in stored["accepted"]]
        then = tuple(Decision.from_json(one) for one in stored["decisions"])
    except (OSError, *DAMAGED) as error:
        raise MeasurementError(f"{path} cannot be read: {error}", hint="only a night has decisions") from error
    series = Series(root)
    now: list[Decision] = []
    for cell in dict.fromkeys(one.cell for one in then):
        entries = series.read(cell)
        tonight = next((one for one in entries if one.night == night), None)
        if tonight is None:
            continue
        bare = replace(tonight, outcomes={})
        case = _case(gate, entries, told, bare, reruns.get(cell))
        now += case.judged().values()
    return Replayed(then, tuple(now))


def _plain(decision: Decision) -> Any:
    """As it is stored: tuples and lists are the same there."""
    return json.loads(json.dumps(decision.to_json()))
