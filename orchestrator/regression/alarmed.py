"""What was alarmed for in an earlier night: gone, still there, or worse again."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from orchestrator import stats
from orchestrator.regression import decision as d
from orchestrator.regression.accepted import of_board
from orchestrator.regression.decision import Decision
from orchestrator.regression.entry import Entry
from orchestrator.regression.question import MINIMUM, Baseline, Question
from orchestrator.regression.since import changed_between
from orchestrator.regression.telling import nights_of, percent, shown, told, value_of


def open_alarm(question: Question, past: Sequence[Entry]) -> Entry | None:
    """The last night on this board, if its alarm is open."""
    mine = [one for one in past if one.who == question.tonight.who and question.metric in one.outcomes]
    mine = [one for one in mine if one.outcomes[question.metric].outcome != d.UNCONFIRMED]
    accepted = of_board(question.accepted, question.tonight.board)
    if not mine or (accepted is not None and mine[-1].at_s <= accepted.at_s):
        return None
    alarmed = mine[-1].outcomes[question.metric].outcome in (d.REGRESSION, d.SYSTEM_CHANGED, d.OPEN)
    return mine[-1] if alarmed else None


def still(begin: Decision, question: Question, base: Baseline, past: Sequence[Entry], last: Entry) -> Decision:
    """An open alarm: gone, still there, or worse again."""
    gated, limit = question.gated, question.gated.limit(question.gate)
    x = gated.scaled(question.tonight.values[question.metric].value)
    since = last.outcomes[question.metric].since
    open_ones = [one for one in past if one.who == last.who and not one.is_good(question.metric)
                 and since is not None and one.at_s >= _time_of(past, since)]  # fmt: skip
    level = stats.median([gated.scaled(value_of(one, question)) for one in open_ones[-MINIMUM:]] or [x])
    changed = _changes_at(past, question.tonight, since)
    begin = replace(begin, since=since, changed=changed)
    if x - base.center <= limit / 2:
        return replace(begin, outcome=d.CLOSED, why=f"{percent(begin)} against {nights_of(base)}: it is gone")
    if x - level > limit and x - level > base.critical() * base.error():
        if question.rerun is None:
            why = f"open since {since}, and {shown(gated, gated.change(x - level))} worse again tonight"
            return replace(begin, outcome=d.UNCONFIRMED, why=why, inputs={**begin.inputs, "nights": 1})
        now = question.rerun.now  # where that could not be had, the alarm is open as before
        ran = now is not None and question.metric in now.values and now.counts
        again = gated.scaled(value_of(now, question)) - level if now is not None and ran else None
        if again is not None and again > limit:
            why = f"worse again: {shown(gated, gated.change(again))} against its level since {since}"
            return replace(begin, outcome=d.REGRESSION, why=why, since=question.tonight.night,
                           inputs={**begin.inputs, "rerun": told(question, question.rerun)})  # fmt: skip
    return replace(begin, outcome=d.OPEN, why=f"{percent(begin)} against {nights_of(base)}, since {since}")


def _time_of(past: Sequence[Entry], night: str) -> float:
    return next((one.at_s for one in past if one.night == night), math.inf)


def _changes_at(past: Sequence[Entry], tonight: Entry, night: str | None) -> tuple[str, ...]:
    those = [one for one in [*past, tonight] if one.who == tonight.who]
    at = next((i for i, one in enumerate(those) if one.night == night), 0)
    return changed_between(those[at - 1], those[at]) if at > 0 else ()
