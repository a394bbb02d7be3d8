"""From a night and its history to a decision: a function of what is given, and of nothing else.

Tonight's value, or the mean of the last two or three nights, has to be worse than the baseline by more than the
threshold and by more than chance. Then the cell is run again, beside the last good artifact and runtime, on the same
board at the same time. Only what is worse than those is a regression; where both are worse than history it is the
system that changed; where neither is, it was the night.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from orchestrator.regression import decision as d
from orchestrator.regression.alarmed import open_alarm, still
from orchestrator.regression.confirm import Look, confirmed
from orchestrator.regression.decision import Decision
from orchestrator.regression.entry import Entry
from orchestrator.regression.question import MINIMUM, Baseline, Question, baseline, comparable
from orchestrator.regression.telling import against, begun, nights_of, percent

TOGETHER = 3
"""Nights at most whose mean is looked at: a change that is small against the noise shows after some."""


def decide(question: Question) -> Decision:
    """Decide about one metric of a cell that has a value tonight."""
    tonight, metric = question.tonight, question.metric
    past = comparable(question)
    begin = begun(question, past)
    earlier = open_alarm(question, past)
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
    begin = against(begin, question, base, x)
    if earlier is not None:
        return still(begin, question, base, past, earlier)
    looked = _look(question, past, base, x)
    if looked is None:
        return _usual(begin, question, base, x)
    return confirmed(begin, question, looked, past)


def suspicious(decision: Decision) -> bool:
    """Whether it waits for a re-run."""
    return decision.outcome == d.UNCONFIRMED and "nights" in decision.inputs and decision.inputs.get("rerun") is None


# -- tonight against history ---------------------------------------------------------------------------------------


def _look(question: Question, past: Sequence[Entry], base: Baseline, x: float) -> Look | None:
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
            return Look(nights, before, excess)
    return None


def _usual(begin: Decision, question: Question, base: Baseline, x: float) -> Decision:
    limit = question.gated.limit(question.gate)
    better = base.center - x
    if base.own and better > limit and better > base.critical() * base.error():
        return replace(begin, outcome=d.IMPROVED, why=f"{percent(begin)} against {nights_of(base)}")
    return replace(begin, outcome=d.STEADY, why=f"{percent(begin)} against {nights_of(base)}: within what is usual")
