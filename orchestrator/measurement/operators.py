"""Where a call's time goes, by operator, from the profile of a record."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.measurement.parts import Json


@dataclass(frozen=True, slots=True)
class Operator:
    """One type of operator on one provider; ``share`` is of the time of all operators, 0 to 1."""

    type: str
    provider: str
    count: float  # per call
    per_run_ms: float
    share: float


def operators(profile: Json | None) -> list[Operator]:
    """The longest first. Profiled time is not the latency: the profiler takes time itself, and what lies between the
    operators is not in it. Times of the same type and provider are added up."""
    if profile is None:
        return []
    sums: dict[tuple[str, str], tuple[float, int]] = {}
    for row in profile["operators"]:
        key = row["type"], row["provider"] or "not told"
        count, total_ns = sums.get(key, (0.0, 0))
        sums[key] = count + row["count"], total_ns + row["total_ns"]
    whole_ns = sum(total_ns for _, total_ns in sums.values())
    found = [
        Operator(kind, provider, count, total_ns / profile["runs"] / 1e6, total_ns / whole_ns if whole_ns else 0.0)
        for (kind, provider), (count, total_ns) in sums.items()
    ]
    return sorted(found, key=lambda operator: -operator.per_run_ms)
