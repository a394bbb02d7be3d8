"""Durations: of calls, of loading, end to end; and what the process needed of memory."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator import stats
from orchestrator.measurement.parts import Json, cv_within, mean
from orchestrator.sheet import Sheet


def latency(sheet: Sheet, processes: Sequence[Json], medians_ms: Sequence[float]) -> None:
    group = max(p["group"] for p in processes)
    sheet.put("latency/median_ms", stats.median(medians_ms))
    sheet.put("latency/mean_ms", mean([mean(p["invoke_ns"]) / p["group"] / 1e6 for p in processes]))
    calls_ms = [ns / 1e6 for p in processes for ns in p["invoke_ns"]]
    if group > 1:
        reason = f"calls under 1 ms were timed in groups of {group}; single calls are not known"
        names = ("p90_ms", "p95_ms", "p99_ms", "min_ms", "max_ms", "cv")
        sheet.lacks(reason, *(f"latency/{name}" for name in names))
    else:
        for p, needed in stats.PERCENTILE_MINIMUM.items():
            sheet.put(f"latency/p{p}_ms", stats.percentile(calls_ms, p), f"{len(calls_ms)} runs, {needed} needed")
        sheet.put("latency/min_ms", min(calls_ms))
        sheet.put("latency/max_ms", max(calls_ms))
        sheet.put("latency/cv", cv_within(processes))
        sheet.put("latency/outliers", sum(stats.outliers(p["invoke_ns"]) for p in processes))
    sheet.put("latency/runs", sum(len(p["invoke_ns"]) * p["group"] for p in processes))
    sheet.put("latency/first_ms", stats.median([p["first_ns"] / 1e6 for p in processes]))
    ends = [stats.median(p["end_to_end_ns"]) / p["end_to_end_group"] / 1e6 for p in processes if p["end_to_end_ns"]]
    sheet.put(
        "latency/end_to_end_median_ms", stats.median(ends) if ends else None, "no end-to-end pass in this scenario"
    )
    interval = stats.between_processes(medians_ms)
    if interval:
        sheet.uncertainty["latency/median_ms"] = interval
        sheet.put("latency/median_low_ms", interval.low)
        sheet.put("latency/median_high_ms", interval.high)
    else:
        sheet.lacks("one process: no interval between processes", "latency/median_low_ms", "latency/median_high_ms")


def load_and_memory(sheet: Sheet, processes: Sequence[Json]) -> None:
    sheet.put("load/total_ms", stats.median([p["load_ns"] / 1e6 for p in processes]))
    sheet.put("load/import_ms", stats.median([p["import_ns"] / 1e6 for p in processes]))
    peaks = [p["peak_rss_bytes"] for p in processes if p.get("peak_rss_bytes")]
    sheet.put("memory/peak_rss_mb", max(peaks) / 1e6 if peaks else None, "the board does not tell peak memory")
