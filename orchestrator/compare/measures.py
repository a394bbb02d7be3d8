"""What cells are held against each other in: each measure as a range of what it may truly be, less is better."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator import stats
from orchestrator.metrics import NO_DIFFERENCE

Row = Mapping[str, Any]
Span = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Measure:
    """``name`` is in words; a measure ``of_quality`` says how well the model answers.

    ``slack``: how far beyond its own value another one still is no worse, whatever the intervals are.
    """

    name: str
    point: Callable[[Row], float]
    span: Callable[[Row], Span]
    slack: Callable[[float], float] = lambda value: value
    of_quality: bool = False

    def ties(self, one: Row, other: Row) -> bool:
        """Whether it cannot be said which of the two is better."""
        (low, high), (its_low, its_high) = self.span(one), self.span(other)
        return low <= its_high and its_low <= high

    def no_worse(self, one: Row, other: Row) -> bool:
        """Whether the value of one is better, or within the range of the other's.

        Not whether the ranges overlap: one that is as wide as a barn would be no worse than any.
        """
        return self.point(one) <= max(self.span(other)[1], self.slack(self.point(other)))

    def better(self, one: Row, other: Row) -> bool:
        """Whether all of its range is."""
        return self.span(one)[1] < self.span(other)[0]


SQNR_TIE_DB = 1.0
"""SQNR has no interval, and whoever measures the next inputs finds a little more or less."""


def _latency(row: Row) -> Span:
    """Its 95 % interval, and at least what a change must have to be called one."""
    value, half = row["latency_ms"], math.sqrt(1 + stats.MINIMUM_EFFECT)
    low, high = (row[k] if known(row, k) else value for k in ("latency_low_ms", "latency_high_ms"))
    return min(low, value / half), max(high, value * half)


def _energy(row: Row) -> Span:
    return row["energy_mj"] - row["energy_uncertainty_mj"], row["energy_mj"] + row["energy_uncertainty_mj"]


def _drop(row: Row) -> Span:
    value = row["quality_drop"]
    low, high = (row[k] if known(row, k) else value for k in ("quality_drop_low", "quality_drop_high"))
    return low, high


def _wrong(row: Row) -> Span:
    """Wrong answers, by the interval of the right ones."""
    value = row["quality_top1"]
    low, high = (row[k] if known(row, k) else value for k in ("quality_top1_low", "quality_top1_high"))
    return 1 - high, 1 - low


def _noise_db(row: Row) -> float:
    """Minus the SQNR; no noise at all is infinitely little."""
    return -row["quality_sqnr_db"] if known(row, "quality_sqnr_db") else -math.inf


LATENCY = Measure(
    "latency", lambda row: float(row["latency_ms"]), _latency, lambda value: value * (1 + stats.MINIMUM_EFFECT)
)
SIZE = Measure("size", lambda row: float(row["size_bytes"]), lambda row: (row["size_bytes"], row["size_bytes"]))
ENERGY = Measure("measured energy", lambda row: float(row["energy_mj"]), _energy)
DROP = Measure("the drop of quality", lambda row: float(row["quality_drop"]), _drop, of_quality=True)
TOP1 = Measure("top-1", lambda row: 1 - float(row["quality_top1"]), _wrong, of_quality=True)
SQNR = Measure(
    "SQNR",
    _noise_db,
    lambda row: (_noise_db(row) - SQNR_TIE_DB / 2, _noise_db(row) + SQNR_TIE_DB / 2),
    lambda value: value + SQNR_TIE_DB,
    of_quality=True,
)


def no_energy(rows: Sequence[Row]) -> str:
    """Why energy does not count among these; empty where it does."""
    lacking = sum(not known(row, "energy_mj") or not known(row, "energy_uncertainty_mj") for row in rows)
    if lacking:
        return (
            "energy was not measured" if lacking == len(rows) else f"{lacking} of {len(rows)} have no measured energy"
        )
    return _several(
        rows,
        energy_scope="energy was measured in different scopes",
        energy_kind="energy was measured in different kinds",
    )


def quality(rows: Sequence[Row]) -> tuple[Measure | None, str]:
    """What quality counts by among these, and else why it does not.

    Where all have the same float model that is what was lost against it: of top-1 or AUC, else by SQNR where only that
    is known of all. Between models, widths or input sizes it is top-1 itself, where all answered the same data: what
    each has lost against its own float model says nothing about which is the better one.
    """
    if _float_models(rows) > 1:
        why = _unknown(rows, "quality_top1", "top-1") or _different(rows, "models answered different data")
        return (None, why) if why else (TOP1, "")
    if not (lacking := _unknown(rows, "quality_drop", "quality")):
        found = DROP
    elif all(known(row, "quality_sqnr_db") or row.get("quality_sqnr_reason") == NO_DIFFERENCE for row in rows):
        found = SQNR
    else:
        return None, lacking
    why = _different(rows, "cells answered different data")
    return (None, why) if why else (found, "")


def _float_models(rows: Sequence[Row]) -> int:
    """How many there are: by what they were asked and what they answered, else by their names.

    One name may be of several models: a factory with other arguments, another seed.
    """
    told = [row.get("quality_evaluation") for row in rows]
    if all(told):
        return len(set(told))
    return len({tuple(str(row.get(key)) for key in ("model", "width", "input_size")) for row in rows})


def _different(rows: Sequence[Row], words: str) -> str:
    """Whether they answered different data. Models may prepare the same pictures in different ways."""
    told = [row.get("quality_data") for row in rows]
    if all(told):
        return _several(rows, quality_source=words) or words if len(set(told)) > 1 else ""
    return _several(rows, quality_source=words)


def _unknown(rows: Sequence[Row], key: str, name: str) -> str:
    lacking = sum(not known(row, key) for row in rows)
    if not lacking:
        return ""
    return f"{name} is not known" if lacking == len(rows) else f"{name} is not known of {lacking} of {len(rows)}"


def _several(rows: Sequence[Row], **columns: str) -> str:
    """The words for the first column in which the rows differ, with its values; empty where they are alike."""
    for key, words in columns.items():
        found = sorted({str(row.get(key) or "") for row in rows})
        if len(found) > 1:
            return f"{words} ({', '.join(found)})"
    return ""


def known(row: Row, key: str) -> bool:
    value = row.get(key)
    return value is not None and not math.isnan(value)
