"""What a cell has to keep to be recommended: limits on its quality, latency, energy and size, and whether it does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from orchestrator.metrics import NO_DIFFERENCE

KEPT, UNCERTAIN, UNKNOWN, BROKEN = "kept", "not certain", "not known", "broken"
OUTCOMES = (KEPT, UNCERTAIN, UNKNOWN, BROKEN)
"""From the best to the worst. The value decides; it is ``not certain`` where its interval reaches beyond the limit."""
ALLOWED = (KEPT, UNCERTAIN)

_ROUNDING = 1e-9
"""Relative; shares such as 3/300 are not exactly the 0.01 that somebody wrote."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One limit and one cell. ``key`` is the limit's in the configuration; ``words`` say what is the matter.

    ``excess`` is how far the value lies beyond the limit, over the limit (of a limit of 0 or of SQNR: over its unit).
    """

    key: str
    outcome: str
    words: str = ""
    excess: float = 0.0


Ends = Callable[[Mapping[str, float], float], tuple[float, float]]
"""From all metrics, and the value itself, to the ends of what it may truly be."""


@dataclass(frozen=True, slots=True)
class Limit:
    """What one limit is about; ``at_least``: it is a lower one.

    ``scale`` makes of the metric what the limit is in, ``shown`` of that what its words are in; in ``step`` an excess
    is measured where the limit itself is no measure.
    """

    key: str
    name: str
    metric: str
    unit: str
    ends: Ends
    scale: float = 1.0
    shown: float = 1.0
    step: float = 1.0
    at_least: bool = False


def _ends(low: str, high: str) -> Ends:
    return lambda metrics, value: (metrics.get(low, value), metrics.get(high, value))


def _energy_ends(metrics: Mapping[str, float], value: float) -> tuple[float, float]:
    u = metrics.get("energy/uncertainty_mj", 0.0)
    return value - u, value + u


def _exact(metrics: Mapping[str, float], value: float) -> tuple[float, float]:
    return value, value


LIMITS: Mapping[str, Limit] = {
    "max_drop": Limit(
        "quality.max_drop",
        "drop",
        "quality/drop",
        "points",
        _ends("quality/drop_low", "quality/drop_high"),
        step=0.01,
        shown=100.0,
    ),
    "min_sqnr_db": Limit("quality.min_sqnr_db", "SQNR", "quality/sqnr_db", "dB", _exact, step=10.0, at_least=True),
    "latency_ms": Limit(
        "constraints.latency_ms",
        "latency",
        "latency/median_ms",
        "ms",
        _ends("latency/median_low_ms", "latency/median_high_ms"),
    ),
    "energy_mj": Limit("constraints.energy_mj", "energy", "energy/per_inference_mj", "mJ", _energy_ends),
    "size_mb": Limit("constraints.size_mb", "size", "model/size_bytes", "MB", _exact, scale=1e-6),
}
"""By the fields of Gates."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of all limits; ``findings`` has one of each."""

    findings: tuple[Finding, ...] = ()

    @property
    def outcome(self) -> str:
        """The worst; ``kept`` where there is no limit."""
        return max((one.outcome for one in self.findings), key=OUTCOMES.index, default=KEPT)

    @property
    def recommendable(self) -> bool:
        return self.outcome in ALLOWED

    @property
    def reasons(self) -> tuple[str, ...]:
        return tuple(one.words for one in self.findings if one.words)

    @property
    def excess(self) -> float:
        """Of all limits that are broken together."""
        return sum(one.excess for one in self.findings)


@dataclass(frozen=True, slots=True)
class Gates:
    """Limits; None: anything goes. Drop in shares (0.01: one point of top-1 or AUC), energy measured per inference."""

    max_drop: float | None = None
    min_sqnr_db: float | None = None
    latency_ms: float | None = None
    energy_mj: float | None = None
    size_mb: float | None = None

    @classmethod
    def of(cls, quality: Any, constraints: Any) -> Self:
        """Of the settings ``quality`` and ``constraints``."""
        return cls(**{f.name: getattr(quality, f.name, getattr(constraints, f.name, None)) for f in fields(cls)})

    @classmethod
    def from_json(cls, data: Mapping[str, float]) -> Self:
        return cls(**data)

    def to_json(self) -> dict[str, float]:
        """Those that are set."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def __bool__(self) -> bool:
        return bool(self.to_json())

    @property
    def of_quality(self) -> bool:
        return self.max_drop is not None or self.min_sqnr_db is not None

    @property
    def words(self) -> str:
        """``drop ≤ 1 points, size ≤ 2 MB``; empty where there is no limit."""
        return ", ".join(_limit_in_words(LIMITS[name], value) for name, value in self.to_json().items())

    def changed(self, **given: float | None) -> Gates:
        """With other limits where some are given."""
        return Gates(**(self.to_json() | {name: value for name, value in given.items() if value is not None}))

    def judged(self, metrics: Mapping[str, float], missing: Mapping[str, str]) -> Judged:
        """What becomes of a cell with these metrics; ``missing`` are the reasons for those that are not there."""
        limits = self.to_json().items()
        return Judged(tuple(_finding(LIMITS[name], value, metrics, missing) for name, value in limits))


def _finding(limit: Limit, bound: float, metrics: Mapping[str, float], missing: Mapping[str, str]) -> Finding:
    value = metrics.get(limit.metric)
    if value is None:
        reason = missing.get(limit.metric, "not measured")
        if limit.metric == "quality/sqnr_db" and reason == NO_DIFFERENCE:
            return Finding(limit.key, KEPT)
        return Finding(limit.key, UNKNOWN, f"{limit.name} is not known: {reason}")
    sign = -1.0 if limit.at_least else 1.0
    ends = limit.ends(metrics, value)
    value, low, high = (limit.scale * x for x in (value, *ends))
    best, last = (low, high) if sign > 0 else (high, low)
    room = _ROUNDING * max(abs(bound), limit.step)
    if sign * (value - bound) > room:
        doubt = f", not certain: {_range(limit, low, high)}" if sign * (best - bound) <= room else ""
        measure = limit.step if bound <= 0 or limit.at_least else bound
        return Finding(limit.key, BROKEN, _beyond(limit, value, bound) + doubt, sign * (value - bound) / measure)
    if sign * (last - bound) > room:
        return Finding(limit.key, UNCERTAIN, f"{_beyond(limit, last, bound, 'up to ')}: not certain")
    return Finding(limit.key, KEPT)


def _beyond(limit: Limit, value: float, bound: float, before: str = "") -> str:
    """``drop 3.1 points > 1 allowed``, with as many digits as it takes to see the difference."""
    own, its = limit.shown * value, limit.shown * bound
    digits = next((n for n in (2, 3, 4, 6) if _figure(own, n) != _figure(its, n)), 9)
    sign, asked = ("<", "asked for") if limit.at_least else (">", "allowed")
    return f"{limit.name} {before}{_figure(own, digits)} {limit.unit} {sign} {_figure(its, 6)} {asked}"


def _range(limit: Limit, low: float, high: float) -> str:
    return f"{_figure(limit.shown * low, 2)} to {_figure(limit.shown * high, 2)}"


def _limit_in_words(limit: Limit, bound: float) -> str:
    sign, text = "≥" if limit.at_least else "≤", _figure(limit.shown * bound, 6)
    unit = "point" if limit.unit == "points" and text == "1" else limit.unit
    return f"{limit.name} {sign} {text} {unit}"


def _figure(value: float, digits: int) -> str:
    """So many significant digits, whole numbers beyond, without an exponent."""
    return f"{value:,.0f}" if abs(value) >= 10**digits else f"{value:.{digits}g}"
