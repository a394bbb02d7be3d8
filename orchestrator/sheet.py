"""A measurement while it is filled in: a number, or the reason why there is none."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from orchestrator.stats import Interval


@dataclass(slots=True)
class Sheet:
    """A measurement while it is filled in."""

    metrics: dict[str, float] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    uncertainty: dict[str, Interval] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def put(self, name: str, value: float | None, otherwise: str = "") -> None:
        """Store a finite value, or the reason why there is none."""
        if value is not None and math.isfinite(value):
            self.metrics[name] = float(value)
        else:
            self.missing[name] = otherwise or "not a finite number"

    def lacks(self, reason: str, *names: str) -> None:
        self.missing.update(dict.fromkeys(names, reason))
