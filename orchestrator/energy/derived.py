"""What a measured energy comes to: per Wh of a battery, for a thousand inferences, times the latency."""

from __future__ import annotations

from orchestrator.sheet import Sheet

NAMES = ("energy/inferences_per_wh", "energy/joules_per_1000", "energy/edp_mj_ms")
JOULES_PER_WH = 3600.0


def derived(sheet: Sheet) -> None:
    """Of measured energy only. The energy-delay product is energy x median latency, mJ x ms."""
    energy_mj = sheet.metrics.get("energy/per_inference_mj")
    if energy_mj is None:
        return sheet.lacks(sheet.missing.get("energy/per_inference_mj", "energy was not measured"), *NAMES)
    sheet.put("energy/inferences_per_wh", JOULES_PER_WH / (energy_mj / 1e3))
    sheet.put("energy/joules_per_1000", energy_mj)  # mJ for one are J for a thousand
    sheet.put("energy/edp_mj_ms", energy_mj * sheet.metrics["latency/median_ms"])
    return None
