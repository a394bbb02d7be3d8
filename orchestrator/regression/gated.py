"""Which metrics the gate looks at, and what makes each of them worse."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.unattended import Gate

FAILURE = "failure"
"""The cell as a whole: it had results, and fails now."""


@dataclass(frozen=True, slots=True)
class Gated:
    """``under`` are tags that have to be the same for two values of it to be compared.

    ``points``: a share that is compared by its difference (0.01: one point), not by its ratio. ``exact``: nothing about
    it is random, so nothing is run again. ``low``, ``high``: metrics with its 95 % interval.
    """

    name: str  # as in MLflow
    label: str
    unit: str
    falls: bool = False  # it gets worse when it falls
    points: bool = False
    exact: bool = False
    least: float = 0.0  # share below which nothing is worse, whatever the threshold
    low: str | None = None
    high: str | None = None
    under: tuple[str, ...] = ()

    def scaled(self, value: float) -> float:
        """The value so that larger is worse, and so that differences are what is compared."""
        scaled = value if self.points else math.log(value)
        return -scaled if self.falls else scaled

    def back(self, scaled: float) -> float:
        """From :meth:`scaled`."""
        plain = -scaled if self.falls else scaled
        return plain if self.points else math.exp(min(plain, 700.0))

    def change(self, difference: float) -> float:
        """A difference of scaled values as people read it: a share, or points as a share of 1; worse is positive."""
        if self.points:
            return difference
        return -math.expm1(-difference) if self.falls else math.expm1(min(difference, 700.0))

    def limit(self, gate: Gate) -> float:
        """The least difference of scaled values that counts."""
        return gate.quality_drop if self.points else math.log1p(max(gate.threshold, self.least))

    def admits(self, value: float) -> bool:
        """Whether such a value can be compared at all."""
        return math.isfinite(value) and (self.points or value > 0)


GATED: Mapping[str, Gated] = {
    one.name: one
    for one in (
        Gated("latency/median_ms", "latency", "ms", low="latency/median_low_ms", high="latency/median_high_ms"),
        Gated("throughput/inferences_per_s", "throughput", "1/s", falls=True),
        Gated(
            "energy/per_inference_mj",
            "energy",
            "mJ",
            under=("energy.scope", "energy.kind", "energy.source"),
        ),
        Gated("memory/peak_rss_mb", "memory", "MB", least=0.1),  # an allocator's mood, without any change of ours
        Gated("model/size_bytes", "size", "B", exact=True),
        Gated("quality/top1", "top-1 accuracy", "", falls=True, points=True, under=("quality.data", "quality.source")),
        Gated("quality/auc", "AUC", "", falls=True, points=True, under=("quality.data", "quality.source")),
        Gated("quality/top1_agreement", "agreement", "", falls=True, points=True, under=("quality.evaluation",)),
    )
}

OFFLINE = "offline"
ONLY_OFFLINE, NEVER_OFFLINE = "throughput/inferences_per_s", "latency/median_ms"
"""Where calls wait for each other a latency says how many streams there are; elsewhere the throughput is the latency
once more."""


def gated_in(mode: str) -> list[Gated]:
    """Those that say something in this mode of a scenario."""
    without = NEVER_OFFLINE if mode == OFFLINE else ONLY_OFFLINE
    return [one for one in GATED.values() if one.name != without]
