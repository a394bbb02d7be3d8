"""The Pareto front: cells that no other cell of the device beats in latency, energy, size and quality at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from orchestrator.compare import measures as m
from orchestrator.compare.measures import Measure, Row
from orchestrator.gates import ALLOWED
from orchestrator.result import DONE
from orchestrator.verdict import INVALID


@dataclass(frozen=True, slots=True)
class Candidates:
    """Cells that can be held against each other: of one sweep, device, batch size and mode, none of them invalid.

    A latency with several streams, or of a hot board, is about something else than one of a single stream.

    ``allowed`` are those of ``rows`` that keep the limits that somebody set, all where there are none; only they can be
    on a front. ``measures`` are what they are held against each other in; ``without`` says of energy and quality why
    they are none of them, by ``energy`` and ``quality``.
    """

    sweep: str
    device: str
    batch_size: str
    mode: str
    rows: tuple[Row, ...]
    allowed: tuple[Row, ...] = ()
    measures: tuple[Measure, ...] = ()
    without: Mapping[str, str] = field(default_factory=dict)

    @property
    def energy(self) -> bool:
        """Every one of them has energy measured in the same scope and kind."""
        return m.ENERGY in self.measures

    @property
    def quality(self) -> Measure | None:
        """What it counts by."""
        return next((one for one in self.measures if one.of_quality), None)

    def of_model(self, model: str) -> Candidates:
        """Those of one model, among which other measures may count."""
        return measured(replace(self, rows=tuple(row for row in self.rows if row["model"] == model)))


def candidates(rows: Sequence[Row]) -> list[Candidates]:
    """The groups within which a front is looked for, in the order of the rows."""
    found: dict[tuple[str, str, str, str], list[Row]] = {}
    for row in rows:
        if row["status"] == DONE and row["verdict"] != INVALID and m.known(row, "size_bytes"):
            key = (row["sweep"], row["device"], row["batch_size"], row["mode"] or "")
            found.setdefault(key, []).append(row)
    return [measured(Candidates(*key, tuple(some))) for key, some in found.items()]


def measured(group: Candidates) -> Candidates:
    """With those that are allowed, and what these are held against each other in."""
    allowed = tuple(row for row in group.rows if keeps(row))
    if not allowed:
        return replace(group, allowed=(), measures=(), without={})
    no_energy, (quality, no_quality) = m.no_energy(allowed), m.quality(allowed)
    found = (m.LATENCY, m.SIZE, *([] if no_energy else [m.ENERGY]), *([] if quality is None else [quality]))
    without = {"energy": no_energy, "quality": no_quality}
    return replace(group, allowed=allowed, measures=found, without={key: why for key, why in without.items() if why})


def keeps(row: Row) -> bool:
    """Whether the cell keeps the limits, as far as that is known; also where there are none."""
    return not row.get("gate") or row["gate"] in ALLOWED


def front(rows: Sequence[Row], measures: Sequence[Measure]) -> list[Row]:
    """Those that no other one dominates. O(n^2).

    With ranges, that can go round in a ring and leave none; then the values themselves decide, which always leave one.
    """
    exact = [[one.point(row) for one in measures] for row in rows]
    by_range = [row for row in rows if not any(_dominates(other, row, measures) for other in rows)]
    return by_range or [
        row for row, own in zip(rows, exact, strict=True) if not any(_less(other, own) for other in exact)
    ]


def _dominates(one: Row, other: Row, measures: Sequence[Measure]) -> bool:
    """No worse in anything and better in something."""
    return all(by.no_worse(one, other) for by in measures) and any(by.better(one, other) for by in measures)


def _less(one: Sequence[float], other: Sequence[float]) -> bool:
    return one != other and all(a <= b for a, b in zip(one, other, strict=True))
