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
LEAST_STEP = 0.1
"""Of all cores, from one level to the next."""
CLEAR = 3.0
"""Standard errors by which what the meter reads at two levels must differ."""
FULL_USE = 0.9
"""Of all cores: from here on it is full load that was read."""
LARGEST_RESIDUAL = 0.10
"""As a share of the meter's reading; beyond, what the sensor reads is on no line with it."""
LARGEST_PULL = 0.01
"""By how much noise of the sensor may flatten the slope (errors in variables; Fuller, Measurement Error Models,
1987, 1.1.1). Below it least squares are as good as a fit with both errors, such as York's, and need no weights from
errors that are known badly."""


@dataclass(frozen=True, slots=True)
class Profile:
    """Watts of the idle board and of all cores busy. ``highest_use`` is the highest one that was read; ``read`` what
    the windows of full load alone say, None where there is none; ``farthest`` the windows that ``load`` ends at, low
    and high."""

    idle: PowerRange
    load: PowerRange
    highest_use: float
    read: PowerRange | None
    farthest: tuple[Point, Point]

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
    """P = idle + use (load - idle), with the use of other programs in it. Idle: lowest to highest span, at no use at
    all. Load: what each window extrapolates to, lowest to highest, so that every window lies within what the profile
    says at its use; both widened by the meter's limits."""
    idle = [one for one in points if one.level == IDLE]
    if not idle:
        return "the idle board was not read"
    base_w, base_use = (float(np.mean([getattr(one, name) for one in idle])) for name in ("meter_w", "use"))
    loads = [one for one in points if one.level != IDLE and one.use - base_use >= LEAST_USE]
    highest_w = max(one.meter_w for one in idle)
    lowest = min(loads, key=lambda one: one.meter_w, default=None)
    if lowest is not None and lowest.meter_w <= highest_w:
        return (
            f"the meter read {lowest.meter_w:.3g} W at {lowest.use:.0%} use ({lowest.level}), and up to "
            f"{highest_w:.3g} W idle: what the model takes is lost in something else"
        )
    if why := _few(loads, meter, LEAST_STEP, f" that keeps {LEAST_USE:.0%} of the cores busy"):
        return why
    slopes_w = [(one.meter_w - base_w) / (one.use - base_use) for one in loads]
    full_w = [one.meter_w + (1 - one.use) * slope for one, slope in zip(loads, slopes_w, strict=True)]
    read_w = [watts for one, watts in zip(loads, full_w, strict=True) if one.use >= FULL_USE]
    return Profile(
        idle=_widened([watts for one in idle for watts in _without_others(one, slopes_w)], meter),
        load=_widened(full_w, meter),
        highest_use=max(one.use for one in loads),
        read=_widened(read_w, meter) if read_w else None,
        farthest=(loads[int(np.argmin(full_w))], loads[int(np.argmax(full_w))]),
    )


def _without_others(idle: Point, slopes_w: Sequence[float]) -> tuple[float, float]:
    """Other programs may take half or half as much again of what the model would in their time."""
    return idle.meter_w - 1.5 * idle.use * max(slopes_w), idle.meter_w - 0.5 * idle.use * min(slopes_w)


def line(points: Sequence[Point], reader: str, meter: Limits) -> Line | str:
    """Least squares of relative residuals over the means of the levels: each level counts once, and the error of a
    calibrated sensor is a share."""
    read = [one for one in points if reader in one.sensors]
    levels = list(dict.fromkeys(one.level for one in read))
    if why := _few([one for one in read if one.level != IDLE], meter, 0.0, f" beside idle at which {reader} was read"):
        return why
    if IDLE not in levels:
        return f"{reader} was not read on the idle board"
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


def _few(loads: Sequence[Point], meter: Limits, step: float, words: str) -> str | None:
    """Why these are not levels enough: two are two where use differs by ``step``, and the meter by more than noise."""
    groups = [[one for one in loads if one.level == name] for name in dict.fromkeys(one.level for one in loads)]
    groups.sort(key=_use)
    squares = sum(float(np.var([p.meter_w for p in one])) * len(one) for one in groups)
    scatter_w = (squares / max(1, len(loads) - len(groups))) ** 0.5
    apart: list[list[Point]] = []
    same = []
    for one in groups:
        for other in apart:
            error_w = (scatter_w**2 * (1 / len(one) + 1 / len(other)) + meter.resolution_w**2 / 6) ** 0.5
            if _use(one) - _use(other) < step or abs(_watts(one) - _watts(other)) <= CLEAR * error_w:
                same.append(f"{_words(one)} is too near {_words(other)}")
                break
        else:
            apart.append(one)
    if len(apart) >= FEWEST_LEVELS:
        return None
    names = ", ".join(one[0].level for one in apart) or "none"
    return "; ".join([f"{FEWEST_LEVELS} levels of load{words} are needed, there are {len(apart)} ({names})", *same])


def _use(level: Sequence[Point]) -> float:
    return float(np.mean([one.use for one in level]))


def _watts(level: Sequence[Point]) -> float:
    return float(np.mean([one.meter_w for one in level]))


def _words(level: Sequence[Point]) -> str:
    return f"{level[0].level} ({_use(level):.0%} of the cores, {_watts(level):.3f} W)"


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
