"""The board beside the measurement: temperature, clocks, throttling, foreign load."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.measurement.parts import Json, mean, seen
from orchestrator.sheet import Sheet

LIVE_BITS, STICKY_BITS = 0x0000F, 0xF0000  # of the Pi's get_throttled: now, and since boot
PINNED_SHARE = 0.95
"""A clock below this share of the one that it is meant to keep is low."""
NO_SAMPLE = "no sample of board state"


def state_of_board(sheet: Sheet, state: Json, processes: Sequence[Json], cores: int | None) -> None:
    missing = state.get("missing", {})
    temperatures(sheet, state, processes)
    for kind, key in (("cpu", "cpu_mhz"), ("gpu", "gpu_mhz")):
        known = [s[key] for s in in_windows(state, processes) if s.get(key) is not None]
        clocks = [mean(mhz) if isinstance(mhz, list) else mhz for mhz in known if mhz != []]
        sheet.put(f"state/{kind}_mean_mhz", mean(clocks) if clocks else None, missing.get(key, NO_SAMPLE))
    sheet.put("state/clock_low_share", clock_low_share(state, processes), missing.get("pinned_mhz", NO_SAMPLE))
    for name, key in (("over_current_events", "over_current"), ("throttle_events", "throttle_events")):
        sheet.put(f"state/{name}", risen(state, key, processes), missing.get(key, NO_SAMPLE))
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


def temperatures(sheet: Sheet, state: Json, processes: Sequence[Json]) -> None:
    """At the start of the first window, and the highest but while the board was cooling down."""
    missing = state.get("missing", {})
    reason = missing.get("temperature_c", NO_SAMPLE)
    known = [s for s in measuring(state) if s.get("temperature_c") is not None]
    begin_s = min(p["begin_s"] for p in processes)
    before = [s["temperature_c"] for s in known if s["t_s"] <= begin_s] or [s["temperature_c"] for s in known[:1]]
    sheet.put("state/temperature_start_c", before[-1] if before else None, reason)
    sheet.put("state/temperature_max_c", max((s["temperature_c"] for s in known), default=None), reason)
    waited = [gate["waited_s"] for gate in state.get("gates", [])]
    reason = missing.get("gates", "nothing to wait for: device.cool_to_c is null")
    sheet.put("state/cool_down_s", sum(waited) if waited else None, reason)


def measuring(state: Json) -> list[Json]:
    """The samples that were not taken while a process waited for the board to cool down."""
    gates = [(gate["begin_s"], gate["begin_s"] + gate["waited_s"]) for gate in state.get("gates", [])]
    return [s for s in state["samples"] if not any(begin <= s["t_s"] < end for begin, end in gates)]


def in_windows(state: Json, processes: Sequence[Json]) -> list[Json]:
    """The samples of the timed windows; all where there is none, as in windows below a second."""
    samples = state["samples"]
    times = [s["t_s"] for s in samples]
    spans = [(bisect_left(times, p["begin_s"]), bisect_right(times, p["end_s"])) for p in processes]
    found = {index for first, end in spans for index in range(first, end)}
    return [samples[index] for index in sorted(found)] or list(measuring(state))


def clock_low_share(state: Json, processes: Sequence[Json]) -> float | None:
    """Share of the samples in which a CPU was below the clock that it is meant to keep; None where none is pinned."""
    pinned = state.get("pinned_mhz")
    if not pinned:
        return None
    low = [is_low(s["cpu_mhz"], pinned) for s in in_windows(state, processes) if s.get("cpu_mhz") is not None]
    known = [one for one in low if one is not None]
    return sum(known) / len(known) if known else None


def is_low(clocks_mhz: Sequence[float], pinned_mhz: Sequence[float | None]) -> bool | None:
    """Whether a CPU was below the clock that it is meant to keep; None where CPUs went offline or came."""
    if len(clocks_mhz) != len(pinned_mhz):
        return None
    return any(due and mhz < PINNED_SHARE * due for mhz, due in zip(clocks_mhz, pinned_mhz, strict=True))


def around(state: Json, key: str, processes: Sequence[Json]) -> list[tuple[Any, Any]]:
    """What was known last before each process's window, and first after it: nothing else is the process's."""
    known = [(s["t_s"], s[key]) for s in state["samples"] if s.get(key) is not None]
    if not known:
        return []
    times = [t_s for t_s, _ in known]
    spans = [(bisect_right(times, p["begin_s"]) - 1, bisect_left(times, p["end_s"])) for p in processes]
    return [(known[max(0, first)][1], known[min(last, len(known) - 1)][1]) for first, last in spans]


def risen(state: Json, key: str, processes: Sequence[Json]) -> int | None:
    """By how much a counter rose around the windows; None where the board has none."""
    pairs = around(state, key, processes)
    return sum(max(0, after - before) for before, after in pairs) if pairs else None


def conditions(sheet: Sheet, state: Json, processes: Sequence[Json]) -> dict[str, float | None]:
    """What the rules of the verdict look at; None where the board does not tell."""
    throttled = list(seen(state, "throttled"))
    live = [s["throttled"] & LIVE_BITS for s in measuring(state) if s.get("throttled") is not None]
    new = 0
    for before, after in around(state, "throttled", processes):
        new |= after & ~before & STICKY_BITS
    gates = [gate for gate in state.get("gates", []) if gate["temperature_c"] is not None]
    return {
        "live_throttle_samples": sum(map(bool, live)) if throttled else None,
        "new_throttle_bits": new.bit_count() if throttled else None,
        "sticky_throttle_bits": (throttled[0] & STICKY_BITS).bit_count() if throttled else None,
        **{
            name: sheet.metrics.get(f"state/{name}")
            for name in ("over_current_events", "throttle_events", "clock_low_share", "foreign_cpu_cores")
        },
        "involuntary_switches_per_s": sheet.metrics.get("state/involuntary_switches_per_s"),
        "governors": len(set(seen(state, "governor"))) or None,
        "gate_excess_c": max(max(0.0, gate["temperature_c"] - gate["limit_c"]) for gate in gates) if gates else None,
        "untuned": len(untuned(state)),
    }


def details(state: Json) -> Mapping[str, str]:
    """Words for a reason of the verdict, by the evidence it is about."""
    warm = [gate for gate in state.get("gates", []) if not gate["passed"] and gate["temperature_c"] is not None]
    said = {
        "governors": ", ".join(sorted(set(seen(state, "governor")))),
        "untuned": "; ".join(untuned(state)),
        "gate_excess_c": "; ".join(
            f"process {gate['number']} at {gate['temperature_c']:.1f} after {gate['waited_s']:.0f} s" for gate in warm
        ),
    }
    return {quantity: words for quantity, words in said.items() if words}


def untuned(state: Json) -> list[str]:
    """The settings of ``device.tune`` that are not as asked for, each in words."""
    return [not_as_asked(one) for one in state.get("tuning", []) if one["reason"] is not None]


def not_as_asked(one: Json) -> str:
    """A setting that is not as wanted, for people."""
    return f"asked for {one['setting']} {one['wanted']}, is {one['now'] or 'not told'}: {one['reason']}"


def tuning_words(state: Json) -> str | None:
    """The settings as they were: ``governor=performance, power_mode=15W``; None where nothing was asked for."""
    return ", ".join(f"{one['setting']}={one['now'] or 'unknown'}" for one in state.get("tuning", [])) or None
