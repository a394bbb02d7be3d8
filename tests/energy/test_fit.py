"""The fit of a calibration: what it recovers, within what it states, and what it refuses."""

from __future__ import annotations

import numpy as np

from orchestrator.calibrate.table import load_words
from orchestrator.energy.beside import foreign_use
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


def test_what_other_programs_take_is_neither_idle_nor_the_models() -> None:
    busy = (
        (IDLE, 0.0, 0.06),
        (IDLE, 0.0, 0.03),
        ("1", 0.25, 0.05),
        ("1", 0.25, 0.09),
        ("2", 0.5, 0.04),
        ("2", 0.5, 0.0),
    )
    points = [Point(name, own + others, 3 + 4 * (own + others), {}, others) for name, own, others in busy]
    watts = profile(points, Limits(0.0))
    assert isinstance(watts, Profile) and watts.idle.low_w <= 3 <= watts.idle.high_w < 3.15
    assert abs(watts.load.low_w - 7) < 1e-9 and abs(watts.load.high_w - 7) < 1e-9


def test_foreign_use_is_that_of_the_span_alone() -> None:
    busy = [(0.9, 0.5), (0.3, 0.2), (None, None), (0.4, 0.2), (0.50, 0.51), (0.6, 1.0), (1.0, 0.0)]
    samples = [{"t_s": float(t), "cpu_busy": all_, "own_busy": own} for t, (all_, own) in enumerate(busy)]
    found = foreign_use(
        samples, {"begin_s": 0.5, "end_s": 5.0}
    )  # 0.5 s of 0.1, 2 s of 0.2, 1 s of -0.01; a helper ended
    assert found is not None and abs(found - (0.05 + 0.4 - 0.01) / 3.5) < 1e-9
    assert foreign_use(samples, {"begin_s": 7.0, "end_s": 9.0}) is None


def test_two_levels_differ_in_use_and_by_more_than_the_meter_tells() -> None:
    rng = np.random.default_rng(4)

    def at(*levels: tuple[str, float, float]) -> list[Point]:
        watts = [(name, use, true_w + rng.normal(0, 0.01)) for name, use, true_w in levels for _ in range(3)]
        return [Point(name, use, w, {"pmic": (w - 1, 0.001)}) for name, use, w in watts]

    same_use, same_power = (at((IDLE, 0, 3.0), ("1", 0.46, 5.0), ("2", *other)) for other in ((0.5, 5.2), (0.9, 5.0)))
    assert "2 (50% of the cores, 5.1" in str(profile(same_use, METER)) and "there are 1 (1)" in str(
        profile(same_use, METER)
    )
    assert isinstance(line(same_use, "pmic", METER), Line)  # a line needs no levels of use
    for found in (profile(same_power, METER), line(same_power, "pmic", METER)):
        assert "2 (90% of the cores, 5.0" in str(found) and "is too near 1" in str(found)
    coarse = Limits(0.0, resolution_w=1.0)
    assert "is too near" in str(profile(at((IDLE, 0, 3.0), ("1", 0.5, 5.0), ("2", 1.0, 6.0)), coarse))


def test_full_load_that_nobody_read_is_called_so() -> None:
    points = board(np.random.default_rng(6))
    far, near = profile([p for p in points if p.use < 0.8], METER), profile(points, METER)
    assert isinstance(far, Profile) and isinstance(near, Profile) and far.read is None
    assert load_words(far) == "beyond any reading, from u = 0.75"
    watts = profile([*points, *[Point("first", 0.2, 2.8 + 0.3 * 4.6, {})] * 3], METER)  # takes more than its share
    assert isinstance(watts, Profile) and watts.read == near.read is not None
    assert load_words(watts).startswith("full load was read as 7.") and "first at u = 0.20 comes to 9." in load_words(
        watts
    )


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
