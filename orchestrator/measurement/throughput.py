"""How much is done in a time: calls and samples."""

from __future__ import annotations

import math
from collections.abc import Sequence

from orchestrator import stats
from orchestrator.measurement.parts import OFFLINE, Json, of_streams
from orchestrator.sheet import Sheet

LATENCY_OF = {
    "single_stream": "bare calls, one after the other",
    "sustained": "bare calls, one after the other, of the whole window",
    "offline": "set, invoke and get of a call while {streams} stream(s) run",
}
"""What a value of ``latency/median_ms`` spans, by the mode of its scenario."""


def throughput(sheet: Sheet, processes: Sequence[Json], mode: str, batch_size: int) -> None:
    """Calls and samples per second, and what the latencies span."""
    rates = tuple(rate_per_s(p, mode) for p in processes)
    sheet.put("throughput/inferences_per_s", stats.median(rates))
    sheet.put("throughput/samples_per_s", stats.median(rates) * batch_size)
    if interval := stats.between_processes(rates):
        sheet.uncertainty["throughput/inferences_per_s"] = interval
    sheet.tags["scenario.mode"] = mode
    sheet.tags["latency.of"] = LATENCY_OF[mode].format(streams=processes[0]["streams"])
    if mode == OFFLINE:
        sheet.tags["scenario.streams"] = str(processes[0]["streams"])


def per_process_ms(processes: Sequence[Json], mode: str) -> tuple[float, ...]:
    """What stands for each process in comparisons: its median call, or of parallel streams the time per call of all."""
    if mode == OFFLINE:
        return tuple(1e3 / rate_per_s(p, mode) for p in processes)
    return tuple(stats.median(p["invoke_ns"]) / p["group"] / 1e6 for p in processes)


def rate_per_s(process: Json, mode: str) -> float:
    """Calls per second. Of parallel streams the sum of each one's own rate: the window ends with the last of them, and
    a stream that was done before it would count as idle."""
    if mode == OFFLINE:
        return math.fsum(len(values) * process["group"] / sum(values) * 1e9 for values in of_streams(process) if values)
    return float(len(process["invoke_ns"]) * process["group"] / max(process["window_ns"], 1) * 1e9)
