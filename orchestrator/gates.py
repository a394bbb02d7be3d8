"""What a cell has to keep to be recommended: limits on quality, latency, energy and size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

KEPT, UNCERTAIN, UNKNOWN, BROKEN = "kept", "not certain", "not known", "broken"
"""What becomes of a limit; the last of them that applies counts for the cell."""


@dataclass(frozen=True, slots=True)
class Gate:
    """One limit: on which metric, and how it is told. ``sign`` -1: less is worse; ``scale`` from the metric's unit."""

    metric: str
    says: str  # {value} and {limit} in the unit of the limit
    sign: int = 1
    scale: float = 1.0
    low: str = ""  # where the metric's interval is
    high: str = ""


GATES: Mapping[str, Gate] = {
    "max_drop": Gate(
        "quality/drop", "quality drops by {value:.3g}, allowed is {limit:g}", low="quality/drop_low",
        high="quality/drop_high",
    ),
    "min_sqnr_db": Gate("quality/sqnr_db", "SQNR is {value:.1f} dB, at least {limit:g} is asked for", sign=-1),
    "latency_ms": Gate(
        "latency/median_ms", "takes {value:.4g} ms, allowed is {limit:g}", low="latency/median_low_ms",
        high="latency/median_high_ms",
    ),
    "energy_mj": Gate("energy/per_inference_mj", "needs {value:.4g} mJ, allowed is {limit:g}"),
    "size_mb": Gate("model/size_bytes", "has {value:.4g} MB, allowed is {limit:g}", scale=1e-6),
}  # fmt: skip
"""By the fields of :class:`Gates`."""
IDENTICAL = "no difference at all"
"""How the reason begins why an SQNR is missing: there is no noise."""


@dataclass(frozen=True, slots=True)
class Judged:
    """``outcome``: KEPT, UNCERTAIN, UNKNOWN or BROKEN; ``reasons`` in words. ``excess``: by how much the worst limit is
    broken, relative to it; 0 where none is."""

    outcome: str
    reasons: tuple[str, ...] = ()
    excess: float = 0.0

    @property
    def recommendable(self) -> bool:
        return self.outcome in (KEPT, UNCERTAIN)


@dataclass(frozen=True, slots=True)
class Gates:
    """Limits; None: anything goes."""

    max_drop: float | None = None
    min_sqnr_db: float | None = None
    latency_ms: float | None = None
    energy_mj: float | None = None
    size_mb: float | None = None

    @classmethod
    def of(cls, quality: Any, constraints: Any) -> Self:
        """Of the settings ``quality`` and ``constraints``."""
        given = {f.name: getattr(quality, f.name, getattr(constraints, f.name, None)) for f in fields(cls)}
        return cls(**given)

    @classmethod
    def from_json(cls, data: Mapping[str, float]) -> Self:
        return cls(**data)

    def to_json(self) -> dict[str, float]:
        """Those that are set."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def __bool__(self) -> bool:
        return bool(self.to_json())

    def changed(self, **given: float | None) -> Gates:
        """With other limits where some are given."""
        return Gates(**(self.to_json() | {name: value for name, value in given.items() if value is not None}))

    def judged(self, metrics: Mapping[str, float], missing: Mapping[str, str]) -> Judged:
        """What becomes of a cell with these metrics; ``missing`` are the reasons for those that are not there."""
        outcome, reasons, excess = KEPT, [], 0.0
        for name, limit in self.to_json().items():
            gate = GATES[name]
            value = metrics.get(gate.metric)
            if value is None:
                why = missing.get(gate.metric, "not measured")
                found, said, over = (KEPT, "", 0.0) if why.startswith(IDENTICAL) else (UNKNOWN, f"{name}: {why}", 1.0)
            else:
                found, said, over = _held(gate, value, limit, metrics)
            outcome = max(outcome, found, key=_ORDER.index)
            reasons += [said] if said else []
            excess = max(excess, over)
        return Judged(outcome, tuple(reasons), excess)


_ORDER = (KEPT, UNCERTAIN, UNKNOWN, BROKEN)


def _held(gate: Gate, value: float, limit: float, metrics: Mapping[str, float]) -> tuple[str, str, float]:
    over = gate.sign * (value * gate.scale - limit)
    if over > 0:
        return BROKEN, gate.says.format(value=value * gate.scale, limit=limit), over / max(abs(limit), 1e-3)
    high = metrics.get(gate.high)
    if high is not None and gate.sign * (high * gate.scale - limit) > 0:
        interval = f"{metrics.get(gate.low, value) * gate.scale:.3g} to {high * gate.scale:.3g}"
        return UNCERTAIN, f"{gate.metric} may be beyond {limit:g} (95 %: {interval})", 0.0
    return KEPT, "", 0.0
