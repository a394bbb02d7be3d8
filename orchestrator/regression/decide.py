"""From a night and its history to a decision: a function of what is given, and of nothing else.

Tonight's value, or the mean of the last two or three nights, has to be worse than the baseline by more than the
threshold and by more than chance. Then the cell is run again, beside the last good artifact and runtime, on the same
board at the same time. Only what is worse than those is a regression; where both are worse than history it is the
system that changed; where neither is, it was the night.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from orchestrator import stats
from orchestrator.regression import decision as d
from orchestrator.regression.accepted import of_board
from orchestrator.regression.decision import Decision, Point
from orchestrator.regression.entry import Entry
from orchestrator.regression.question import MINIMUM, Baseline, Question, Rerun, baseline, comparable, sample_error
from orchestrator.regression.since import changed_between, words_of
from orchestrator.regression.steps import last_rise
from orchestrator.stats import student

TOGETHER = 3
"""Nights at most whose mean is looked at: a change that is small against the noise shows after some."""
SHOWN = 60
"""Nights of a trend."""


def decide(question: Question) -> Decision:
    """Decide about one metric of a cell that has a value tonight."""
    tonight, metric = question.tonight, question.metric
    past = comparable(question)
    begin = _begun(question, past)
    earlier = _open(question, past)
    if not tonight.counts:
        why = f"tonight's measurement is invalid: {'; '.join(tonight.reasons)}"
        if earlier is None:
            return replace(begin, outcome=d.UNCONFIRMED, why=why)
        since = earlier.outcomes[metric].since
        return replace(begin, outcome=d.OPEN, why=f"open since {since}; {why}", since=since)
    base = baseline(question, past)
    if base is None:
        nights = sum(one.is_good(metric, question.accepted) for one in past)
        return replace(begin, why=f"{nights} of at least {MINIMUM} earlier nights under the same controls")
    x = question.gated.scaled(tonight.values[metric].value)
    begin = _against(begin, question, base, x)
    if earlier is not None:
        return _still(begin, question, base, past, earlier)
    looked = _look(question, past, base, x)
    if looked is None:
        return _usual(begin, question, base, x)
    return _confirmed(begin, question, looked, past)


def suspicious(decision: Decision) -> bool:
    """Whether it waits for a re-run."""
    return decision.outcome == d.UNCONFIRMED and "nights" in decision.inputs and decision.inputs.get("rerun") is None


# -- tonight against history ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Look:
    """What was worse: the mean of the last ``nights`` nights, against the baseline before them."""

    nights: int
    base: Baseline


def _look(question: Question, past: Sequence[Entry], base: Baseline, x: float) -> _Look | None:
    """The fewest nights whose mean is worse, if any is. Tonight itself has to be on that side."""
    limit = question.gated.limit(question.gate)
    recent: list[float] = [x]
    for nights in range(1, (TOGETHER if question.gate.pinned is None else 1) + 1):
        before = base if nights == 1 else baseline(question, past, leave=nights - 1)
        if before is None or before.own != base.own or len(base.values) < nights - 1:
            return None
        recent = [*base.values[len(base.values) - (nights - 1) :], x]
        excess = math.fsum(recent) / nights - before.center
        alone = x - before.center > (limit if nights == 1 else limit / 2)
        if alone and excess > limit and (question.gated.exact or excess > before.critical() * before.error(nights)):
            return _Look(nights, before)
    return None


def _usual(begin: Decision, question: Question, base: Baseline, x: float) -> Decision:
    limit = question.gated.limit(question.gate)
    better = base.center - x
    if base.own and better > limit and better > base.critical() * base.error():
        return replace(begin, outcome=d.IMPROVED, why=f"{_percent(begin)} against {_nights(base)}")
    return replace(begin, outcome=d.STEADY, why=f"{_percent(begin)} against {_nights(base)}: within what is usual")


# -- the re-run ----------------------------------------------------------------------------------------------------


def _confirmed(begin: Decision, question: Question, looked: _Look, past: Sequence[Entry]) -> Decision:
    rerun, gated = question.rerun, question.gated
    begin = _against(begin, question, looked.base, gated.scaled(_value(question.tonight, question)))
    begin = _stepped(replace(begin, inputs={**begin.inputs, "nights": looked.nights}), question, past, looked.base)
    worse = f"{_percent(begin)} against {_nights(looked.base)}"
    if gated.exact:
        return replace(
            begin, outcome=d.REGRESSION, why=f"{worse}; a {gated.label} has no noise, so nothing is run again"
        )
    if rerun is None or rerun.now is None:
        why = rerun.why if rerun is not None else "it was not run again"
        return replace(begin, outcome=d.UNCONFIRMED, why=f"{worse}, and not confirmed: {why}")
    begin = replace(begin, inputs={**begin.inputs, "rerun": _told(question, rerun)})
    if question.metric not in rerun.now.values or not rerun.now.counts:
        why = f"when it was run again it gave no valid {gated.label}: {_why_not(rerun.now)}"
        return replace(begin, outcome=d.UNCONFIRMED, why=f"{worse}, and not confirmed: {why}")
    return _beside(begin, question, looked.base, rerun, worse)


def _beside(begin: Decision, question: Question, base: Baseline, rerun: Rerun, worse: str) -> Decision:
    """Tonight's artifact and runtime, run again, against history and against the last good ones."""
    gated, limit = question.gated, question.gated.limit(question.gate)
    assert rerun.now is not None
    again = gated.scaled(rerun.now.values[question.metric].value)
    excess = again - base.center
    slow = excess > limit and excess > base.critical() * base.error()
    second = f"{worse}; run again {gated.change(excess):+.1%}"
    last = rerun.last if rerun.last is not None and question.metric in rerun.last.values else None
    if last is not None and last.counts:
        difference, error, freedom = _difference(question, rerun.now, last, base)
        beside = f"{second}, and {gated.change(difference):+.1%} against the last good one beside it"
        if difference > limit and difference > float(student.quantile(0.99, freedom)) * error:
            return replace(begin, outcome=d.REGRESSION, why=beside)
        if slow and base.own:
            return replace(begin, outcome=d.SYSTEM_CHANGED, why=f"{beside}: that one is as bad tonight")
        if slow:
            why = f"{beside}: nothing of ours got worse, this board is another one; its history begins now"
            return replace(begin, outcome=d.NO_HISTORY, why=why)
        return _refuted(begin, beside)
    if not slow:
        return _refuted(begin, second)
    if not base.own:
        return replace(begin, outcome=d.NO_HISTORY, why=f"{second}, on a board that has no history of its own")
    if rerun.same:
        return replace(begin, outcome=d.SYSTEM_CHANGED, why=f"{second}, with the last good artifact and runtime")
    why = rerun.why or (f"it gave no valid {gated.label}" if rerun.last is not None else "it is not there any more")
    return replace(
        begin,
        outcome=d.SYSTEM_CHANGED,
        why=f"{second}; whether artifact, runtime or board is at fault nobody can tell: the last good one: {why}",
    )


def _refuted(begin: Decision, words: str) -> Decision:
    return replace(
        begin, outcome=d.STEADY, why=f"{words}: it was the night", inputs={**begin.inputs, "refuted": True}, since=None,
        changed=(),
    )  # fmt: skip


def _difference(question: Question, now: Entry, last: Entry, base: Baseline) -> tuple[float, float, float]:
    """Of the two sides of the re-run, scaled; its standard error, and the degrees of freedom (Welch).

    From the processes of both, else from the spread of nights.
    """
    gated, sides = question.gated, (now.values[question.metric], last.values[question.metric])
    if min(len(side.samples) for side in sides) >= MINIMUM:
        means = [math.fsum(map(gated.scaled, side.samples)) / len(side.samples) for side in sides]
        errors = [max(sample_error(side, gated) or 0.0, 1e-9) for side in sides]
        total = math.fsum(e * e for e in errors)
        parts = math.fsum(e**4 / (len(side.samples) - 1) for e, side in zip(errors, sides, strict=True))
        return means[0] - means[1], math.sqrt(total), total * total / parts
    own, theirs = (gated.scaled(side.value) for side in sides)
    return own - theirs, base.spread * math.sqrt(2), float(base.freedom)


# -- what was alarmed before ---------------------------------------------------------------------------------------


def _open(question: Question, past: Sequence[Entry]) -> Entry | None:
    """The last night on this board, if its alarm is open."""
    mine = [one for one in past if one.who == question.tonight.who and question.metric in one.outcomes]
    mine = [one for one in mine if one.outcomes[question.metric].outcome != d.UNCONFIRMED]
    accepted = of_board(question.accepted, question.tonight.board)
    if not mine or (accepted is not None and mine[-1].at_s <= accepted.at_s):
        return None
    alarmed = mine[-1].outcomes[question.metric].outcome in (d.REGRESSION, d.SYSTEM_CHANGED, d.OPEN)
    return mine[-1] if alarmed else None


def _still(begin: Decision, question: Question, base: Baseline, past: Sequence[Entry], last: Entry) -> Decision:
    """An open alarm: gone, still there, or worse again."""
    gated, limit = question.gated, question.gated.limit(question.gate)
    x = gated.scaled(question.tonight.values[question.metric].value)
    since = last.outcomes[question.metric].since
    open_ones = [one for one in past if one.who == last.who and not one.is_good(question.metric)
                 and since is not None and one.at_s >= _time_of(past, since)]  # fmt: skip
    level = stats.median([gated.scaled(_value(one, question)) for one in open_ones[-MINIMUM:]] or [x])
    changed = _changes_at(past, question.tonight, since)
    begin = replace(begin, since=since, changed=changed)
    if x - base.center <= limit / 2:
        return replace(begin, outcome=d.CLOSED, why=f"{_percent(begin)} against {_nights(base)}: it is gone")
    if x - level > limit and x - level > base.critical() * base.error():
        if question.rerun is None or question.rerun.now is None:
            why = f"open since {since}, and {gated.change(x - level):+.1%} worse again tonight"
            return replace(begin, outcome=d.UNCONFIRMED, why=why, inputs={**begin.inputs, "nights": 1})
        now = question.rerun.now
        again = gated.scaled(_value(now, question)) - level if question.metric in now.values and now.counts else None
        if again is not None and again > limit:
            why = f"worse again: {gated.change(again):+.1%} against its level since {since}"
            return replace(begin, outcome=d.REGRESSION, why=why, since=question.tonight.night,
                           inputs={**begin.inputs, "rerun": _told(question, question.rerun)})  # fmt: skip
    return replace(begin, outcome=d.OPEN, why=f"{_percent(begin)} against {_nights(base)}, since {since}")


def _time_of(past: Sequence[Entry], night: str) -> float:
    return next((one.at_s for one in past if one.night == night), math.inf)


def _changes_at(past: Sequence[Entry], tonight: Entry, night: str | None) -> tuple[str, ...]:
    those = [one for one in [*past, tonight] if one.who == tonight.who]
    at = next((i for i, one in enumerate(those) if one.night == night), 0)
    return changed_between(those[at - 1], those[at]) if at > 0 else ()


# -- words and numbers of a decision -------------------------------------------------------------------------------


def _begun(question: Question, past: Sequence[Entry]) -> Decision:
    tonight, metric = question.tonight, question.metric
    history = tuple(_point(one, question) for one in [*past[-SHOWN:], tonight])
    return Decision(
        cell=tonight.cell,
        metric=metric,
        outcome=d.NO_HISTORY,
        why="",
        board=tonight.board,
        value=tonight.values[metric].value,
        unit=question.gated.unit,
        history=history,
    )


def _point(entry: Entry, question: Question) -> Point:
    value = entry.values[question.metric]
    good = entry.is_good(question.metric, question.accepted)
    return Point(entry.night, entry.at_s, value.value, value.low, value.high, entry.board, good)


def _value(entry: Entry, question: Question) -> float:
    return entry.values[question.metric].value


def _against(begin: Decision, question: Question, base: Baseline, x: float) -> Decision:
    gated = question.gated
    half = float(student.quantile(0.975, base.freedom)) * base.error()
    difference = x - base.center
    return replace(
        begin,
        baseline=gated.back(base.center),
        change=gated.change(difference),
        low=gated.change(difference - half),
        high=gated.change(difference + half),
        inputs={
            "baseline_nights": [one.night for one in base.entries],
            "spread": base.spread,
            "own_board": base.own,
            "threshold": gated.change(gated.limit(question.gate)) if not gated.falls else question.gate.threshold,
            "window": question.gate.window,
        },
    )


def _stepped(begin: Decision, question: Question, past: Sequence[Entry], base: Baseline) -> Decision:
    """Since which night, and what changed there."""
    those = [one for one in past if one.who == question.tonight.who or not base.own]
    those = [*(one for one in those if one.at_s >= base.entries[0].at_s), question.tonight]
    refuted = [one for one in those if (o := one.outcomes.get(question.metric)) is not None and o.refuted]
    those = [one for one in those if one not in refuted]
    values = [question.gated.scaled(_value(one, question)) for one in those]
    well = max((i + 1 for i, x in enumerate(values[:-1]) if x <= base.center), default=0)  # not worse before that night
    at = _where_it_changed(those, max(well, last_rise(values, base.spread)))
    before = those[at - 1] if at > 0 else base.last
    return replace(begin, since=those[at].night, changed=changed_between(before, those[at]))


def _where_it_changed(nights: Sequence[Entry], step: int) -> int:
    """A step in noisy values may seem to be a night off: where something changed one night beside it, it was there."""
    for at in (step, step - 1, step + 1):
        if 0 < at < len(nights) and changed_between(nights[at - 1], nights[at]):
            return at
    return step


def _told(question: Question, rerun: Rerun) -> dict[str, Any]:
    """The values of the metric alone; the whole re-run is kept once for the cell."""
    sides = {"now": rerun.now, "last": rerun.last}
    return {name: side.values[question.metric].value if side and question.metric in side.values else None
            for name, side in sides.items()} | {"same": rerun.same}  # fmt: skip


def _percent(decision: Decision) -> str:
    change = decision.change or 0.0
    if decision.metric.startswith("quality/"):
        return f"{-100 * change:+.2g} points"
    return f"{change:+.1%}" if abs(change) < 10 else f"{1 + change:.0f} times"


def _nights(base: Baseline) -> str:
    boards = "" if base.own else " of sister boards"
    return "the pinned sweep" if len(base.values) < MINIMUM else f"{len(base.values)} nights{boards}"


def _why_not(entry: Entry) -> str:
    return words_of(entry)
