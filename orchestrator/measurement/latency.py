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
    if group > 1:
        reason = f"calls under 1 ms were timed in groups of {group}; single calls are not known"
        percentiles = [
            f"p{percent}{end}" for percent in stats.PERCENTILE_MINIMUM for end in ("_ms", "_low_ms", "_high_ms")
        ]
        names = (*percentiles, "min_ms", "max_ms", "cv", "stdev_ms", "mad_ms")
        sheet.lacks(reason, *(f"latency/{name}" for name in names))
    else:
        single_calls(sheet, [[ns / 1e6 for ns in p["invoke_ns"]] for p in processes])
        sheet.put("latency/cv", cv_within(processes))
        sheet.put("latency/outliers", sum(stats.outliers(p["invoke_ns"]) for p in processes))
    sheet.put("latency/runs", sum(len(p["invoke_ns"]) * p["group"] for p in processes))
    sheet.put("latency/first_ms", stats.median([p["first_ns"] / 1e6 for p in processes]))
    ends = [stats.median(p["end_to_end_ns"]) / p["end_to_end_group"] / 1e6 for p in processes if p["end_to_end_ns"]]
    sheet.put(
        "latency/end_to_end_median_ms", stats.median(ends) if ends else None, "no end-to-end pass in this scenario"
    )
    interval(sheet, "latency/median", medians_ms, "median")


def single_calls(sheet: Sheet, processes_ms: Sequence[Sequence[float]]) -> None:
    """Percentiles and spread are a process's own, then the median of the processes: its calls are not independent."""
    fewest = min(map(len, processes_ms))
    for p, needed in stats.PERCENTILE_MINIMUM.items():
        found = [x for calls in processes_ms if (x := stats.percentile(calls, p)) is not None]
        if len(found) == len(processes_ms):
            sheet.put(f"latency/p{p}_ms", stats.median(found))
            interval(sheet, f"latency/p{p}", found, f"p{p}")
        else:
            names = (f"latency/p{p}{end}" for end in ("_ms", "_low_ms", "_high_ms"))
            sheet.lacks(f"{fewest} runs in a process, {needed} needed", *names)
    sheet.put("latency/min_ms", min(map(min, processes_ms)))
    sheet.put("latency/max_ms", max(map(max, processes_ms)))
    stdevs = [x for calls in processes_ms if (x := stats.stdev(calls)) is not None]
    sheet.put("latency/stdev_ms", stats.median(stdevs) if stdevs else None, "one run in a process")
    sheet.put("latency/mad_ms", stats.median([stats.mad(calls) for calls in processes_ms]))


def interval(sheet: Sheet, name: str, values_ms: Sequence[float], what: str) -> None:
    """``<name>_low_ms`` and ``<name>_high_ms``: the 95 % interval from one value of each process."""
    found = stats.between_processes(values_ms, what)
    if found:
        sheet.uncertainty[f"{name}_ms"] = found
        sheet.put(f"{name}_low_ms", found.low)
        sheet.put(f"{name}_high_ms", found.high)
    else:
        sheet.lacks("fewer than 3 processes: no interval between them", f"{name}_low_ms", f"{name}_high_ms")


def load_and_memory(sheet: Sheet, processes: Sequence[Json]) -> None:
    sheet.put("load/total_ms", stats.median([p["load_ns"] / 1e6 for p in processes]))
    sheet.put("load/import_ms", stats.median([p["import_ns"] / 1e6 for p in processes]))
    peaks = [p["peak_rss_bytes"] for p in processes if p.get("peak_rss_bytes")]
    sheet.put("memory/peak_rss_mb", max(peaks) / 1e6 if peaks else None, "the board does not tell peak memory")
