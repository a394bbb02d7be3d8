"""What a night is called in words: the verdict, cells, metrics, values and changes."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from orchestrator.night import Night
from orchestrator.plain import plain
from orchestrator.regression.decision import (
    IMPROVED,
    NO_HISTORY,
    REGRESSION,
    SYSTEM_CHANGED,
    Decision,
    Point,
)
from orchestrator.report.text import number
from orchestrator.result import DONE, NOT_RUN, SKIPPED, Result
from orchestrator.words import counted, labels

FAILURE = "failure"
"""The metric of a decision about a cell as a whole."""

MEANINGS = {
    0: "every cell that could run has a result, and nothing got worse",
    1: "refused before anything ran",
    2: "some cell has no result",
    3: "the gate fired: something got worse, and nobody has accepted it yet",
    130: "interrupted",
}
METRICS = {
    FAILURE: "no result",
    "latency/median_ms": "median latency",
    "latency/p90_ms": "p90 latency",
    "latency/p95_ms": "p95 latency",
    "latency/p99_ms": "p99 latency",
    "latency/first_ms": "first inference",
    "load/total_ms": "load time",
    "energy/per_inference_mj": "energy per inference",
    "energy/net_per_inference_mj": "net energy per inference",
    "memory/peak_rss_mb": "peak memory",
    "model/size_bytes": "model size",
    "quality/top1": "top-1 accuracy",
    "quality/top5": "top-5 accuracy",
    "quality/auc": "AUC",
    "quality/drop": "accuracy lost",
    "throughput/samples_per_s": "throughput",
}
MORE_IS_BETTER = ("throughput/", "quality/top", "quality/auc", "quality/sqnr", "sustained/samples")
IN_POINTS = ("quality/top", "quality/auc", "quality/drop")
"""A change of these is one of points, not of percent of the value."""
SCALES = {"bytes": (1e6, "MB"), "B": (1e6, "MB")}
GOOD, WARN, BAD = "good", "warn", "bad"


def meaning(status: int) -> str:
    """What an exit status of a night says."""
    return MEANINGS.get(status, "it did not come to its end")


def verdict_words(night: Night) -> str:
    """The night in one line."""
    return ", ".join(verdict_phrases(night))


def verdict_phrases(night: Night) -> list[str]:
    """The night in a few words each, what matters most first."""
    troubles = list(_troubles(night))
    runnable = [result for result in night.results if result.status != SKIPPED]
    if not runnable:
        return ["Nothing ran", *troubles]
    cells = f"{sum(result.status == DONE for result in runnable)} of {counted(len(runnable), 'cell')}"
    if troubles:
        return [*troubles, cells]
    improved = sum(one.outcome == IMPROVED for one in night.decisions)
    decided = any(one.outcome != NO_HISTORY for one in night.decisions)
    words = "nothing slower" if decided else "no history yet to compare with"
    return [f"All well: {cells}", words, *([f"{improved} improved"] if improved else [])]


def level(night: Night) -> str:
    """GOOD, WARN or BAD, as the colour of the verdict."""
    failed = any(result.status != NOT_RUN for result in night.missing)
    if night.new or failed or needing_hands(night) or night.status not in (0, 2, 3):
        return BAD
    return WARN if night.open or night.unsure or night.missing or night.status or not night.results else GOOD


def needing_hands(night: Night) -> list[str]:
    """The boards that somebody has to look at; those in maintenance have somebody already."""
    return [board.board for board in night.boards if board.needs_a_hand]


def _troubles(night: Night) -> Iterator[str]:
    if night.sweep.status == "interrupted" or night.status == 130:
        yield "interrupted"
    if night.status == 1:
        yield "refused"
    if regressions := _cells(night.new, REGRESSION):
        yield counted(regressions, "regression")
    if systems := _cells(night.new, SYSTEM_CHANGED):
        yield counted(systems, "system change")
    if hands := len(needing_hands(night)):
        yield f"{counted(hands, 'board')} need{'s' if hands == 1 else ''} a hand"
    late = sum(result.status == NOT_RUN for result in night.missing)
    if lost := len(night.missing) - late:
        yield f"{counted(lost, 'cell')} without a result"
    if late:
        yield f"{counted(late, 'cell')} not run"
    if still := _cells(night.open):
        yield f"{still} still open"
    if unsure := _cells(night.unsure):
        yield f"{unsure} not confirmed"


def _cells(decisions: Iterable[Decision], *outcomes: str) -> int:
    """Cells, since one that is slower is often larger as well."""
    return len({one.cell for one in decisions if not outcomes or one.outcome in outcomes})


class Names:
    """Short names of the cells of a night: as many words as tell them apart."""

    def __init__(self, results: Iterable[Result]) -> None:
        some = list(results)
        said = labels({result.number: result.axes for result in some})
        self._names = {result.cell_id: plain(said[result.number]) for result in some}

    def of(self, cell: str) -> str:
        """The name of a cell by its id; the id, where the night does not know the cell."""
        return self._names.get(cell) or plain(cell)


def in_points(metric: str) -> bool:
    return metric.startswith(IN_POINTS)


def metric_name(metric: str) -> str:
    return METRICS.get(metric) or plain(metric)


def more_is_better(metric: str) -> bool:
    return metric.startswith(MORE_IS_BETTER)


def scaled(value: float, unit: str) -> tuple[float, str]:
    """Value and unit as people read them: a model has megabytes."""
    by, shown = SCALES.get(unit, (1.0, plain(unit)))
    return value / by, shown


def value_words(value: float | None, unit: str, digits: int = 4) -> str:
    """``21.34 ms``; a dash where there is none."""
    if value is None:
        return "–"
    shown, words = scaled(value, unit)
    return f"{number(shown, digits)} {words}".rstrip()


def change_words(one: Decision) -> str:
    """``+4.2 %``, as the value moved: a loss of accuracy is below 0, whatever the gate counts."""
    return "" if one.change is None else _moved(one.metric, one.change) + _unit_of_change(one.metric)


def interval_words(one: Decision) -> str:
    """``+3.1 to +5.4 %``; empty where there is none."""
    if one.low is None or one.high is None:
        return ""
    ends = (one.high, one.low) if more_is_better(one.metric) else (one.low, one.high)
    low, high = (_moved(one.metric, end) for end in ends)
    return f"{low} to {high}{_unit_of_change(one.metric)}"


def _moved(metric: str, change: float) -> str:
    moved = 100 * (-change if more_is_better(metric) else change)
    text = f"{moved:+.2f}" if abs(moved) < 0.95 else f"{moved:+.1f}" if abs(moved) < 99.5 else f"{moved:+,.0f}"
    return text.replace("-", "−")


def _unit_of_change(metric: str) -> str:
    return " points" if in_points(metric) else " %"


def day(at_s: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(at_s))


def moment(at_s: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(at_s))


def points_of(night: Night, one: Decision) -> tuple[Point, ...]:
    """All nights that are known of its cell and metric, tonight last."""
    return tuple(night.trends.get((one.cell, one.metric), ())) or one.history


def since_words(night: Night, one: Decision) -> str:
    """The date of the night in which the step is; its id where the date is not known."""
    if one.since is None:
        return ""
    if one.since == night.sweep.id:
        return f"tonight ({day(night.sweep.started_s)})"
    found = [point for point in points_of(night, one) if point.night == one.since]
    return day(found[0].at_s) if found else plain(one.since)


def ranked(some: Iterable[Decision]) -> list[Decision]:
    """The largest change first; what failed as a whole before everything."""
    return sorted(some, key=lambda one: (one.metric != FAILURE, -(one.change or 0.0), one.cell, one.metric))
