"""Energy per inference: measured by a sensor, or estimated from published watts, and never one in the other's place."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from orchestrator import stats
from orchestrator.device import PowerProfile, PowerRange
from orchestrator.sheet import Sheet
from orchestrator.stats import Interval

Json = Mapping[str, Any]

COVERAGE_MINIMUM = 0.95
ENERGY_SHIFT_LIMIT = 0.03
"""Beyond this difference of latency between the energy pass and the latency pass, metering disturbed the model."""

SENSOR_ERRORS: Mapping[str, tuple[float, float]] = {
    # gain error as a fraction, resolution in W. INA3221: 40 uV shunt steps on 5 mOhm at 5 V. The gain errors are
    # assumptions of this project (a 1 % shunt and its front end; a model in RAPL), said wherever they enter.
    "ina3221": (0.02, 0.040),
    "hwmon": (0.02, 0.0),
    "rapl": (0.05, 0.0),
}
UNKNOWN_SENSOR = (0.05, 0.0)


def measured(sheet: Sheet, energy: Json, processes: Sequence[Json]) -> None:
    """Measured energy only; an estimate never enters these fields."""
    names = ("per_inference_mj", "net_per_inference_mj", "uncertainty_mj", "mean_power_w", "idle_power_w")
    run = energy["pass"]
    reason = energy["reason"] or "no sensor was read"
    if run is not None:
        duration_s = run["end_s"] - run["begin_s"]
        if not (run["inferences"] > 0 and duration_s > 0 and run["energy_j"] > 0):
            run, reason = None, f"{energy['pass']['source']} measured no energy"
        elif run["coverage"] < COVERAGE_MINIMUM:
            reason = f"{run['source']} covered {run['coverage']:.0%} of its window, {COVERAGE_MINIMUM:.0%} needed"
            run = None
    if run is None:
        sheet.lacks(reason, *(f"energy/{name}" for name in names))
        return
    power_w, per_run = run["energy_j"] / duration_s, duration_s / run["inferences"]
    error_w, method = _power_error(run, power_w, duration_s)
    gross_mj, error_mj = power_w * per_run * 1e3, error_w * per_run * 1e3
    sheet.put("energy/per_inference_mj", gross_mj)
    sheet.put("energy/uncertainty_mj", error_mj)
    sheet.put("energy/mean_power_w", power_w)
    sheet.uncertainty["energy/per_inference_mj"] = Interval(
        max(0.0, gross_mj - 2 * error_mj), gross_mj + 2 * error_mj, 1, f"2 u: {method}"
    )
    _net(sheet, run, power_w, per_run, error_w)
    sheet.tags.update({f"energy.{key}": str(run[key]) for key in ("source", "scope", "kind")})
    sheet.tags["energy.uncertainty"] = method
    if run["invoke_ns"]:
        shift = stats.median(run["invoke_ns"]) / run["group"] / 1e6 / sheet.metrics["latency/median_ms"] - 1
        sheet.put("energy/latency_shift", shift)
        if abs(shift) > ENERGY_SHIFT_LIMIT:
            sheet.warnings.append(f"the model ran {shift:+.1%} in time while its energy was measured")


def _net(sheet: Sheet, run: Json, power_w: float, per_run_s: float, error_w: float) -> None:
    """Above idle, only where idle was measured by the same sensor and the difference is no noise."""
    idle = run["idle"]
    if not idle or not idle["samples"]:
        sheet.lacks("idle power was not measured", "energy/net_per_inference_mj", "energy/idle_power_w")
        return
    gain, resolution_w = _sensor(run["source"])
    idle_error_w = math.hypot(gain * idle["power_w"], resolution_w / math.sqrt(12))
    error_w = math.hypot(error_w, idle_error_w)
    above_w = power_w - idle["power_w"]
    sheet.put("energy/idle_power_w", idle["power_w"])
    enough = above_w > 3 * error_w
    reason = f"{above_w:.3g} W above idle is within 3 u ({3 * error_w:.3g} W)"
    sheet.put("energy/net_per_inference_mj", above_w * per_run_s * 1e3 if enough else None, reason)
    sheet.put("energy/net_uncertainty_mj", error_w * per_run_s * 1e3 if enough else None, reason)


def _power_error(run: Json, power_w: float, duration_s: float) -> tuple[float, str]:
    """Standard uncertainty of the mean power in W, and what went into it, in words."""
    gain, resolution_w = _sensor(run["source"])
    parts = {f"sensor gain {gain:.0%} (assumed)": gain * power_w}
    if resolution_w:
        parts[f"resolution {resolution_w * 1e3:.0f} mW"] = resolution_w / math.sqrt(12)
    times, watts = [t for t, _ in run["trace"]], [w for _, w in run["trace"]]
    gap_s = max((b - a for a, b in pairwise(times)), default=None)
    if gap_s is None and run["rate_hz"]:
        gap_s = 1 / run["rate_hz"]
    if gap_s is not None:
        parts["edges"] = power_w * gap_s / duration_s
    if run["kind"] != "counter":
        sampling_w = stats.block_bootstrap_error(times, watts)
        parts["sampling (1 s block bootstrap)"] = sampling_w or 0.0
        if sampling_w is None:
            parts["sampling not known: fewer than 3 blocks of 1 s"] = parts.pop("sampling (1 s block bootstrap)")
    return math.sqrt(sum(w * w for w in parts.values())), ", ".join(parts)


def _sensor(source: str) -> tuple[float, float]:
    return SENSOR_ERRORS.get(source.partition(":")[0], UNKNOWN_SENSOR)


def estimated(sheet: Sheet, processes: Sequence[Json], power: PowerProfile, cores: int | None) -> None:
    """Profile x time: P = idle + u (load - idle), u = CPU time / (cores x wall), with the profile's range."""
    names = [f"energy_estimate/per_inference_mj{end}" for end in ("", "_low", "_high")]
    window_s = sum(p["window_ns"] for p in processes) / 1e9
    calls = sum(len(p["invoke_ns"]) * p["group"] for p in processes)
    if "energy/per_inference_mj" in sheet.metrics:
        return sheet.lacks("energy was measured", *names)
    if power.idle is None or power.load is None:
        return sheet.lacks("the device has no power profile (device.power)", *names)
    if not cores or window_s <= 0:
        return sheet.lacks("the number of cores of the board is not known", *names)
    use = min(1.0, max(0.0, sum(p["cpu_ns"] for p in processes) / 1e9 / (cores * window_s)))
    ends = (
        (_middle(power.idle), power.idle.low_w, power.idle.high_w),
        (_middle(power.load), power.load.low_w, power.load.high_w),
    )
    for name, idle_w, load_w in zip(names, *ends, strict=True):
        sheet.put(name, (idle_w + use * (load_w - idle_w)) * window_s / calls * 1e3)
    sheet.tags.update({"energy_estimate.kind": "estimated_profile", "energy_estimate.scope": power.scope})
    sheet.tags["energy_estimate.source"] = power.source or "the device's power profile"
    return None


def _middle(watts: PowerRange) -> float:
    return (watts.low_w + watts.high_w) / 2
