"""What the rules of the verdict look at."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator import stats
from orchestrator.measurement.parts import Json, cv_within
from orchestrator.measurement.state import conditions
from orchestrator.sheet import Sheet


def evidence(sheet: Sheet, record: Json, processes: Sequence[Json]) -> dict[str, float | None]:
    """What the rules of the verdict look at; None where the board does not tell."""
    hashes = {p["output_sha256"] for p in processes if p["output_sha256"]}
    medians = [stats.median(p["invoke_ns"]) / p["group"] for p in processes]
    drifts = [d for p in processes if (d := stats.drift(p["invoke_ns"])) is not None]
    stability = {
        "process_spread": stats.spread(medians) if len(medians) > 1 else None,
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
        "runs": min(len(p["invoke_ns"]) * p["group"] for p in processes),
    }
