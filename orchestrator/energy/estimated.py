"""Energy per inference from a power profile: an estimate, which never enters a field of a measurement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.device import PowerProfile, PowerRange
from orchestrator.sheet import Sheet

Json = Mapping[str, Any]

NAMES, ENDS = ("per_inference_mj", "mean_power_w", "idle_power_w"), ("", "_low", "_high")


def estimated(sheet: Sheet, processes: Sequence[Json], power: PowerProfile, cores: int | None) -> None:
    """Profile x time: P = idle + u (load - idle), u = CPU time / (cores x wall), with the profile's range."""
    names = [f"energy_estimate/{name}{end}" for name in NAMES for end in ENDS]
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
    powers = [idle_w + use * (load_w - idle_w) for idle_w, load_w in zip(*ends, strict=True)]
    energies = [power_w * window_s / calls * 1e3 for power_w in powers]
    for name, value in zip(names, (*energies, *powers, *ends[0]), strict=True):
        sheet.put(name, value)
    sheet.tags.update({"energy_estimate.kind": "estimated_profile", "energy_estimate.scope": power.scope})
    sheet.tags["energy_estimate.source"] = power.source or "the device's power profile"
    return None


def _middle(watts: PowerRange) -> float:
    return (watts.low_w + watts.high_w) / 2
