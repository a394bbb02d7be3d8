"""What a night adds to the history runs in a tracker, and to the plots of the morning report."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from orchestrator.cell import AXES
from orchestrator.regression.cell import Case
from orchestrator.regression.decision import Decision, Point
from orchestrator.regression.gate import Judgement
from orchestrator.regression.trend import Trend
from orchestrator.result import Result

ALSO = ("latency/median_low_ms", "latency/median_high_ms", "energy/uncertainty_mj", "state/temperature_max_c")
"""Metrics of a result that stand beside the gated ones."""


def trends(found: Judgement, results: Iterable[Result]) -> list[Trend]:
    """One for each cell that has a value tonight."""
    by_cell = {result.cell_id: result for result in results}
    return [
        _trend(case, by_cell[case.tonight.cell], found.decisions)
        for case in found.cases
        if case.tonight.values and case.tonight.board is not None
    ]


def _trend(case: Case, result: Result, decisions: Sequence[Decision]) -> Trend:
    tonight, m = case.tonight, result.measurement
    mine = {one.metric: one for one in decisions if one.cell == tonight.cell}
    metrics = {name: value.value for name, value in tonight.values.items()}
    metrics |= {name: m.metrics[name] for name in ALSO if m is not None and name in m.metrics}
    for name, one in mine.items():
        if one.baseline is not None:
            metrics[name.replace("/", "/baseline_", 1)] = one.baseline
        if one.change is not None:
            metrics[name.replace("/", "/change_", 1)] = one.change
    worst = max(mine.values(), key=lambda one: one.alarms, default=None)
    tags = {
        "verdict": tonight.verdict or "",
        "gate": worst.outcome if worst is not None and worst.alarms else "passed",
        "gate.why": worst.why if worst is not None and worst.alarms else "nothing got worse",
        "history.sweep": tonight.night,
        **{f"covariate.{name}": value for name, value in tonight.covariates.items()},
    }
    return Trend(
        cell=tonight.cell,
        board=tonight.board or "",
        name=f"history: {result.short} on {tonight.board}",
        night=sum(1 for one in case.past if one.board == tonight.board) + 1,
        at_s=tonight.at_s,
        metrics=metrics,
        params={axis: result.axes[axis] for axis in AXES if axis in result.axes} | {"board": tonight.board or ""},
        tags={name: value for name, value in tags.items() if value},
    )


def plots(found: Judgement) -> dict[tuple[str, str], tuple[Point, ...]]:
    """By cell and metric, as the report draws them."""
    return {(one.cell, one.metric): one.history for one in found.decisions if one.history}
