"""What pruning and clustering did not buy: said of each cell that got no faster by them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator import stats
from orchestrator.measurement import Measurement
from orchestrator.optimization import FINE_TUNED
from orchestrator.result import Result

STEPS_TAG = "optimization.steps"
_WORDS = {"prune": "pruning", "prune_channels": "removing channels", "cluster": "clustering"}
_NOTICEABLE = 0.01
"""Sizes that differ by less are the same."""


def no_faster(result: Result, base: Result | None, change: Mapping[str, Any]) -> str | None:
    """``pruning made the file smaller (gzip 14.0 → 5.1 MB), not faster (~ within 1.8 %)``; None where it did, and
    where the other is as lean or nothing is known of the difference. ``base``: what it would be without, where that
    was measured, else the baseline; ``change``: the ``change_*`` columns against that.
    """
    ours, theirs = result.measurement, base.measurement if base else None
    if ours is None or theirs is None or result is base:
        return None
    added = [step for step in _steps(ours) if step not in _steps(theirs)]
    lean = [step for step in added if step in FINE_TUNED]
    outcome = change.get("change_outcome")
    if not lean or outcome in (None, stats.NO_GROUND):
        return None
    if change["change_significant"] and change["change_ratio"] < 1:
        return None
    what = " and ".join(_WORDS.get(step, step) for step in added)
    return f"{what} made the file {_size(ours, theirs)}, not faster ({_speed(change)})"


def unslimmed(result: Result, beside: Sequence[Result]) -> Result | None:
    """The cell that is the same but for pruning and clustering: int8 beside pruned_int8. None where there is none."""
    if result.measurement is None:
        return None
    steps = _steps(result.measurement)
    rest = [step for step in steps if step not in FINE_TUNED]
    if rest == steps:
        return None
    return next((one for one in beside if one.measurement and _steps(one.measurement) == rest), None)


def _steps(measurement: Measurement) -> list[str]:
    return [step for step in measurement.tags.get(STEPS_TAG, "").split(", ") if step]


def _size(ours: Measurement, theirs: Measurement) -> str:
    """What got smaller: the file itself, or only what a compressed download or package takes."""
    told, smaller = [], False
    for metric, name in (("model/size_bytes", ""), ("model/gzip_bytes", "gzip ")):
        now, before = ours.metrics.get(metric), theirs.metrics.get(metric)
        if now is None or before is None:
            continue
        smaller = smaller or now < before * (1 - _NOTICEABLE)
        if abs(now / before - 1) >= _NOTICEABLE or name:
            told.append(f"{name}{_mb(before)} → {_mb(now)} MB")
    return ("smaller" if smaller else "no smaller") + (f" ({', '.join(told)})" if told else "")


def _mb(size_bytes: float) -> str:
    return f"{size_bytes / 1e6:.3g}" if size_bytes < 1e8 else f"{size_bytes / 1e6:.0f}"


def _speed(change: Mapping[str, Any]) -> str:
    if change["change_significant"]:
        return f"{change['change_ratio']:.2f}× slower"
    percent = 100 * (max(change["change_high"], 1 / change["change_low"]) - 1)
    return f"~ {'within' if change['change_outcome'] == stats.SAME else 'up to'} {percent:.2g} %"
