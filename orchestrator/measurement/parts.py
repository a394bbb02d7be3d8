"""What several parts of a measurement look at."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any

from orchestrator import stats
from remote.contract import MODES

Json = Mapping[str, Any]

SINGLE_STREAM, SUSTAINED, OFFLINE = MODES


def cv_within(processes: Sequence[Json]) -> float:
    """Within a process, so that a difference between processes does not count twice. Grouped calls: of the groups."""
    return stats.median([stats.cv(p["invoke_ns"]) for p in processes])


def seen(state: Json, key: str) -> Iterator[Any]:
    return (s[key] for s in state["samples"] if s.get(key) is not None)


def of_streams(process: Json) -> Iterator[Sequence[int]]:
    """The values of a window, stream by stream."""
    values, begin = process["invoke_ns"], 0
    if process["streams"] == 1:
        yield values
        return
    for count in process["stream_values"]:
        yield values[begin : begin + count]
        begin += count


def timeline(process: Json) -> Iterator[tuple[float, int]]:
    """The values of a window as they ended, each with the seconds since its begin; streams are merged.

    Ends are sums of the values, drawn out to the length of the window: what lies between two values of a bare loop is
    not in them.
    """
    streams = list(of_streams(process))
    longest = max(sum(values) for values in streams)
    stretch = process["window_ns"] / longest / 1e9 if longest > 0 else 0.0
    ends = (zip(accumulate(values), values, strict=True) for values in streams)
    return ((end * stretch, value) for end, value in heapq.merge(*ends))


def in_order(process: Json) -> Sequence[int]:
    """The values of a window in the order in which they ended."""
    if process["streams"] == 1:
        values: Sequence[int] = process["invoke_ns"]
        return values
    return [value for _, value in timeline(process)]


def mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
