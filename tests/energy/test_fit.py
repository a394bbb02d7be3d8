"""The fit of a calibration: what it recovers, within what it states, and what it refuses."""

from __future__ import annotations

import numpy as np

from orchestrator.energy.fit import Line, Profile, line, profile
from orchestrator.energy.levels import IDLE, Point
from orchestrator.energy.limits import Limits

METER = Limits(0.005, offset_w=0.005)
SLOPE, INTERCEPT_W = 1.1451, 0.5879


def board(rng: np.random.Generator, noise: float = 0.005, bend: float = 0.0, gain: float = 0.0) -> list[Point]:
    """Idle twice a cell, then three windows, at four loads of a board that takes 2.8 to 7.4 W; its sensor's rails are
    on a known line with the input, but for ``noise`` and a ``bend`` (W at half load); the meter is off by ``gain``."""
    points = []
    for threads in (1, 2, 3, 4):
        for name, use in [(IDLE, 0.0)] * 2 + [(f"{threads} threads", threads / 4)] * 3:
            true_w = (2.8 + use * 4.6) * (1 + rng.normal(0, noise))
            sensor_w = (true_w - INTERCEPT_W) / SLOPE + rng.normal(0, 0.01) + bend * 4 * use * (1 - use)
            points.append(Point(name, use, true_w * (1 + gain), {"pmic": (sensor_w, 0.01)}))
    return points


def test_a_known_line_and_profile_come_back_within_what_is_stated() -> None:
    rng = np.random.default_rng(5)
    inside = 0
    for _ in range(200):
        points = board(rng, gain=METER.gain * rng.uniform(-1, 1))
        found, watts = line(points, "pmic", METER), profile(points, METER)
        assert isinstance(found, Line) and isinstance(watts, Profile)
        truth_w = np.linspace(2.8, 7.4, 20)
        off = np.abs(found.slope * (truth_w - INTERCEPT_W) / SLOPE + found.intercept_w - truth_w) / truth_w
        known = watts.idle.low_w <= 2.8 <= watts.idle.high_w and watts.load.low_w <= 7.4 <= watts.load.high_w
        inside += bool(off.max() <= found.error and known)
        assert abs(found.slope - SLOPE) < 0.1 and found.error < 0.05 and watts.load.high_w < 8.2
    assert inside >= 190


def test_every_window_lies_within_the_profile() -> None:
    points = [p for p in board(np.random.default_rng(1)) if p.level == IDLE or p.use > 0.3]
    points += [Point("more", 0.25, 5.5, {})]  # the first core takes more than its share
    watts = profile(points, METER)
    assert isinstance(watts, Profile)
    assert all(watts.at(p.use)[0] <= p.meter_w <= watts.at(p.use)[1] for p in points)


def test_a_bent_sensor_shows_in_the_error_and_then_is_no_line() -> None:
    rng = np.random.default_rng(2)
    bent = line(board(rng, bend=0.4), "pmic", METER)
    assert isinstance(bent, Line) and bent.left_out is not None and bent.residual < bent.left_out < bent.error < 0.12
    assert "no line" in str(line(board(rng, bend=1.5), "pmic", METER))


def test_what_is_no_calibration_is_refused_with_its_numbers() -> None:
    rng = np.random.default_rng(3)
    points = board(rng)
    alone = [p for p in points if p.level in (IDLE, "1 threads")]
    assert "there are 1 (1 threads)" in str(line(alone, "pmic", METER)) and "there are 1" in str(profile(alone, METER))
    assert "there are 0" in str(line(points, "rapl", METER))
    falling = [Point(p.level, p.use, p.meter_w, {"pmic": (9 - p.meter_w, 0.01)}) for p in points]
    assert "slope -" in str(line(falling, "pmic", METER))
    still = [Point(p.level, p.use, p.meter_w, {"pmic": (1.5 + rng.normal(0, 0.01), 0.01)}) for p in points]
    assert "hardly follows the load" in str(line(still, "pmic", METER))
    elsewhere = [Point(p.level, p.use, 3 + rng.normal(0, 0.01), {}) for p in points]
    assert "lost in something else" in str(profile(elsewhere, METER))
