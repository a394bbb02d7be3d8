"""What several parts of a measurement look at."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from orchestrator import stats

Json = Mapping[str, Any]


def cv_within(processes: Sequence[Json]) -> float:
    """Within a process, so that a difference between processes does not count twice. Grouped calls: of the groups."""
    return stats.median([stats.cv(p["invoke_ns"]) for p in processes])


def seen(state: Json, key: str) -> Iterator[Any]:
    return (s[key] for s in state["samples"] if s.get(key) is not None)


def mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
