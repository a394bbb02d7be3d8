"""All that the gate decides about one cell in one night: whether it fails now, and each of its metrics."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from orchestrator import stats
from orchestrator.regression import decision as d
from orchestrator.regression.accepted import Accepted, of_board
from orchestrator.regression.decide import TOGETHER, decide, suspicious
from orchestrator.regression.decision import Decision, Point
from orchestrator.regression.entry import Entry, Outcome
from orchestrator.regression.gated import FAILURE, GATED
from orchestrator.regression.question import MINIMUM, Question, Rerun
from orchestrator.regression.since import changed_between
from orchestrator.result import DONE
from orchestrator.unattended import Gate

CREEP = 5
"""Nights at either end of a history that are held against each other."""
Judged = Mapping[str, Decision]
"""By metric."""


@dataclass(frozen=True, slots=True)
class Case:
    """One cell tonight, and what is needed to decide about it; ``accepted`` by metric, of whatever boards."""

    gate: Gate
    past: tuple[Entry, ...]
    tonight: Entry
    accepted: Mapping[str, tuple[Accepted, ...]]
    rerun: Rerun | None = None

    def judged(self) -> dict[str, Decision]:
        """A decision for each metric that the cell has tonight, and one for the cell as a whole where it failed."""
        found = {name: decide(self._question(name)) for name in GATED if name in self.tonight.values}
        if (failure := self._failure()) is not None:
            found[FAILURE] = failure
        return found

    @property
    def needs_rerun(self) -> bool:
        """Whether anything waits for one."""
        return self.rerun is None and any(map(suspicious, self.judged().values()))

    @property
    def last_good(self) -> Entry | None:
        """The last night before what is suspicious began; of a pinned sweep, that one.

        A change that is small against the noise may have passed some nights: where one of the last nights had another
        artifact or runtime than tonight, it is the newest of those.
        """
        found = {name: one for name, one in self.judged().items() if suspicious(one)}
        if self.gate.pinned is not None:
            return next((one for one in self.past if one.night == self.gate.pinned), None)
        begun_s = min((self._time_of(one.since) for one in found.values()), default=math.inf)
        good = [one for one in self.past if one.counts and all(self._is_good(one, name) for name in found)]
        good = [one for one in good if one.at_s < begun_s] or good
        mine = [one for one in good if one.who == self.tonight.who]
        some = (mine or good)[-TOGETHER:]
        other = [one for one in some if one.made_of != self.tonight.made_of]
        return (other or some)[-1] if some else None

    def _time_of(self, night: str | None) -> float:
        return next((one.at_s for one in self.past if one.night == night), math.inf)

    def crept(self) -> list[str]:
        """Metrics that got worse by more than the threshold, so slowly that no night did it: first nights against last.

        Of the same board, all through its history. It is told, and is no alarm: nobody can say which night it was.
        """
        told = []
        for name, gated in GATED.items():
            mine = [one for one in (*self.past, self.tonight) if one.who == self.tonight.who and one.counts]
            good = [one.values[name].value for one in mine if name in one.values and self._is_good(one, name)]
            if len(good) < 4 * CREEP:
                continue
            first, last = (stats.median([gated.scaled(x) for x in some]) for some in (good[:CREEP], good[-CREEP:]))
            if last - first > gated.limit(self.gate):
                change = f"{gated.change(last - first):+.1%}"
                told.append(f"{self.tonight.cell} on {self.tonight.board}: {gated.label} has crept by {change} over "
                            f"{len(good)} nights, none of which stands out")  # fmt: skip
        return told

    def _is_good(self, entry: Entry, name: str) -> bool:
        return entry.is_good(name, self.accepted.get(name, ())) and (name == FAILURE or name in entry.values)

    def _question(self, metric: str) -> Question:
        return Question(metric, self.gate, self.past, self.tonight, self.rerun, self.accepted.get(metric, ()))

    def _failure(self) -> Decision | None:
        """The benchmark failed by itself. Infrastructure says nothing about the cell."""
        tonight = self.tonight
        before = [one for one in self.past if one.status == DONE or one.error is not None]
        earlier = before[-1].outcomes.get(FAILURE) if before else None
        is_open = earlier is not None and earlier.outcome in (d.REGRESSION, d.SYSTEM_CHANGED, d.OPEN)
        accepted = of_board(self.accepted.get(FAILURE, ()), "")
        if is_open and accepted is not None and before[-1].at_s <= accepted.at_s:
            is_open = False
        begin = Decision(tonight.cell, FAILURE, d.NO_HISTORY, "", board=tonight.board, history=self._failures(before))
        if tonight.error is None:
            if is_open and tonight.status == DONE:
                return replace(begin, outcome=d.CLOSED, why="it has a result again")
            return None
        if is_open and earlier is not None:
            return replace(begin, outcome=d.OPEN, why=tonight.error, since=earlier.since)
        while before and before[-1].status != DONE:  # failing since then, without anybody who could tell why
            before = before[:-1]
        row = before[-MINIMUM:]
        if len(row) < MINIMUM or not all(one.status == DONE for one in row):
            return replace(begin, why=f"{tonight.error}; it had no results in {MINIMUM} nights in a row before")
        at = replace(begin, since=tonight.night, changed=changed_between(row[-1], tonight))
        return self._fails(at, tonight.error)

    def _fails(self, begin: Decision, error: str) -> Decision:
        """It had results, and fails."""
        rerun = self.rerun
        if rerun is None or rerun.now is None:
            why = rerun.why if rerun is not None else "it was not run again"
            return replace(begin, outcome=d.UNCONFIRMED, why=f"{error}, and not confirmed: {why}", inputs={"nights": 1})
        begin = replace(begin, inputs={"rerun": {"now": rerun.now.error, "last": rerun.last and rerun.last.error,
                                                 "same": rerun.same}})  # fmt: skip
        if rerun.now.status == DONE:
            return replace(begin, outcome=d.STEADY, why=f"{error}; it passed when it was run again", changed=())
        if rerun.now.error is None:
            return replace(begin, outcome=d.UNCONFIRMED, why=f"{error}, and not confirmed: the re-run came to no end")
        if rerun.last is not None and rerun.last.status == DONE:
            return replace(begin, outcome=d.REGRESSION, why=f"{error}; the last good one beside it does not fail")
        if rerun.same or (rerun.last is not None and rerun.last.error is not None):
            return replace(
                begin, outcome=d.SYSTEM_CHANGED, why=f"{error}; the last good artifact and runtime fail, too"
            )
        why = f"{error}, again when it was run again; whose fault, nobody can tell: the last good one: {rerun.why}"
        return replace(begin, outcome=d.SYSTEM_CHANGED, why=why)

    def _failures(self, before: Sequence[Entry]) -> tuple[Point, ...]:
        nights = [*before[-20:], self.tonight]
        return tuple(Point(one.night, one.at_s, None, board=one.board, good=one.status == DONE) for one in nights)


def outcomes(judged: Judged) -> dict[str, Outcome]:
    """What a history keeps of the decisions."""
    return {name: Outcome(one.outcome, one.since, bool(one.inputs.get("refuted"))) for name, one in judged.items()}
