"""What looked worse, after it was run again beside the last good artifact and runtime."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from orchestrator.regression import decision as d
from orchestrator.regression.decision import Decision
from orchestrator.regression.entry import Entry
from orchestrator.regression.question import MINIMUM, Baseline, Question, Rerun, sample_error
from orchestrator.regression.since import words_of
from orchestrator.regression.telling import against, nights_of, percent, shown, stepped, told, value_of
from orchestrator.stats import student

SYSTEM = 0.0005
"""Level of the second look, one-sided, where nothing good stands beside it."""


@dataclass(frozen=True, slots=True)
class Look:
    """What was worse: the mean of the last ``nights`` nights, against the baseline before them."""

    nights: int
    base: Baseline
    excess: float  # of that mean, scaled


def confirmed(begin: Decision, question: Question, looked: Look, past: Sequence[Entry]) -> Decision:
    rerun, gated = question.rerun, question.gated
    begin = against(begin, question, looked.base, gated.scaled(value_of(question.tonight, question)))
    begin = stepped(replace(begin, inputs={**begin.inputs, "nights": looked.nights}), question, past, looked.base)
    worse = f"{percent(begin)} against {nights_of(looked.base)}"
    if gated.exact:
        return replace(
            begin, outcome=d.REGRESSION, why=f"{worse}; a {gated.label} has no noise, so nothing is run again"
        )
    if rerun is None or rerun.now is None:
        why = rerun.why if rerun is not None else "it was not run again"
        return replace(begin, outcome=d.UNCONFIRMED, why=f"{worse}, and not confirmed: {why}")
    begin = replace(begin, inputs={**begin.inputs, "rerun": told(question, rerun)})
    if question.metric not in rerun.now.values or not rerun.now.counts:
        why = f"when it was run again it gave no valid {gated.label}: {words_of(rerun.now)}"
        return replace(begin, outcome=d.UNCONFIRMED, why=f"{worse}, and not confirmed: {why}")
    return _beside(begin, question, looked, rerun, worse)


def _slow(looked: Look, excess: float, limit: float) -> bool:
    """Whether it is slow for real when it is run again. Both looks share whatever the night did to the board, so that
    the second one is no second witness: beyond the threshold, and beyond what nights differ by at a strict level.
    """
    base, critical = looked.base, looked.base.critical(SYSTEM)
    alone = excess > critical * base.error()
    together = looked.nights > 1 and looked.excess > critical * base.error(looked.nights)
    return excess > limit and (alone or together)


def _beside(begin: Decision, question: Question, looked: Look, rerun: Rerun, worse: str) -> Decision:
    """Tonight's artifact and runtime, run again, against history and against the last good ones."""
    gated, limit, base = question.gated, question.gated.limit(question.gate), looked.base
    assert rerun.now is not None
    again = gated.scaled(rerun.now.values[question.metric].value)
    excess = again - base.center
    slow = _slow(looked, excess, limit)
    second = f"{worse}; run again {shown(gated, gated.change(excess))}"
    last = rerun.last if rerun.last is not None and question.metric in rerun.last.values else None
    if last is not None and last.counts:
        difference, error, freedom = _difference(question, rerun.now, last, base)
        beside = f"{second}, and {shown(gated, gated.change(difference))} against the last good one beside it"
        if difference > limit and difference > float(student.quantile(0.99, freedom)) * error:
            return replace(begin, outcome=d.REGRESSION, why=beside)
        if slow and base.own:
            return replace(begin, outcome=d.SYSTEM_CHANGED, why=f"{beside}: that one is as bad tonight")
        if slow:
            why = f"{beside}: nothing of ours got worse, this board is another one; its history begins now"
            return replace(begin, outcome=d.NO_HISTORY, why=why)
        return _not_slow(begin, beside, excess > limit)
    if not slow:
        return _not_slow(begin, second, excess > limit)
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


def _not_slow(begin: Decision, words: str, still_worse: bool) -> Decision:
    """It was the night; or it is within what nights differ by here, and counts, so that some such nights add up."""
    if still_worse:
        why = f"{words}: nights differ by as much here; it is an alarm once some nights agree"
        return replace(begin, outcome=d.STEADY, why=why, since=None, changed=())
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
