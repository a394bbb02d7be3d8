"""How well a model answers, as it stands in a table, and what must be said about it."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import replace

from orchestrator.metrics import NO_DIFFERENCE
from orchestrator.plain import plain
from orchestrator.report.text import Column, Row, has, number
from orchestrator.words import counted


def top1(row: Row) -> str:
    """``97.2 ±1.7%``: half of its 95 % interval, in points."""
    return _share(row, "quality_top1")


def auc(row: Row) -> str:
    return f"{row['quality_auc']:.3f}" if has(row, "quality_auc") else ""


def drop(row: Row) -> str:
    """``0.6 ±0.5``: points, half of their 95 % interval; it need not lie in the middle, which only the page shows."""
    if not has(row, "quality_drop"):
        return ""
    text = f"{100 * row['quality_drop'] + 0.0:.1f}".replace("-0.0", "0.0")
    return text + _half(row, "quality_drop")


def sqnr(row: Row) -> str:
    """``exact`` where not a bit differs from the float model."""
    if has(row, "quality_sqnr_db"):
        return f"{row['quality_sqnr_db']:.1f}"
    return "exact" if plain(row.get("quality_sqnr_reason")) == NO_DIFFERENCE else ""


def _share(row: Row, key: str) -> str:
    return f"{100 * row[key]:.1f}{_half(row, key)}%" if has(row, key) else ""


def _half(row: Row, key: str) -> str:
    low, high = f"{key}_low", f"{key}_high"
    return f" ±{50 * (row[high] - row[low]):.1f}" if has(row, low) and has(row, high) else ""


COLUMNS = (
    Column("quality_top1", "Top-1", top1, 5, True),
    Column("quality_auc", "AUC", auc, 6, True),
    Column("quality_drop", "Drop pt", drop, 8, True),
    Column("quality_sqnr_db", "SQNR dB", sqnr, 3, True),
)


def columns(rows: Sequence[Row]) -> tuple[Column, ...]:
    """Those that hold something. SQNR goes late where it is all that is known, and early where it is not."""
    there = [column for column in COLUMNS if any(column.text(row) for row in rows)]
    alone = [column.key for column in there] == ["quality_sqnr_db"]
    return tuple(replace(column, keep=7) if alone else column for column in there)


KEYS = tuple(column.key for column in COLUMNS)
TOP1_NOTE = "Top-1: right answers ± half their 95 % interval (Wilson)."
AUC_NOTE = "AUC: how often an anomaly is told from what is none."
DROP_NOTE = (
    "Drop pt: points of {what} lost against the float model on the same samples, ± half the 95 % interval; less than 0 "
    "is a gain."
)
SQNR_NOTE = (
    "SQNR: the float model's outputs over what is different in these; it tells how far, not how often it is wrong."
)
WHERE_NOTE = "Answered on the board, by the same runtime and delegate as the latency"


NOTES = {
    "quality_top1": TOP1_NOTE,
    "quality_auc": AUC_NOTE,
    "quality_drop": DROP_NOTE.format(what="top-1 or AUC"),
    "quality_sqnr_db": SQNR_NOTE,
}
"""By column."""


def notes(rows: Sequence[Row], keys: Set[str]) -> list[str]:
    """What the numbers are, of which data, and why there are none of others."""
    own = {**NOTES, "quality_drop": DROP_NOTE.format(what=_of_what(rows))}
    shown = [own[key] for key in KEYS if key in keys]
    return [" ".join([*shown, f"{WHERE_NOTE}{_sources(rows)}."]), *_unknown(rows)] if shown else []


def _of_what(rows: Sequence[Row]) -> str:
    kinds = dict.fromkeys(metric(row) for row in rows if has(row, "quality_drop"))
    return " or ".join(kinds)


def metric(row: Row) -> str:
    """What its drop is of."""
    return "AUC" if has(row, "quality_auc") else "top-1"


def _sources(rows: Sequence[Row]) -> str:
    """``: 360 samples of the digits' test set``, per source."""
    found: dict[str, set[int]] = {}
    for row in rows:
        if has(row, "quality_source"):
            counts = found.setdefault(plain(row["quality_source"]), set())
            counts |= {int(row["quality_samples"])} if has(row, "quality_samples") else set()
    said = []
    for source, counts in found.items():
        few, many = (min(counts), max(counts)) if counts else (0, 0)
        number = counted(many, "sample") if few == many else f"{few} to {many} samples"
        said.append(f"{number} of {source}" if many else source)
    return f": {'; '.join(said)}" if said else ""


def _unknown(rows: Sequence[Row]) -> list[str]:
    """Why some cells have no accuracy; by the models, where not all have the same reason."""
    reasons: dict[str, dict[str, None]] = {}
    for row in rows:
        if not has(row, "quality_drop") and has(row, "quality_reason"):
            reasons.setdefault(plain(row["quality_reason"]), {})[plain(row["model"])] = None
    every = len({row["model"] for row in rows})
    said = [why if len(names) == every else f"{', '.join(names)}: {why}" for why, names in reasons.items()]
    return [f"Accuracy is not known: {'; '.join(said)}."] if said else []


def interval(row: Row, key: str) -> str:
    """For a tooltip: ``97.22 %, 95 % interval 94.9 to 98.5``."""
    if not has(row, key):
        return plain(row.get("quality_sqnr_reason" if key == "quality_sqnr_db" else "quality_reason"))
    unit = {"quality_top1": " %", "quality_drop": " points"}.get(key)
    low, high = f"{key}_low", f"{key}_high"
    if unit is None or not has(row, low) or not has(row, high):
        return ""
    value, ends = 100 * row[key], (100 * row[low], 100 * row[high])
    return f"{number(value, 4) if value else '0'}{unit}, 95 % interval {ends[0]:.2f} to {ends[1]:.2f}"
