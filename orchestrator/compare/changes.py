"""Latency against the baseline, as columns: of all rows of a comparison at once, because they are tested together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from orchestrator import stats
from orchestrator.compare.baseline import Baseline
from orchestrator.compare.conditions import covariates, uncontrolled
from orchestrator.result import DONE, FAILED, Result
from orchestrator.stats import Change
from orchestrator.verdict import INVALID

Beside = tuple[Result, Result | None, Baseline]
"""A cell, the one with the baseline's value that is the same in all other axes, and what the baseline is."""


def changes(rows: Sequence[Beside]) -> list[dict[str, Any]]:
    """The ``change_*`` columns of each row; no number without ground, but then a note.

    All cells that can be believed tell about the spread of their device, also those that are compared with nothing.
    """
    notes = [no_ground(*row) for row in rows]
    steady = {id(result): result for result, _, _ in rows if _sound(result)}
    steady |= {id(base): base for _, base, _ in rows if base is not None and _sound(base)}
    place = {key: at for at, key in enumerate(steady)}
    pairs = [
        (place[id(result)], place[id(base)])
        for (result, base, _), note in zip(rows, notes, strict=True)
        if base is not None and note is None
    ]
    samples = [_medians(result) for result in steady.values()]
    boards = [(result.sweep_id, result.axes.get("device")) for result in steady.values()]
    found = iter(stats.compare_all(samples, pairs, boards))
    return [
        {"change_note": note} if note is not None or base is None else _columns(next(found), result, base, baseline)
        for (result, base, baseline), note in zip(rows, notes, strict=True)
    ]


def no_ground(result: Result, base: Result | None, baseline: Baseline) -> str | None:
    """Why there is nothing to compare; None where there is."""
    if result is base:
        return "baseline" if _sound(result) else "no baseline: it is invalid"
    if base is not None and base.status != DONE:
        return f"the baseline {'failed' if base.status == FAILED else f'was {base.status}'}"
    if base is None or base.measurement is None or result.measurement is None:
        return f"no '{baseline}' beside it"
    for one, what in ((base, "the baseline"), (result, "it")):
        if not _sound(one):
            return f"{what} is invalid"
    return "; ".join(uncontrolled(result, base, baseline)) or None


def _columns(found: Change, result: Result, base: Result, baseline: Baseline) -> dict[str, Any]:
    differs = covariates(result, base, baseline)
    notes = (in_words(found), *(f"baseline on another {what}" for what in differs.values()))
    return {
        "change_ratio": found.ratio,
        "change_low": found.low,
        "change_high": found.high,
        "change_p": found.p,
        "change_p_adjusted": found.p_adjusted,
        "change_significant": found.significant,
        "change_outcome": found.outcome,
        "change_detectable": found.detectable,
        "change_processes": found.processes,
        "change_note": "; ".join(filter(None, notes)),
        "change_differs": ", ".join(differs),
    }


def in_words(found: Change) -> str:
    """Empty for a difference, which its factor says."""
    if found.outcome == stats.NO_GROUND:
        return "one process on a side: nothing can be said"
    if found.significant:
        return ""
    possible = "any change" if found.possible is None else f"up to {100 * found.possible:.1f} %"
    if found.outcome == stats.SAME:
        return f"no significant difference: the same within {100 * (found.possible or 0):.1f} %"
    need = found.processes or f"more than {stats.MOST}"
    return f"no significant difference: undecided, {possible} possible; {need} processes would decide"


def _sound(result: Result) -> bool:
    return result.status == DONE and result.measurement is not None and result.measurement.verdict.level != INVALID


def _medians(result: Result) -> Sequence[float]:
    return result.measurement.process_medians_ms if result.measurement else ()
