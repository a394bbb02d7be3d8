"""Which two energies may be compared, and how well their ratio is known."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.measurement import Measurement
from orchestrator.stats import MINIMUM_EFFECT

ENERGY = "energy/per_inference_mj"

MOST_ERROR = 10.0
"""As a share of the ratio: beyond, 95 % are a factor of 20 000 either way, which is no comparison."""

LABELS: Mapping[str, str] = {"energy.scope": "scope", "energy.kind": "kind", "energy.source": "reader"}
"""Tags that must be the same for two energies to be compared, and what they are called."""


@dataclass(frozen=True, slots=True)
class EnergyRatio:
    """``value`` is that of the energies per inference, ``error`` of its logarithm, about 95 %."""

    value: float
    error: float
    same_sensor: bool

    @property
    def low(self) -> float:
        return self.value * math.exp(-self.error)

    @property
    def high(self) -> float:
        return self.value * math.exp(self.error)

    @property
    def differs(self) -> bool:
        """Further apart than what both may err, and by enough to count."""
        return abs(math.log(self.value)) > max(self.error, math.log1p(MINIMUM_EFFECT))

    @property
    def note(self) -> str:
        return "" if self.same_sensor else "another sensor: the whole uncertainty of both counts"


def energy_ratio(ours: Measurement, its: Measurement, same_board: bool) -> EnergyRatio | str:
    """Ours over its, both measured; or why they are not comparable.

    What one sensor has wrong on one board cancels in it, so repeatabilities count; between two sensors or two boards
    everything does.
    """
    if others := [word for tag, word in LABELS.items() if _label(ours, tag) != _label(its, tag)]:
        return f"other {', other '.join(others)}"
    same_sensor = same_board and ours.tags.get("energy.source") == its.tags.get("energy.source")
    mine, theirs = ours.metrics[ENERGY], its.metrics[ENERGY]
    if not (mine > 0 and theirs > 0):
        return "the energies are known too poorly"
    error = math.hypot(*(_share(one, same_sensor) for one in (ours, its)))
    if not error <= MOST_ERROR:
        return "the energies are known too poorly"
    return EnergyRatio(mine / theirs, error, same_sensor)


def _label(m: Measurement, tag: str) -> str:
    """Of the source, only the reader: ``ina3221`` of ``ina3221:/sys/...``."""
    text = m.tags.get(tag, "")
    return text.partition(":")[0] if tag == "energy.source" else text


def _share(m: Measurement, same_sensor: bool) -> float:
    """The expanded uncertainty as a share; results of older versions have no repeatability."""
    name = "repeatability_mj" if same_sensor and "energy/repeatability_mj" in m.metrics else "uncertainty_mj"
    return m.metrics[f"energy/{name}"] / m.metrics[ENERGY]
