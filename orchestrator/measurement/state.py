"""The board beside the measurement: temperature, clocks, foreign load."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.measurement.parts import Json, mean, seen
from orchestrator.sheet import Sheet


def state_of_board(sheet: Sheet, state: Json, processes: Sequence[Json], cores: int | None) -> None:
    missing = state.get("missing", {})
    temperatures = list(seen(state, "temperature_c"))
    reason = missing.get("temperature_c", "no sample of board state")
    sheet.put("state/temperature_max_c", max(temperatures, default=None), reason)
    sheet.put("state/temperature_start_c", temperatures[0] if temperatures else None, reason)
    clocks = [mean(mhz) for mhz in seen(state, "cpu_mhz") if mhz]
    sheet.put(
        "state/cpu_mean_mhz", mean(clocks) if clocks else None, missing.get("cpu_mhz", "no sample of board state")
    )
    shares = [
        max(0.0, s["cpu_busy"] - s["own_busy"])
        for s in state["samples"]
        if s.get("cpu_busy") is not None and s.get("own_busy") is not None
    ]
    foreign = mean(shares) * cores if shares and cores else None
    sheet.put(
        "state/foreign_cpu_cores", foreign, missing.get("cpu_busy", "no sample of CPU use, or number of cores unknown")
    )
    window_s = sum(p["window_ns"] for p in processes) / 1e9
    switches = [p["involuntary_switches"] for p in processes if p.get("involuntary_switches") is not None]
    rate = sum(switches) / window_s if len(switches) == len(processes) and window_s > 0 else None
    sheet.put("state/involuntary_switches_per_s", rate, "the board does not count context switches")
