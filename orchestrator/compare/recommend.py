"""Which cell to take: from the Pareto front, of those that keep the limits, by what was measured and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestrator import stats
from orchestrator.compare import measures as m
from orchestrator.compare.front import Candidates, candidates, front
from orchestrator.compare.measures import Measure, Row
from orchestrator.gates import BROKEN, UNKNOWN, Gates
from orchestrator.verdict import VALID

WITHIN, NO_LOSS, NO_WORSE, FASTEST = "within", "no loss", "no worse", "fastest"


@dataclass(frozen=True, slots=True)
class Advice:
    """What to say of one device's cells that can be held against each other, of one model where models cannot be.

    ``best`` is what to take, ``rule`` why: the fastest WITHIN the limits, one of quality among them; without such a
    limit the fastest of those with NO_LOSS against the float model that is more than chance, and where that cannot be
    said, of those that answer NO_WORSE than the best; or just the FASTEST, where it is not known how well they answer
    (``unknown`` says why). None where no cell is allowed.

    ``as_fast`` are others of the front whose latency cannot be told from the best's; ``faster`` those that are faster
    and answer worse, the fastest first. ``accurate``, ``smallest`` and ``frugal`` are the front's other ends, None
    where that is the best itself, cannot be told from it, or is not known. ``broken`` and ``unjudged`` count cells that
    limits keep from being recommended.
    """

    group: Candidates
    gates: Gates
    model: str  # empty where several are compared
    best: Row | None
    rule: str = FASTEST
    unknown: str = ""
    as_fast: tuple[Row, ...] = ()
    faster: tuple[Row, ...] = ()
    accurate: Row | None = None
    smallest: Row | None = None
    frugal: Row | None = None

    @property
    def broken(self) -> int:
        return sum(row.get("gate") == BROKEN for row in self.group.rows)

    @property
    def unjudged(self) -> int:
        return sum(row.get("gate") == UNKNOWN for row in self.group.rows)


def advice(rows: Sequence[Row], gates: Mapping[str, Gates]) -> list[Advice]:
    """In the order of the rows; nothing where there is nothing to choose from. ``gates``: by sweep."""
    found = []
    for group in candidates(rows):
        models = list(dict.fromkeys(row["model"] for row in group.rows))
        # Without a common measure of quality the fastest model would win, whatever it is for.
        together = len(models) > 1 and group.quality is not None
        for some, model in [(group, "")] if together else [(group.of_model(name), name) for name in models]:
            if len(some.rows) > 1:
                found.append(_advised(some, gates.get(some.sweep, Gates()), model))
    return found


def _advised(group: Candidates, gates: Gates, model: str) -> Advice:
    on = front(group.allowed, group.measures)
    if not on:
        return Advice(group, gates, model, None)
    quality = group.quality
    judged = quality if quality is not m.SQNR else None  # how far from the float model is not how often it is right
    rule, pool = _good_enough(on, judged)
    if gates.of_quality and quality is not None:
        rule, pool = WITHIN, on
    best = _fastest(pool, group.measures)
    return Advice(
        group,
        gates,
        model,
        best,
        rule,
        "" if judged else _why_unknown(group),
        tuple(row for row in on if row is not best and row in pool and m.LATENCY.ties(row, best)),
        tuple(sorted((row for row in on if row not in pool and m.LATENCY.better(row, best)), key=m.LATENCY.point)),
        _end(on, judged, best) if judged else None,
        _end(on, m.SIZE, best),
        _end(on, m.ENERGY, best) if group.energy else None,
    )


def _good_enough(on: Sequence[Row], judged: Measure | None) -> tuple[str, Sequence[Row]]:
    """Where nobody said how much may be lost: those that have not been shown to lose anything."""
    if judged is None:
        return FASTEST, on
    if judged is m.DROP and (pool := [row for row in on if judged.span(row)[0] <= 0]):
        return NO_LOSS, pool
    return NO_WORSE, [row for row in on if judged.ties(row, _least(on, judged))]


def _least(rows: Sequence[Row], measure: Measure) -> Row:
    return min(rows, key=measure.point)


def _fastest(rows: Sequence[Row], measures: Sequence[Measure]) -> Row:
    """Where medians are alike: a valid one before a suspect one, then the least energy, loss and size.

    Medians, since a cell with an interval as wide as a barn cannot be told from any other, and is no good choice.
    """
    alike = m.LATENCY.point(_least(rows, m.LATENCY)) * (1 + stats.MINIMUM_EFFECT)
    even = [row for row in rows if m.LATENCY.point(row) <= alike]
    order = [one for one in (m.ENERGY, *(one for one in measures if one.of_quality), m.SIZE) if one in measures]
    return min(even, key=lambda row: (row["verdict"] != VALID, *(one.point(row) for one in order)))


def _end(on: Sequence[Row], measure: Measure, best: Row) -> Row | None:
    end = _least(on, measure)
    return None if measure.ties(end, best) else end


def _why_unknown(group: Candidates) -> str:
    """The reasons that the cells themselves give, else why quality does not count among them."""
    told = dict.fromkeys(row.get("quality_reason") for row in group.allowed)
    found = [str(reason) for reason in told if reason and reason == reason]
    return "; ".join(found) or group.without.get("quality", "")
