"""Cells against their baselines, all pairs of a report at once: a difference, the same, or not decided."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from orchestrator.stats import design, student
from orchestrator.stats.cells import Cells, moderated
from orchestrator.stats.family import FALSE_ALARMS, FOR_LOOKS, MINIMUM_EFFECT, Tested, large, tested
from orchestrator.stats.interval import CONFIDENCE
from orchestrator.stats.sample import logs

DIFFERENT, SAME, UNDECIDED, NO_GROUND = "different", "same", "undecided", "no ground"

Pairs = Sequence[tuple[int, int]]  # places of a candidate and of its baseline


@dataclass(frozen=True, slots=True)
class Change:
    """A cell against its baseline: ``ratio`` < 1 is faster. What cannot be told from too few processes is None.

    ``low`` and ``high``: 95 % interval of the ratio, of this pair alone. ``p`` is of this pair alone, ``p_adjusted``
    for all pairs. ``detectable``: the least change that 95 of 100 such comparisons find, as a fraction; ``processes``:
    how many a side would decide this pair 95 times of 100 if ``ratio`` is right (None: more than design.MOST).
    """

    ratio: float
    outcome: str
    low: float | None = None
    high: float | None = None
    p: float | None = None
    p_adjusted: float | None = None
    detectable: float | None = None
    processes: int | None = None

    @property
    def significant(self) -> bool:
        return self.outcome == DIFFERENT

    @property
    def possible(self) -> float | None:
        """The largest change, either way, that the interval still allows, as a fraction."""
        return None if self.low is None or self.high is None else max(self.high, 1 / self.low) - 1


def compare(candidate: Sequence[float], baseline: Sequence[float]) -> Change:
    """Per-process medians of two cells, and of nothing else."""
    return compare_all((candidate, baseline), ((0, 1),))[0]


def compare_all(
    samples: Sequence[Sequence[float]], pairs: Pairs, boards: Sequence[Hashable] | None = None
) -> list[Change]:
    """``samples`` are the per-process medians of cells; cells with the same ``boards`` tell about each other's spread.

    None: all are of one board. Raises ValueError for a sample that is empty or holds no durations.
    """
    means = [float(logs(sample).mean()) for sample in samples]
    firm = _firm(samples, pairs)
    found = dict(zip(firm, _changes(samples, firm, boards), strict=True)) if firm else {}
    return [found.get(pair) or Change(_ratio(means[pair[0]] - means[pair[1]]), NO_GROUND) for pair in pairs]


def undecided(
    samples: Sequence[Sequence[float]], pairs: Pairs, boards: Sequence[Hashable] | None = None, *, looks: int = 1
) -> list[bool]:
    """For which pairs more processes are worth their time: looks like a change, and is not proven to be one.

    To be asked before the report, with all its pairs; add processes to both cells of such a pair, then compare. A
    pair counts as proven here only at a much stricter level (FOR_LOOKS, divided by ``looks``: how often somebody means
    to ask), so that looking first costs the report nothing of its own level (Haybittle 1971, Peto 1976).
    """
    firm = _firm(samples, pairs)
    if not firm:
        return [True] * len(pairs)
    found = _tested(samples, firm, boards)
    worth = large(found.difference) & ~found.significant(FOR_LOOKS / looks)
    answer = dict(zip(firm, worth.tolist(), strict=True))
    return [answer.get(pair, True) for pair in pairs]


def _firm(samples: Sequence[Sequence[float]], pairs: Pairs) -> list[tuple[int, int]]:
    """The pairs with two processes on either side."""
    return [pair for pair in dict.fromkeys(pairs) if min(len(samples[i]) for i in pair) > 1]


def _changes(samples: Sequence[Sequence[float]], pairs: Pairs, boards: Sequence[Hashable] | None) -> list[Change]:
    found = _tested(samples, pairs, boards)
    level = FALSE_ALARMS - FOR_LOOKS
    half = student.quantile((1 + CONFIDENCE) / 2, found.freedom) * found.error
    different = found.significant(level)
    same = np.abs(found.difference) + half <= math.log1p(MINIMUM_EFFECT)
    changes = []
    for i, (candidate, baseline) in enumerate(pairs):
        difference, error = float(found.difference[i]), float(found.error[i])
        plan = design.Design(error, float(found.freedom[i]), level / len(pairs))
        outcome = DIFFERENT if different[i] else SAME if same[i] else UNDECIDED
        n = (len(samples[candidate]), len(samples[baseline]))
        changes.append(
            Change(
                ratio=_ratio(difference),
                outcome=outcome,
                low=_exp(difference - float(half[i])),
                high=_exp(difference + float(half[i])),
                p=float(found.raw[i]),
                p_adjusted=float(found.p[i]),
                detectable=_exp(plan.detectable(), minus=1),
                processes=plan.processes(difference, n) if outcome == UNDECIDED else None,
            )
        )
    return changes


def _tested(samples: Sequence[Sequence[float]], pairs: Pairs, boards: Sequence[Hashable] | None) -> Tested:
    several = [i for i, sample in enumerate(samples) if len(sample) > 1]
    place = {cell: at for at, cell in enumerate(several)}
    cells = _summary([samples[i] for i in several], [boards[i] if boards else None for i in several])
    candidates, baselines = (np.array([place[pair[side]] for pair in pairs], dtype=np.intp) for side in (0, 1))
    return tested(cells, candidates, baselines)


def _summary(samples: Sequence[Sequence[float]], boards: Sequence[Hashable]) -> Cells:
    """Each board's cells moderated by themselves."""
    some = [logs(sample) for sample in samples]
    mean, variance = np.array([x.mean() for x in some]), np.array([x.var(ddof=1) for x in some])
    n = np.array([float(x.size) for x in some])
    freedom = n - 1
    groups: Mapping[Hashable, list[int]] = {
        board: [i for i, its in enumerate(boards) if its == board] for board in dict.fromkeys(boards)
    }
    for places in groups.values():
        found = moderated(Cells.of(mean[places], variance[places], n[places]))
        variance[places], freedom[places] = found.variance, found.freedom
    return Cells(mean, variance, n, freedom)


def _ratio(difference: float) -> float:
    return math.exp(min(difference, 700.0))


def _exp(x: float, minus: float = 0.0) -> float | None:
    """None where the interval is wider than a float can say (two wildly different processes)."""
    try:
        return math.exp(x) - minus
    except OverflowError:
        return None
