"""The timed loops. Inside of them nothing happens but the clock and the call."""

from __future__ import annotations

import gc
import math
import resource
import threading
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


def durations(call: Call, group: int, least_s: float, least_values: int, most_s: float = math.inf) -> list[int]:
    """Call for at least so long and at least so often, but not beyond ``most_s`` for the sake of the number; one
    value, in ns, per ``group`` calls."""
    if group > 1:
        return _grouped(call, group, least_s, least_values, most_s)
    clock = time.perf_counter_ns
    values: list[int] = []
    keep = values.append
    least_ns, most_ns = least_s * 1e9, most_s * 1e9
    begin = clock()
    while True:
        before = clock()
        call()
        after = clock()
        keep(after - before)
        if after - begin >= least_ns and (len(values) >= least_values or after - begin >= most_ns):
            return values


def _grouped(call: Call, group: int, least_s: float, least_values: int, most_s: float) -> list[int]:
    clock = time.perf_counter_ns
    values: list[int] = []
    keep = values.append
    least_ns, most_ns = least_s * 1e9, most_s * 1e9
    begin = clock()
    while True:
        turns = repeat(None, group)
        before = clock()
        for _ in turns:
            call()
        after = clock()
        keep(after - before)
        if after - begin >= least_ns and (len(values) >= least_values or after - begin >= most_ns):
            return values


def streams(
    calls: list[Call], group: int, least_s: float, least_values: int, most_s: float = math.inf
) -> list[list[int]]:
    """As :func:`durations`, every call in a thread of its own and all of them at once; the values of each stream.

    They follow each other without a gap (one reading of the clock ends a value and begins the next), so that the sum
    of a stream is the time it took, waits for Python's lock included. What a thread raises is raised here.
    """
    together = threading.Barrier(len(calls))
    found: list[list[int]] = [[] for _ in calls]
    failures: list[BaseException] = []

    def work(call: Call, values: list[int]) -> None:
        try:
            together.wait()
            _back_to_back(call, values, group, least_s, least_values, most_s)
        except BaseException as error:  # noqa: BLE001 - raised again, where it is waited for
            failures.append(error)
            together.abort()  # nobody waits for a stream that never comes

    threads = [threading.Thread(target=work, args=pair, daemon=True) for pair in zip(calls, found)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return found


def _back_to_back(call: Call, values: list[int], group: int, least_s: float, least_values: int, most_s: float) -> None:
    clock = time.perf_counter_ns
    keep = values.append
    least_ns, most_ns = least_s * 1e9, most_s * 1e9
    begin = before = clock()
    while True:
        for _ in repeat(None, group):
            call()
        after = clock()
        keep(after - before)
        before = after
        if after - begin >= least_ns and (len(values) >= least_values or after - begin >= most_ns):
            return


def group_for(warm_ns: list[int]) -> int:
    """How many calls make a value of at least 1 ms, judged by the fastest call at the end of the warm-up."""
    fastest_ns = max(min(warm_ns[-_ESTIMATE:]), 1)
    return 1 if fastest_ns >= MIN_VALUE_NS else int(MIN_VALUE_NS * _MARGIN / fastest_ns) + 1


def values_for(runs: int, group: int, parallel: int = 1) -> int:
    """How many values of ``group`` calls make so many calls, shared by the streams."""
    return -(-runs // (group * parallel))


def window(loop: Callable[[], list[list[int]]], group: int) -> dict[str, Any]:
    """What a timed loop gives (a list of values per stream), with what the process spent meanwhile. ``begin_s`` and
    ``end_s`` are CLOCK_MONOTONIC."""
    before, cpu = resource.getrusage(resource.RUSAGE_SELF), time.process_time_ns()
    begin_s, begin_ns = time.monotonic(), time.perf_counter_ns()
    found = loop()
    end_ns, end_s = time.perf_counter_ns(), time.monotonic()
    spent, after = time.process_time_ns() - cpu, resource.getrusage(resource.RUSAGE_SELF)
    return {
        "group": group,
        "invoke_ns": [value for values in found for value in values],
        "stream_values": [len(values) for values in found],
        "window_ns": end_ns - begin_ns,
        "cpu_ns": spent,
        "voluntary_switches": after.ru_nvcsw - before.ru_nvcsw,
        "involuntary_switches": after.ru_nivcsw - before.ru_nivcsw,
        "begin_s": begin_s,
        "end_s": end_s,
    }
