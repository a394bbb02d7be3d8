"""From the readings of an energy pass to joules within its exact window; integration, no statistics."""

from __future__ import annotations

import random
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from remote.power import Meter

    Point = tuple[float, float]

RATE_HZ = {"sampled": 10.0, "counter": 1.0}
"""A counter needs only its edges, and to be read before it wraps."""

_MAX_TRACE = 100_000


class Readings:
    """Reads a meter when due. Sampled ones at intervals drawn from 0.5 to 1.5 of the nominal: a fixed rate that beats
    with the inferences can be off by half, however long the window. Time stamps are the true ones."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._period_s = 1.0 / RATE_HZ[meter.kind]
        self._random = random.Random(0)
        self.points: list[Point] = []  # CLOCK_MONOTONIC s, W or J
        self.next_s = 0.0

    def fire(self) -> None:
        """One reading; a sensor that does not answer leaves a gap, which lowers the coverage."""
        before = time.monotonic()
        try:
            value = self._meter.read()
        except (OSError, ValueError):
            pass
        else:
            self.points.append(((before + time.monotonic()) / 2, value))
        self.next_s = before + self._period_s * self._random.uniform(0.5, 1.5)


def _steps(points: list[Point]) -> list[tuple[Point, Point]]:
    """Each point with the next one."""
    return list(zip(points[:-1], points[1:]))  # noqa: RUF007 - pairwise came with Python 3.10


def value_at(points: list[Point], t_s: float) -> float:
    """Linear between the two points around it; points on both sides are the caller's duty."""
    for (t0, v0), (t1, v1) in _steps(points):
        if t0 <= t_s <= t1:
            return v0 + (v1 - v0) * (t_s - t0) / (t1 - t0) if t1 > t0 else v0
    raise ValueError("no reading on both sides of the window's edge")


def joules(points: list[Point], kind: str, begin_s: float, end_s: float) -> float:
    """Trapezoids of a power, clipped to the window; the difference of a counter at its two edges."""
    first, last = value_at(points, begin_s), value_at(points, end_s)
    if kind == "counter":
        return last - first
    inside = [point for point in points if begin_s < point[0] < end_s]
    corners = [(begin_s, first)] + inside + [(end_s, last)]
    return sum((v0 + v1) / 2 * (t1 - t0) for (t0, v0), (t1, v1) in _steps(corners))


def coverage(points: list[Point], kind: str, begin_s: float, end_s: float) -> float:
    """The share of the window that lies between readings no further apart than twice the nominal interval.

    A counter misses nothing between two readings, however far apart.
    """
    longest_s = float("inf") if kind == "counter" else 2.0 / RATE_HZ[kind]
    covered = 0.0
    for (t0, _), (t1, _) in _steps(points):
        if t1 - t0 <= longest_s:
            covered += max(0.0, min(t1, end_s) - max(t0, begin_s))
    return min(1.0, covered / (end_s - begin_s)) if end_s > begin_s else 0.0


def trace(points: list[Point], kind: str) -> list[list[float]]:
    """Power over time; of a counter, the mean between two readings at their middle."""
    if kind == "sampled":
        return [[t, max(0.0, w)] for t, w in points[:_MAX_TRACE]]
    pairs = [(p, q) for p, q in _steps(points) if q[0] > p[0]]
    return [[(p[0] + q[0]) / 2, max(0.0, (q[1] - p[1]) / (q[0] - p[0]))] for p, q in pairs[:_MAX_TRACE]]


def idle(points: list[Point], kind: str, begin_s: float, end_s: float) -> dict[str, Any]:
    """The baseline: loaded and ready, not invoking."""
    energy_j = joules(points, kind, begin_s, end_s)
    within = sum(begin_s <= t <= end_s for t, _ in points)
    return {"begin_s": begin_s, "end_s": end_s, "power_w": energy_j / (end_s - begin_s), "samples": within}


def summary(meter: Meter, points: list[Point], window: dict[str, Any]) -> dict[str, Any]:
    """The record's ``energy.pass``, without its idle; raises ValueError where no reading lies on either side."""
    begin_s, end_s = window["begin_s"], window["end_s"]
    return {
        "source": meter.source,
        "scope": meter.scope,
        "kind": meter.kind,
        "rate_hz": RATE_HZ[meter.kind] if meter.kind == "sampled" else None,
        "begin_s": begin_s,
        "end_s": end_s,
        "inferences": window["group"] * len(window["invoke_ns"]),
        "energy_j": joules(points, meter.kind, begin_s, end_s),
        "samples": sum(begin_s <= t <= end_s for t, _ in points),
        "coverage": coverage(points, meter.kind, begin_s, end_s),
        "trace": trace(points, meter.kind),
        "group": window["group"],
        "invoke_ns": window["invoke_ns"],
    }
