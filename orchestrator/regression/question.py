"""What the gate is asked about one metric of one cell in one night, and the statistics of the answer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator import stats
from orchestrator.regression.accepted import Accepted
from orchestrator.regression.entry import Entry, Value
from orchestrator.regression.gated import GATED, Gated
from orchestrator.regression.steps import present_level
from orchestrator.stats import student
from orchestrator.unattended import Gate

MINIMUM = 3
"""Nights of history, below which nobody can say what is usual."""
LOOK = 0.01
"""Level of one look, one-sided. An alarm needs two, tonight and the re-run, and both beyond the threshold."""
FLOOR = 0.001
"""Least spread between nights: steadier values than that are rounding or luck."""
USUAL = 0.005
"""Between nights of a quiet board, for a pinned sweep that has no history beside it."""
CLIP = 3.0
"""Deviations beyond so many sigma-equivalents of the MAD count as that many: one odd night must not hide the next."""


@dataclass(frozen=True, slots=True)
class Rerun:
    """The cell run again, its processes taking turns on the same board with those of the last good one.

    ``last`` is None where that could not be had, ``why`` says so; ``same``: tonight's artifact and runtime are the last
    good ones, so there is nothing to run beside them. ``now`` is None where the re-run itself could not be had.
    """

    now: Entry | None
    last: Entry | None = None
    same: bool = False
    why: str = ""

    def to_json(self) -> dict[str, Any]:
        return {
            "now": self.now.to_json() if self.now else None,
            "last": self.last.to_json() if self.last else None,
            "same": self.same,
            "why": self.why,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Rerun:
        now, last = (Entry.from_json(data[side]) if data[side] else None for side in ("now", "last"))
        return cls(now, last, bool(data["same"]), str(data["why"]))


@dataclass(frozen=True, slots=True)
class Question:
    """``past`` are all earlier nights of the cell, on whatever board, the oldest first; ``accepted``: what a person has
    accepted of this metric last, on each board."""

    metric: str
    gate: Gate
    past: tuple[Entry, ...]
    tonight: Entry
    rerun: Rerun | None = None
    accepted: tuple[Accepted, ...] = ()

    @property
    def gated(self) -> Gated:
        return GATED[self.metric]


@dataclass(frozen=True, slots=True)
class Baseline:
    """The nights that tonight is held against: ``values`` scaled so that larger is worse, the oldest first.

    ``center`` is their median, ``spread`` the standard deviation of one night, known with so much ``freedom``. ``own``:
    all are of tonight's board.
    """

    entries: tuple[Entry, ...]
    values: tuple[float, ...]
    center: float
    spread: float
    freedom: int
    own: bool

    @property
    def last(self) -> Entry:
        """The last good night."""
        return self.entries[-1]

    def error(self, nights: int = 1) -> float:
        """Standard error of the mean of so many more nights against the center."""
        return self.spread * math.sqrt(1 / nights + 1 / len(self.values))

    def critical(self, level: float = LOOK) -> float:
        """Student's t that a mean of nothing new exceeds with this probability."""
        return float(student.quantile(1 - level, self.freedom))


def comparable(question: Question) -> list[Entry]:
    """Earlier nights with a value of the metric under tonight's controls, whoever the board was."""
    own = question.tonight.values[question.metric]
    return [
        one
        for one in question.past
        if one.counts
        and question.metric in one.values
        and one.values[question.metric].under == own.under
        and one.controls == question.tonight.controls
    ]


def baseline(question: Question, past: Sequence[Entry], leave: int = 0) -> Baseline | None:
    """Of the good ones among ``past``, but the last ``leave``; None where there are too few.

    Those of tonight's own board, else, where it has too few, of all boards of the device.
    """
    good = [one for one in past if one.is_good(question.metric, question.accepted)]
    if question.gate.pinned is not None:
        pinned = [one for one in past if one.night == question.gate.pinned]
        return _pinned(question, pinned, good) if pinned else None
    mine = [one for one in good if one.who == question.tonight.who]
    for those, own in ((mine, True), (good, False)):
        those = those[: len(those) - leave][-question.gate.window :]
        if len(those) >= MINIMUM:
            return _of(question, those, own)
    return None


def _pinned(question: Question, pinned: Sequence[Entry], good: Sequence[Entry]) -> Baseline:
    """One sweep says what is good; how far nights differ, the history tells, and else the processes of that one."""
    gated, mine = question.gated, [one for one in good if one.who == question.tonight.who]
    values = [gated.scaled(one.values[question.metric].value) for one in pinned]
    within = _within([one.values[question.metric] for one in pinned], gated)
    spread = math.hypot(within, USUAL)
    freedom = max(MINIMUM, min(len(one.values[question.metric].samples) for one in pinned) - 1)
    if len(mine) >= MINIMUM:
        others = [gated.scaled(one.values[question.metric].value) for one in mine[-question.gate.window :]]
        spread, freedom = _spread(others, within), len(others) - 1
    own = all(one.who == question.tonight.who for one in pinned)
    return Baseline(tuple(pinned), tuple(values), stats.median(values), spread, freedom, own)


def _of(question: Question, entries: Sequence[Entry], own: bool) -> Baseline:
    gated = question.gated
    found = [gated.scaled(one.values[question.metric].value) for one in entries]
    within = _within([one.values[question.metric] for one in entries], gated)
    begin = present_level(found, _spread(found, within), gated.limit(question.gate))
    kept = found[begin:]
    freedom = max(1, len(kept) - 1)
    return Baseline(tuple(entries[begin:]), tuple(kept), stats.median(kept), _spread(kept, within), freedom, own)


def _spread(values: Sequence[float], within: float) -> float:
    """Of nights, each deviation clipped; at least what processes of one night let expect."""
    center = stats.median(values)
    scale = stats.MAD_TO_SIGMA * stats.mad(values)
    clipped = [min(abs(x - center), CLIP * scale) if scale > 0 else abs(x - center) for x in values]
    between = math.sqrt(math.fsum(x * x for x in clipped) / max(1, len(values) - 1))
    return max(between, within, FLOOR)


def _within(values: Sequence[Value], gated: Gated) -> float:
    """Standard error of one night's value, from its processes; 0 where nothing is told of them."""
    errors = [found for one in values if (found := sample_error(one, gated)) is not None]
    return stats.median(errors) if errors else 0.0


def sample_error(value: Value, gated: Gated) -> float | None:
    """Standard error of the mean of its processes, scaled; None for fewer than two."""
    if len(value.samples) < 2 or not all(gated.admits(each) for each in value.samples):
        return None
    scaled = [gated.scaled(each) for each in value.samples]
    return (stats.stdev(scaled) or 0.0) / math.sqrt(len(scaled))
