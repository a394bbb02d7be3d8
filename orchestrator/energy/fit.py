"""A board's own power profile, and the line of its own sensor, from what a better meter read beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from orchestrator.device import PowerRange
from orchestrator.energy.levels import IDLE, Point
from orchestrator.energy.limits import Limits
from orchestrator.energy.trace import Values

FEWEST_LEVELS = 2
"""Of load, beside idle: through two points there is always a line."""
LEAST_USE = 0.1
"""Of all cores: below, the power of full load would be extrapolated more than tenfold."""
LARGEST_RESIDUAL = 0.10
"""As a share of the meter's reading; beyond, what the sensor reads is on no line with it."""
LARGEST_PULL = 0.01
"""By how much noise of the sensor may flatten the slope (errors in variables; Fuller, Measurement Error Models,
1987, 1.1.1). Below it least squares are as good as a fit with both errors, such as York's, and need no weights from
errors that are known badly."""


@dataclass(frozen=True, slots=True)
class Profile:
    """Watts of the idle board and of all cores busy."""

    idle: PowerRange
    load: PowerRange

    def at(self, use: float) -> tuple[float, float]:
        """What an estimate says at this use of the CPU: its low and high end, W."""
        return (
            self.idle.low_w + use * (self.load.low_w - self.idle.low_w),
            self.idle.high_w + use * (self.load.high_w - self.idle.high_w),
        )


@dataclass(frozen=True, slots=True)
class Line:
    """W of the meter = slope x W of the sensor + intercept_w. Shares: ``residual`` is the largest one of any point,
    ``left_out`` that of a level between others to which the line was not fitted (None: there is none), ``error`` the
    limit of what is left, the meter's own included."""

    reader: str
    slope: float
    intercept_w: float
    residual: float
    left_out: float | None
    error: float

    def at(self, sensor_w: float) -> float:
        return self.slope * sensor_w + self.intercept_w


def profile(points: Sequence[Point], meter: Limits) -> Profile | str:
    """P = idle + use (load - idle). Idle: lowest to highest span. Load: what each window extrapolates to, lowest to
    highest, so that every window lies within what the profile says at its use; both widened by the meter's limits."""
    idle = [one.meter_w for one in points if one.level == IDLE]
    loads = [one for one in points if one.level != IDLE and one.use >= LEAST_USE]
    if not idle:
        return "the idle board was not read"
    levels = sorted({one.level for one in loads})
    if len(levels) < FEWEST_LEVELS:
        return _few(levels, f" that keeps {LEAST_USE:.0%} of the cores busy")
    if (lowest := min(loads, key=lambda one: one.meter_w)).meter_w <= max(idle):
        return (
            f"the meter read {lowest.meter_w:.3g} W at {lowest.use:.0%} use ({lowest.level}), and up to "
            f"{max(idle):.3g} W idle: what the model takes is lost in something else"
        )
    base = float(np.mean(idle))
    full = [base + (one.meter_w - base) / one.use for one in loads]
    return Profile(_widened(idle, meter), _widened(full, meter))


def line(points: Sequence[Point], reader: str, meter: Limits) -> Line | str:
    """Least squares of relative residuals over the means of the levels: each level counts once, and the error of a
    calibrated sensor is a share."""
    read = [one for one in points if reader in one.sensors]
    levels = list(dict.fromkeys(one.level for one in read))
    if len(loads := [name for name in levels if name != IDLE]) < FEWEST_LEVELS or IDLE not in levels:
        return _few(loads, f" beside idle at which {reader} was read")
    x = np.array([one.sensors[reader][0] for one in read])
    y = np.array([one.meter_w for one in read])
    member = np.array([[one.level == name for one in read] for name in levels])
    means = np.array([[x[those].mean(), y[those].mean()] for those in member])
    if why := _too_noisy(read, reader, member, x, means[:, 0]):
        return why
    slope, intercept_w = _least_squares(means[:, 0], means[:, 1])
    residuals = np.abs((slope * x + intercept_w) / y - 1)
    residual = float(residuals.max())
    if slope <= 0 or residual > LARGEST_RESIDUAL:
        worst = read[int(residuals.argmax())].level
        return (
            f"no line: {reader} read {x.min():.3g} to {x.max():.3g} W and the meter {y.min():.3g} to {y.max():.3g} W; "
            f"slope {slope:.3g}, largest residual {residual:.1%} ({worst}), {LARGEST_RESIDUAL:.0%} allowed"
        )
    left_out = _left_out(member, means, x, y)
    error = max(residual, left_out or 0.0) + meter.gain + meter.offset_w / float(y.min())
    return Line(reader, slope, intercept_w, residual, left_out, min(1.0, error))


def _few(levels: Sequence[str], words: str) -> str:
    return f"{FEWEST_LEVELS} levels of load{words} are needed, there are {len(levels)} ({', '.join(levels) or 'none'})"


def _widened(watts: Sequence[float], meter: Limits) -> PowerRange:
    low_w = min(watts) * (1 - meter.gain) - meter.offset_w
    return PowerRange(max(0.0, low_w), max(watts) * (1 + meter.gain) + meter.offset_w)


def _too_noisy(points: Sequence[Point], reader: str, member: Values, x: Values, means: Values) -> str | None:
    """Noise of the sensor's means against how far the load moves them."""
    sampling = np.array([one.sensors[reader][1] for one in points])
    noise = [max(float(np.var(x[m], ddof=1)) if m.sum() > 1 else 0.0, float(np.mean(sampling[m] ** 2))) / m.sum()
             for m in member]  # fmt: skip
    pull = float(np.mean(noise)) / max(float(np.var(means, ddof=1)), 1e-12)
    if pull <= LARGEST_PULL:
        return None
    return (
        f"{reader} hardly follows the load: {means.min():.4g} to {means.max():.4g} W at the levels, each known to "
        f"{float(np.mean(noise)) ** 0.5:.2g} W, which pulls the slope by {pull:.1%}, {LARGEST_PULL:.0%} allowed"
    )


def _least_squares(x: Values, y: Values) -> tuple[float, float]:
    """Slope and intercept with the least sum of squared relative residuals."""
    (slope, intercept), *_ = np.linalg.lstsq(np.column_stack([x / y, 1 / y]), np.ones_like(y), rcond=None)
    return float(slope), float(intercept)


def _left_out(member: Values, means: Values, x: Values, y: Values) -> float | None:
    """The largest residual of a level by a line through the others. The outermost ones are no check: nobody reads
    with a line far beyond what it was fitted to."""
    found = []
    for number in np.argsort(means[:, 0])[1:-1]:
        rest = np.delete(means, number, axis=0)
        slope, intercept_w = _least_squares(rest[:, 0], rest[:, 1])
        those = member[number]
        found.append(float(np.abs((slope * x[those] + intercept_w) / y[those] - 1).max()))
    return max(found, default=None)
