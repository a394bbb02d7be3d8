"""What is published about a cell, and what vouches for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from orchestrator.stats import Interval
from orchestrator.verdict import Verdict

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Measurement:
    """Metrics by their tracking names, what is missing and why, and what vouches for them.

    ``process_medians_ms`` is kept because comparisons replicate over processes; in mode offline, where calls wait for
    each other, it is the time per call of all streams together. ``uncertainty`` is an interval of the
    metric of that name; the words in its ``method`` say what went into it.
    """

    metrics: dict[str, float]
    missing: dict[str, str]
    uncertainty: dict[str, Interval]
    process_medians_ms: tuple[float, ...]
    verdict: Verdict
    tags: dict[str, str]
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Json) -> Measurement:
        verdict = data["verdict"]
        return cls(
            metrics=dict(data["metrics"]),
            missing=dict(data["missing"]),
            uncertainty={name: Interval(**value) for name, value in data["uncertainty"].items()},
            process_medians_ms=tuple(data["process_medians_ms"]),
            verdict=Verdict(verdict["level"], tuple(verdict["reasons"]), tuple(verdict["unchecked"])),
            tags=dict(data["tags"]),
            warnings=tuple(data["warnings"]),
        )
