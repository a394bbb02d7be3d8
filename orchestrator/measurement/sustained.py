"""Minutes under load: the first seconds beside the last, and when it got slower."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from orchestrator import stats
from orchestrator.measurement.parts import SUSTAINED, Json, mean, timeline
from orchestrator.measurement.state import is_low
from orchestrator.sheet import Sheet

BURST_S = 10.0
END_S = 60.0
"""The end is the last 60 s, or the last third of a shorter window."""
THROTTLED = 1.10
SMOOTH_S, HELD_S = 5.0, 5.0
"""Slower is a latency that, smoothed over 5 s, stays 10 % and more above burst for 5 s."""
HEAT_BITS = 0x0000E  # of the Pi's get_throttled: capped, throttled, soft limit, all of them now

NAMES = tuple(
    f"sustained/{name}"
    for name in ("burst_median_ms", "sustained_median_ms", "degradation", "samples_per_s", "time_to_throttle_s")
)


def series(process: Json, bin_s: float = 1.0) -> list[tuple[float, float]]:
    """The window as a line: the middle of each second since its begin, and the median latency in ms of the calls that
    ended in it. A second in which none ended is left out."""
    bins: dict[int, list[int]] = {}
    last = max(0, int((process["window_ns"] / 1e9 - 1e-9) // bin_s))
    for end_s, value in timeline(process):
        bins.setdefault(min(last, int(end_s // bin_s)), []).append(value)
    scale = process["group"] * 1e6
    return [((number + 0.5) * bin_s, stats.median(values) / scale) for number, values in sorted(bins.items())]


def burst(process: Json) -> list[int]:
    """The values of the first 10 s; of a slower model the first one."""
    return [value for end_s, value in timeline(process) if end_s <= BURST_S] or process["invoke_ns"][:1]


def end_of(process: Json) -> list[int]:
    """The values of the last minute, or of the last third."""
    window_s = process["window_ns"] / 1e9
    begin_s = window_s - min(END_S, window_s / 3)
    return [value for end_s, value in timeline(process) if end_s > begin_s] or process["invoke_ns"][-1:]


def sustained(sheet: Sheet, record: Json, processes: Sequence[Json], mode: str, batch_size: int) -> None:
    """Everything is the median over the processes."""
    if mode != SUSTAINED:
        return sheet.lacks(f"of mode sustained; scenario.mode is {mode}", *NAMES)
    groups = [p["group"] for p in processes]
    first = [stats.median(burst(p)) / g / 1e6 for p, g in zip(processes, groups, strict=True)]
    ends = [end_of(p) for p in processes]
    last = [stats.median(end) / g / 1e6 for end, g in zip(ends, groups, strict=True)]
    sheet.put("sustained/burst_median_ms", stats.median(first))
    sheet.put("sustained/sustained_median_ms", stats.median(last))
    sheet.put("sustained/degradation", stats.median([b / a for a, b in zip(first, last, strict=True)]) - 1)
    rates = [batch_size * g / mean(end) * 1e9 for end, g in zip(ends, groups, strict=True)]
    sheet.put("sustained/samples_per_s", stats.median(rates))
    _throttling(sheet, record, processes, first)
    return None


def _throttling(sheet: Sheet, record: Json, processes: Sequence[Json], bursts_ms: Sequence[float]) -> None:
    found = [first_sign(record["state"], p, ms) for p, ms in zip(processes, bursts_ms, strict=True)]
    signs = sorted(sign for sign in found if sign is not None)
    name, window_s = "sustained/time_to_throttle_s", min(p["window_ns"] for p in processes) / 1e9
    if not signs:
        return sheet.lacks(f"did not throttle in {window_s:.0f} s", name)
    middle = signs[len(processes) // 2] if len(signs) > len(processes) // 2 else None  # never is later than any time
    reason = f"{len(processes) - len(signs)} of {len(processes)} processes did not throttle in {window_s:.0f} s"
    sheet.put(name, middle[0] if middle else None, reason)
    sheet.tags["sustained.throttled_by"] = signs[0][1]
    sheet.warnings.append(f"slower from {signs[0][0]:.0f} s of load on: {signs[0][1]}")
    return None


def first_sign(state: Json, process: Json, burst_ms: float) -> tuple[float, str] | None:
    """Seconds since the window's begin to the first sign of throttling, and which; None: there was none."""
    slow_s = first_slow(series(process), burst_ms * THROTTLED)
    signs = [(slow_s, f"latency {THROTTLED - 1:.0%} above burst")] if slow_s is not None else []
    signs += _signs_of_board(state, process)
    return min(signs, default=None)


def first_slow(points: Sequence[tuple[float, float]], limit_ms: float) -> float | None:
    """When a series, smoothed by a running median, first stays at or above a limit, in s; None: never."""
    began: float | None = None
    for number, (t_s, _) in enumerate(points):
        if _smoothed(points, number) < limit_ms:
            began = None
            continue
        began = t_s if began is None else began
        if t_s - began >= HELD_S:
            return began
    return None


def _smoothed(points: Sequence[tuple[float, float]], number: int) -> float:
    """The median around a point, within half of SMOOTH_S on either side."""
    low = high = number
    while low > 0 and points[number][0] - points[low - 1][0] <= SMOOTH_S / 2:
        low -= 1
    while high + 1 < len(points) and points[high + 1][0] - points[number][0] <= SMOOTH_S / 2:
        high += 1
    return stats.median([ms for _, ms in points[low : high + 1]])


def _signs_of_board(state: Json, process: Json) -> Iterator[tuple[float, str]]:
    """What the board itself says: bits, counters, a clock below the one it should keep."""
    samples = [s for s in state["samples"] if process["begin_s"] <= s["t_s"] <= process["end_s"]]
    pinned = state.get("pinned_mhz")
    for sample in samples:
        after_s = sample["t_s"] - process["begin_s"]
        if (sample["throttled"] or 0) & HEAT_BITS:
            yield after_s, "the firmware says: throttled or capped"
        if pinned and sample["cpu_mhz"] and is_low(sample["cpu_mhz"], pinned):
            yield after_s, "clock below the pinned one"
        for key, words in (("over_current", "over-current event"), ("throttle_events", "throttle event of the CPU")):
            if (sample[key] or 0) > (samples[0][key] or 0):
                yield after_s, words
