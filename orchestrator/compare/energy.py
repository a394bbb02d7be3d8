"""Energy against the baseline, where both were measured alike; estimates by operations among themselves; battery."""

from __future__ import annotations

from typing import Any

from orchestrator.compare.baseline import Baseline
from orchestrator.compare.changes import no_ground
from orchestrator.energy.battery import Battery, estimated_hours, measured_hours
from orchestrator.energy.operations import INDEX
from orchestrator.energy_ratio import energy_ratio
from orchestrator.measurement import Measurement
from orchestrator.result import Result

LESS, MORE, SAME = "less", "more", "no difference"


def energy_change(result: Result, base: Result | None, baseline: Baseline) -> dict[str, Any]:
    """The ``energy_change_*`` columns and the ratio of the indices by operations; no number without ground.

    The ratio is of energies per inference; its interval is about 95 %.
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
    ratio = energy_ratio(ours, its, same_board=result.board == base.board)
    if isinstance(ratio, str):
        return {**found, "energy_change_note": ratio}
    return {
        **found,
        "energy_change_ratio": ratio.value,
        "energy_change_low": ratio.low,
        "energy_change_high": ratio.high,
        "energy_change_outcome": (LESS if ratio.value < 1 else MORE) if ratio.differs else SAME,
        "energy_change_note": ratio.note,
    }


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
