"""What to take, in words: from the cells that keep the limits, per device and model."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from orchestrator.compare.front import Candidates, candidates
from orchestrator.gates import BROKEN, UNCERTAIN, UNKNOWN

Row = Mapping[str, Any]


def recommendations(rows: Sequence[Row], gated: bool) -> list[str]:
    """A few sentences per device and model, where there is something to choose from.

    ``gated``: limits were asked for, so that the fastest that keeps them is recommended; else it is the fastest, and
    whether its answers are good enough is for people to say.
    """
    found = []
    for group in candidates(rows):
        for model in dict.fromkeys(row["model"] for row in group.rows):
            some = [row for row in group.rows if row["model"] == model]
            if len(some) > 1:
                found.append(_about(group, str(model), some, gated))
    return found


def _about(group: Candidates, model: str, rows: Sequence[Row], gated: bool) -> str:
    where = f"{group.device}, {model}"
    fitting = [row for row in rows if row.get("gate") not in (BROKEN, UNKNOWN)]
    if not fitting:
        return f"{where}: nothing is recommended: no cell keeps the limits. {' '.join(_refused(rows))}".rstrip()
    best = min(fitting, key=lambda row: row["latency_ms"])
    head = "recommended is" if gated else "the fastest is"
    said = [f"{where}: {head} {_name(best, rows)}: {', '.join(_facts(best, group))}."]
    equal = [row for row in fitting if row is not best and _ties(row, best)]
    if equal:
        said.append(f"As fast, within what was measured: {', '.join(_name(row, rows) for row in equal)}.")
    said += _others(best, fitting, rows, group)
    said += _doubts(best)
    return " ".join([*said, *(_refused(rows) if gated else [])])


def _facts(row: Row, group: Candidates) -> Iterator[str]:
    yield f"{row['latency_ms']:.3g} ms"
    if _known(row, "change_ratio") and not row["is_baseline"]:
        if row["change_significant"]:
            ratio = row["change_ratio"]
            factor = f"{1 / ratio:.2f}× faster" if ratio < 1 else f"{ratio:.2f}× slower"
            yield f"{factor} than the baseline"
        else:
            yield "no faster than the baseline as far as was measured"
    if group.energy:
        yield f"{row['energy_mj']:.3g} mJ ({row['energy_scope']})"
    yield f"{row['size_bytes'] / 1e6:.3g} MB"
    if _known(row, "quality_top1"):
        yield f"top-1 {100 * row['quality_top1']:.1f} %"
    if _known(row, "quality_auc"):
        yield f"AUC {row['quality_auc']:.3f}"
    if _known(row, "quality_drop"):
        yield drop_words(row)


def drop_words(row: Row) -> str:
    """``0.6 points lost (95 %: 0.1 to 1.2)``; of an AUC in hundredths as well."""
    drop, low, high = (100 * row[key] for key in ("quality_drop", "quality_drop_low", "quality_drop_high"))
    if drop == 0:
        return f"nothing lost against float (95 %: {low:.1f} to {high:.1f} points)"
    word = "lost" if drop > 0 else "won"
    ends = (low, high) if drop > 0 else (-high, -low)
    return f"{abs(drop):.1f} points {word} against float (95 %: {ends[0]:.1f} to {ends[1]:.1f})"


def _others(best: Row, fitting: Sequence[Row], rows: Sequence[Row], group: Candidates) -> Iterator[str]:
    """What another one is better in."""
    judged = [row for row in fitting if _known(row, "quality_drop")]
    if len(judged) == len(fitting):
        top = min(fitting, key=lambda row: (row["quality_drop"], row["latency_ms"]))
        if top["quality_drop"] < best["quality_drop"]:
            yield f"The one that answers best is {_name(top, rows)}: {drop_words(top)}, {top['latency_ms']:.3g} ms."
    small = min(fitting, key=lambda row: row["size_bytes"])
    if small["size_bytes"] < best["size_bytes"]:
        yield f"The smallest is {_name(small, rows)}: {small['size_bytes'] / 1e6:.3g} MB, {small['latency_ms']:.3g} ms."
    if group.energy:
        least = min(fitting, key=lambda row: row["energy_mj"])
        if least["energy_mj"] + least["energy_uncertainty_mj"] < best["energy_mj"] - best["energy_uncertainty_mj"]:
            yield f"The most frugal is {_name(least, rows)}: {least['energy_mj']:.3g} mJ, {least['latency_ms']:.3g} ms."


def _doubts(best: Row) -> Iterator[str]:
    if best["verdict"] != "valid":
        yield f"Its latency is {best['verdict']}."
    if best.get("gate") == UNCERTAIN:
        yield f"Not certain: {best['gate_why']}."
    if not _known(best, "quality_drop"):
        yield f"How well it answers is not known: {best.get('quality_reason') or 'it was not asked'}."


def _refused(rows: Sequence[Row]) -> list[str]:
    """Why some are not taken into account."""
    reasons: dict[str, list[str]] = {}
    for row in rows:
        if row.get("gate") in (BROKEN, UNKNOWN):
            reasons.setdefault(str(row["gate_why"]), []).append(_name(row, rows))
    told = "; ".join(f"{_joined(names)}: {why}" for why, names in reasons.items())
    return [f"Not considered: {told}."] if told else []


def _joined(names: Sequence[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


_AXES = {"runtime": "", "threads": "threads ", "input_size": "input ", "width": "width ", "scenario": ""}


def _name(row: Row, rows: Sequence[Row]) -> str:
    """The optimization, and whatever else differs among these."""
    differing = [axis for axis in _AXES if len({_short(other, axis) for other in rows}) > 1]
    told = [f"{_AXES[axis]}{_short(row, axis)}" for axis in differing]
    return str(row["optimization"]) + (f" ({', '.join(told)})" if told else "")


def _short(row: Row, axis: str) -> str:
    """A scenario without its overrides, which the table tells."""
    return str(row.get(axis)).partition(" (")[0]


def _ties(row: Row, best: Row) -> bool:
    low = row["latency_low_ms"] if _known(row, "latency_low_ms") else row["latency_ms"]
    high = best["latency_high_ms"] if _known(best, "latency_high_ms") else best["latency_ms"]
    return bool(low <= high)


def _known(row: Row, key: str) -> bool:
    value = row.get(key)
    return value is not None and not (isinstance(value, float) and math.isnan(value))
