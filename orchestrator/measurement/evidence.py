"""What the rules of the verdict look at."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator import stats
from orchestrator.cell import Scenario
from orchestrator.measurement import warmup
from orchestrator.measurement.parts import Json, cv_within, in_order, seen
from orchestrator.measurement.state import conditions
from orchestrator.sheet import Sheet

UNDER_VOLTAGE = 0x00001  # of the Pi's get_throttled


def evidence(
    sheet: Sheet, record: Json, processes: Sequence[Json], compared_ms: Sequence[float], scenario: Scenario | None
) -> dict[str, float | None]:
    """What the rules of the verdict look at; None where the board does not tell. ``compared_ms`` is what stands for
    each process in comparisons, ``scenario`` what was asked for, where that is known."""
    throttled = list(seen(record["state"], "throttled"))
    hashes = {p["output_sha256"] for p in processes if p["output_sha256"]}
    windows = [in_order(p) for p in processes]
    drifts = [d for values in windows if (d := stats.drift(values)) is not None]
    runs, asked = min(len(p["invoke_ns"]) * p["group"] for p in processes), scenario.min_runs if scenario else 1
    stability = {
        "process_spread": stats.spread(compared_ms) if len(compared_ms) > 1 else None,
        "cv": cv_within(processes),
        "drift": stats.median(drifts) if drifts else None,
    }
    for name, value in stability.items():
        sheet.put(f"stability/{name}", value, "too few processes or runs")
    stability["drift"] = abs(stability["drift"]) if stability["drift"] is not None else None
    return {
        **stability,
        **conditions(sheet, record["state"], processes),
        "output_variants": len(hashes) or None,
        "not_finite_outputs": sum(not p["output_finite"] for p in processes),
        "processes": len(processes),
        "runs": runs,
        "asked_runs": asked,
        "share_of_runs": runs / asked,
        "under_voltage_samples": sum(bool(bits & UNDER_VOLTAGE) for bits in throttled) if throttled else None,
        **warmup.evidence(windows),
        "sanity_ratio": sheet.metrics.get("sanity/ratio"),
    }
