"""The numbers and words of a decision: what is compared, since when it is so, and what changed there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from orchestrator.regression import decision as d
from orchestrator.regression.decision import Decision, Point
from orchestrator.regression.entry import Entry
from orchestrator.regression.gated import GATED, Gated
from orchestrator.regression.question import MINIMUM, Baseline, Question, Rerun
from orchestrator.regression.since import changed_between
from orchestrator.regression.steps import last_rise
from orchestrator.stats import student

SHOWN = 60
"""Nights of a trend."""


def begun(question: Question, past: Sequence[Entry]) -> Decision:
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


def value_of(entry: Entry, question: Question) -> float:
    return entry.values[question.metric].value


def against(begin: Decision, question: Question, base: Baseline, x: float) -> Decision:
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


def stepped(begin: Decision, question: Question, past: Sequence[Entry], base: Baseline) -> Decision:
    """Since which night, and what changed there."""
    those = [one for one in past if one.who == question.tonight.who or not base.own]
    those = [*(one for one in those if one.at_s >= base.entries[0].at_s), question.tonight]
    refuted = [one for one in those if (o := one.outcomes.get(question.metric)) is not None and o.refuted]
    those = [one for one in those if one not in refuted]
    values = [question.gated.scaled(value_of(one, question)) for one in those]
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


def told(question: Question, rerun: Rerun) -> dict[str, Any]:
    """The values of the metric alone; the whole re-run is kept once for the cell."""
    sides = {"now": rerun.now, "last": rerun.last}
    return {name: side.values[question.metric].value if side and question.metric in side.values else None
            for name, side in sides.items()} | {"same": rerun.same}  # fmt: skip


def percent(decision: Decision) -> str:
    """Its change against the baseline."""
    return shown(GATED[decision.metric], decision.change or 0.0)


def shown(gated: Gated, change: float) -> str:
    """``+6.1%``, ``-2 points`` (as the value moved), ``458 times``."""
    if gated.points:
        return f"{-100 * change:+.2g} points"
    return f"{change:+.1%}" if abs(change) < 10 else f"{1 + change:.0f} times"


def nights_of(base: Baseline) -> str:
    boards = "" if base.own else " of sister boards"
    return "the pinned sweep" if len(base.values) < MINIMUM else f"{len(base.values)} nights{boards}"
