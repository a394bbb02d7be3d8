"""The Pareto front: cells that no other cell of the device beats in latency, energy, size and quality at once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator import stats
from orchestrator.result import DONE
from orchestrator.verdict import INVALID

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Candidates:
    """Cells that can be held against each other: of one sweep, device, batch size and mode, none of them invalid.

    A latency with several streams, or of a hot board, is about something else than one of a single stream.

    ``energy``: every one of them has energy measured in the same scope and kind; else ``without`` says why it does
    not count.
    """

    sweep: str
    device: str
    batch_size: str
    mode: str
    rows: tuple[Row, ...]
    energy: bool
    without: str = ""

    @property
    def quality(self) -> bool:
        """Whether every one of them has answered the same samples, so that how often they were right counts, too."""
        return _same_samples(self.rows)


def candidates(rows: Sequence[Row]) -> list[Candidates]:
    """The groups within which a front is looked for, in the order of the rows."""
    found: dict[tuple[str, str, str, str], list[Row]] = {}
    for row in rows:
        if row["status"] == DONE and row["verdict"] != INVALID and _known(row, "size_bytes"):
            key = (row["sweep"], row["device"], row["batch_size"], row["mode"] or "")
            found.setdefault(key, []).append(row)
    return [Candidates(*key, tuple(some), not (why := _no_energy(some)), why) for key, some in found.items()]


def front(rows: Sequence[Row], energy: bool, quality: bool = False) -> list[Row]:
    """Those that no other one dominates. O(n^2).

    With ranges, that can go round in a ring and leave none; then the values themselves decide, which always leave one.
    """
    return _beaten_by_none(rows, [_spans(row, energy, quality) for row in rows]) or _beaten_by_none(
        rows, [_points(row, energy, quality) for row in rows]
    )


def _beaten_by_none(rows: Sequence[Row], spans: Sequence[Sequence[tuple[float, float]]]) -> list[Row]:
    return [row for row, own in zip(rows, spans, strict=True) if not any(_dominates(other, own) for other in spans)]


def _dominates(one: Sequence[tuple[float, float]], other: Sequence[tuple[float, float]]) -> bool:
    """At least as good in everything and better in something; overlapping ranges are a tie."""
    pairs = list(zip(one, other, strict=True))
    return all(low <= its_high for (low, _), (_, its_high) in pairs) and any(
        high < low for (_, high), (low, _) in pairs
    )


def _spans(row: Row, energy: bool, quality: bool) -> list[tuple[float, float]]:
    """Latency, size (energy and errors) as ranges of what they may truly be; less is better.

    Latency's is its 95 % interval, and at least what a change must have to be called one; energy's is its expanded
    uncertainty; that of the errors the interval of what was lost against float on the same samples.
    """
    value, half = row["latency_ms"], math.sqrt(1 + stats.MINIMUM_EFFECT)
    low, high = (row[k] if _known(row, k) else value for k in ("latency_low_ms", "latency_high_ms"))
    spans = [(min(low, value / half), max(high, value * half)), (row["size_bytes"], row["size_bytes"])]
    if energy:
        joule, u = row["energy_mj"], row["energy_uncertainty_mj"]
        spans.append((joule - u, joule + u))
    if quality:
        of_float = -_right(row) - row["quality_drop"]
        spans.append((of_float + row["quality_drop_low"], of_float + row["quality_drop_high"]))
    return spans


def _points(row: Row, energy: bool, quality: bool) -> list[tuple[float, float]]:
    values = [row[key] for key in ("latency_ms", "size_bytes", *(["energy_mj"] if energy else []))]
    values += [-_right(row)] if quality else []
    return [(value, value) for value in values]


def _no_energy(rows: Sequence[Row]) -> str:
    """Why energy does not count among these; empty where it does."""
    lacking = sum(not _known(row, "energy_mj") or not _known(row, "energy_uncertainty_mj") for row in rows)
    if lacking:
        return (
            "energy was not measured" if lacking == len(rows) else f"{lacking} of {len(rows)} have no measured energy"
        )
    for key, word in (("energy_scope", "scopes"), ("energy_kind", "kinds")):
        found = sorted({str(row[key]) for row in rows})
        if len(found) > 1:
            return f"energy was measured in different {word} ({', '.join(found)})"
    return ""


def _right(row: Row) -> float:
    return float(row["quality_top1"] if _known(row, "quality_top1") else row["quality_auc"])


def _same_samples(rows: Sequence[Row]) -> bool:
    """Of the same data, all with accuracies or all with AUCs."""
    if len({row.get("quality_source") for row in rows}) != 1 or not all(_known(row, "quality_drop") for row in rows):
        return False
    return any(all(_known(row, key) for row in rows) for key in ("quality_top1", "quality_auc"))


def _known(row: Row, key: str) -> bool:
    value = row.get(key)
    return value is not None and not math.isnan(value)
