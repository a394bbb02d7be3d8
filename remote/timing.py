"""The timed loops. Inside of them nothing happens but the clock and the call."""

from __future__ import annotations

import gc
import resource
import time
from itertools import repeat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

    Call = Callable[[], object]

MIN_VALUE_NS = 1_000_000
"""A raw value shorter than this is mostly noise of the clock and the scheduler (pyperf warns there too)."""

_ESTIMATE = 50  # of the last warm-up calls
_MARGIN = 1.25  # calls in a row are a little faster than calls with the clock between them


def quiet() -> None:
    """No garbage collection from here on, and nothing of what exists is looked at again."""
    gc.collect()
    gc.disable()
    gc.freeze()


def clock_ns() -> int:
    """What two readings of the clock cost."""
    clock = time.perf_counter_ns
    begin = clock()
    for _ in repeat(None, 1000):
        clock()
        clock()
    return (clock() - begin) // 1000


def once(call: Call) -> int:
    """Duration of one call, ns."""
    begin = time.perf_counter_ns()
    call()
    return time.perf_counter_ns() - begin


def durations(call: Call, group: int, least_s: float, least_values: int) -> list[int]:
    """Call for at least so long and at least so often; one value, in ns, per ``group`` calls."""
    if group > 1:
        return _grouped(call, group, least_s, least_values)
    clock = time.perf_counter_ns
    values: list[int] = []
    keep = values.append
    least_ns = int(least_s * 1e9)
    begin = clock()
    while True:
        before = clock()
        call()
        after = clock()
        keep(after - before)
        if after - begin >= least_ns and len(values) >= least_values:
            return values


def _grouped(call: Call, group: int, least_s: float, least_values: int) -> list[int]:
    clock = time.perf_counter_ns
    values: list[int] = []
    keep = values.append
    least_ns = int(least_s * 1e9)
    begin = clock()
    while True:
        turns = repeat(None, group)
        before = clock()
        for _ in turns:
            call()
        after = clock()
        keep(after - before)
        if after - begin >= least_ns and len(values) >= least_values:
            return values


def group_for(warm_ns: list[int]) -> int:
    """How many calls make a value of at least 1 ms, judged by the fastest call at the end of the warm-up."""
    fastest_ns = max(min(warm_ns[-_ESTIMATE:]), 1)
    return 1 if fastest_ns >= MIN_VALUE_NS else int(MIN_VALUE_NS * _MARGIN / fastest_ns) + 1


def window(call: Call, group: int, least_s: float, least_values: int) -> dict[str, Any]:
    """The steady state, with what the process spent meanwhile. ``begin_s`` and ``end_s`` are CLOCK_MONOTONIC."""
    before, cpu = resource.getrusage(resource.RUSAGE_SELF), time.process_time_ns()
    begin_s, begin_ns = time.monotonic(), time.perf_counter_ns()
    values = durations(call, group, least_s, least_values)
    end_ns, end_s = time.perf_counter_ns(), time.monotonic()
    spent, after = time.process_time_ns() - cpu, resource.getrusage(resource.RUSAGE_SELF)
    return {
        "group": group,
        "invoke_ns": values,
        "window_ns": end_ns - begin_ns,
        "cpu_ns": spent,
        "voluntary_switches": after.ru_nvcsw - before.ru_nvcsw,
        "involuntary_switches": after.ru_nivcsw - before.ru_nivcsw,
        "begin_s": begin_s,
        "end_s": end_s,
    }
