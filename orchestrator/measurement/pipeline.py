"""What an application pays for a photograph, step by step, and which share of it the model is."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator import stats
from orchestrator.measurement.parts import Json
from orchestrator.sheet import Sheet
from remote.contract import PIPELINE

NAMES = (*(f"pipeline/{step}_ms" for step in PIPELINE), "pipeline/total_ms", "pipeline/invoke_share")


def pipeline(sheet: Sheet, processes: Sequence[Json]) -> None:
    """Medians of the processes' medians; the total is that of whole passes, so the steps need not sum to it."""
    timed = [p["pipeline"] for p in processes if p["pipeline"] is not None and p["pipeline"]["invoke"]]
    if not timed:
        reason = next((p["pipeline_reason"] for p in processes if p["pipeline_reason"]), "no pass was timed")
        return sheet.lacks(reason, *NAMES)
    for step in PIPELINE:
        sheet.put(f"pipeline/{step}_ms", stats.median([stats.median(steps[step]) for steps in timed]) / 1e6)
    passes = [[sum(times) for times in zip(*(steps[step] for step in PIPELINE), strict=True)] for steps in timed]
    sheet.put("pipeline/total_ms", stats.median([stats.median(whole) for whole in passes]) / 1e6)
    shares = [sum(steps["invoke"]) / sum(whole) for steps, whole in zip(timed, passes, strict=True)]
    sheet.put("pipeline/invoke_share", stats.median(shares))
    return None
