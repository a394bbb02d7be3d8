"""Energy against the baseline, where both were measured alike; estimates by operations among themselves; battery."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from orchestrator.compare.baseline import Baseline
from orchestrator.compare.changes import no_ground
from orchestrator.energy.battery import Battery, estimated_hours, measured_hours
from orchestrator.energy.operations import INDEX
from orchestrator.measurement import Measurement
from orchestrator.result import Result
from orchestrator.stats import MINIMUM_EFFECT

LESS, MORE, SAME = "less", "more", "no difference"

MOST_ERROR = 10.0
"""As a share of the ratio: beyond, 95 % are a factor of 20 000 either way, which is no comparison."""

LABELS: Mapping[str, str] = {"energy.scope": "scope", "energy.kind": "kind", "energy.source": "reader"}
"""Tags that must be the same for two energies to be compared, and what they are called."""


def energy_change(result: Result, base: Result | None, baseline: Baseline) -> dict[str, Any]:
    """The ``energy_change_*`` columns and the ratio of the indices by operations; no number without ground.

    The ratio is of energies per inference; its interval is about 95 %. What one sensor has wrong on one board cancels
    in it, so repeatabilities count; between two sensors or two boards everything does.
    """
    note = no_ground(result, base, baseline)
    if base is None or base.measurement is None or result.measurement is None or (note and result is not base):
        return {"energy_change_note": note}
    ours, its = result.measurement, base.measurement
    found: dict[str, Any] = {"ops_ratio": _ops_ratio(ours, its)}
    if result is base:
        return {**found, "energy_change_note": note}
    mine, theirs = (one.metrics.get("energy/per_inference_mj") for one in (ours, its))
    if mine is None or theirs is None:
        return {**found, "energy_change_note": f"energy was not measured of {'it' if mine is None else 'the baseline'}"}
    if others := [word for tag, word in LABELS.items() if label(ours, tag) != label(its, tag)]:
        return {**found, "energy_change_note": f"other {', other '.join(others)}"}
    same_sensor = result.board == base.board and ours.tags.get("energy.source") == its.tags.get("energy.source")
    if not (mine > 0 and theirs > 0 and (error := _error(ours, its, same_sensor)) <= MOST_ERROR):
        return {**found, "energy_change_note": "the energies are known too poorly"}
    ratio = mine / theirs
    differs = abs(math.log(ratio)) > max(error, math.log1p(MINIMUM_EFFECT))
    return {
        **found,
        "energy_change_ratio": ratio,
        "energy_change_low": ratio * math.exp(-error),
        "energy_change_high": ratio * math.exp(error),
        "energy_change_outcome": (LESS if ratio < 1 else MORE) if differs else SAME,
        "energy_change_note": "" if same_sensor else "another sensor: the whole uncertainty of both counts",
    }


def label(m: Measurement, tag: str) -> str:
    """Of the source, only the reader: ``ina3221`` of ``ina3221:/sys/...``."""
    text = m.tags.get(tag, "")
    return text.partition(":")[0] if tag == "energy.source" else text


def battery_columns(m: Measurement, battery: Battery | None) -> dict[str, Any]:
    """Hours on a battery, where one was given; measured and estimated ones apart."""
    if battery is None:
        return {}
    hours = measured_hours(battery, m.metrics, m.tags.get("energy.scope"), m.missing)
    range_h = estimated_hours(battery, m.metrics, m.tags.get("energy_estimate.scope"))
    return {
        "battery": str(battery),
        "battery_h": hours.value,
        "battery_low_h": hours.low,
        "battery_high_h": hours.high,
        "battery_note": hours.note,
        "battery_estimate_low_h": range_h.low,
        "battery_estimate_high_h": range_h.high,
        "battery_estimate_note": range_h.note,
    }


def _ops_ratio(ours: Measurement, its: Measurement) -> float | None:
    mine, theirs = ours.metrics.get(INDEX), its.metrics.get(INDEX)
    return mine / theirs if mine is not None and theirs else None


def _error(ours: Measurement, its: Measurement, same_sensor: bool) -> float:
    """Of the logarithm of the ratio; about 95 %."""
    return math.hypot(*(_share(one, same_sensor) for one in (ours, its)))


def _share(m: Measurement, same_sensor: bool) -> float:
    """The expanded uncertainty as a share; results of older versions have no repeatability."""
    name = "repeatability_mj" if same_sensor and "energy/repeatability_mj" in m.metrics else "uncertainty_mj"
    return m.metrics[f"energy/{name}"] / m.metrics["energy/per_inference_mj"]
