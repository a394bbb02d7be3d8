"""The energy of known powers: within what is stated, and what is stated not more than it has to be."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchmarks import waveforms
from benchmarks.energy import Make, error, errors, rates
from benchmarks.waveforms import IDLE_W, Measured, Wave, measured
from orchestrator import stats
from orchestrator.energy import LIMITS, Limits
from orchestrator.energy.reading import Reading, reading, shortest_window_s
from orchestrator.energy.window import window_power
from remote import sampler

SHAPES = ("constant", "ramp", "square, 40 ms", "square, 300 ms", "noise, 100 ms")


def test_the_energy_is_within_what_is_stated_and_no_more_is_stated_than_twice_the_error() -> None:
    """1,000 tries; over all shapes and 15,000 tries it is ``python -m benchmarks energy``."""
    rows = np.concatenate([errors(shape, LIMITS["ina3221"], 20.0, 200) for shape in SHAPES])
    found = rates(rows)
    assert found["tries"] == 1000
    assert found["within"] is not None and found["within"] >= 95
    assert found["stated_over_rms"] is not None and 1.8 < found["stated_over_rms"] < 2.2


def test_constant_power_is_exact_but_for_the_steps_of_the_sensor() -> None:
    rows = errors("constant", Limits(0.0, resolution_w=0.04), 3.0, 50)
    assert np.abs(rows[:, 0]).max() <= 0.04 / 2 / (0.9 * waveforms.HIGH_W) + 1e-9 < 0.005
    assert (np.abs(rows[:, 0]) <= rows[:, 1]).all()


def test_readings_in_step_with_the_inferences_are_wrong_and_jittered_ones_are_not() -> None:
    fixed, jittered = (errors("square, 100 ms", Limits(0.0), 20.0, 30, jitter=jitter)[:, 0] for jitter in (0.0, 0.5))
    assert np.abs(fixed).max() > 0.25
    assert np.abs(jittered).max() < 0.08


def one(shape: Make | None = None, **how: Any) -> Measured:
    usual: dict[str, Any] = {"call_s": 0.04, "window_s": 20.0, "limits": Limits(0.0), **how}
    return measured(np.random.default_rng(5), shape or (lambda rng, _: waveforms.constant(rng)), **usual)


def test_an_idle_that_drifts_steadily_leaves_no_trace_in_the_net_energy() -> None:
    drifting = one()
    trace = drifting.trace
    drifting = replace(drifting, trace=replace(trace, values=trace.values + 0.01 * trace.t_s))
    got = reading(drifting.trace, drifting.run, 0.0)
    assert isinstance(got, Reading) and got.idle is not None and got.idle.drift_w is not None
    assert got.idle.drift_w == pytest.approx(0.01 * (drifting.run["idle"][1]["begin_s"] - 0.1), rel=0.1)
    level_w = drifting.true_j / 0.04
    assert got.power_w - got.idle.power_w == pytest.approx(level_w - IDLE_W, rel=0.01)


def test_a_window_in_which_readings_fail_is_none() -> None:
    gone = one(gaps_s=(3.0,))
    trace = replace(gone.trace, missed=30, problem="[Errno 19] No such device")
    said = reading(trace, gone.run, 0.0)
    assert isinstance(said, str)
    assert "covered 93%" in said and "95% needed (30 readings failed: [Errno 19] No such device)" in said


def test_a_sensor_that_ends_in_the_last_window_gives_nothing() -> None:
    cut = one()
    last_s = cut.run["windows"][-1]["begin_s"] + 0.3
    kept = cut.trace.t_s < last_s
    trace = replace(cut.trace, t_s=cut.trace.t_s[kept], values=cut.trace.values[kept])
    assert "too few readings" in str(reading(trace, cut.run, 0.0))


@pytest.mark.parametrize(
    ("late_s", "window_s", "why"),
    [(3.0, 5.0, "trail by up to"), (-1.0, 20.0, "come 0.98"), (1.0, 20.0, "")],
)
def test_the_lag_of_an_instrument_is_found_in_its_readings(late_s: float, window_s: float, why: str) -> None:
    late = one(late_s=late_s, window_s=window_s)
    # Two seconds of idle show no more lag than that.
    begin_s, end_s = (late.run["idle"][i]["begin_s"] for i in (0, 1))
    run = {**late.run, "idle": [{"begin_s": begin_s, "end_s": 2.0}, {"begin_s": end_s, "end_s": end_s + 5.0}]}
    got = reading(replace(late.trace, external=True), run, 0.0)
    if why:
        assert isinstance(got, str) and why in got
        return
    assert isinstance(got, Reading)
    assert got.lag_s == pytest.approx(late_s, abs=0.1)
    assert got.per_inference_j == pytest.approx(late.true_j, rel=1e-6)
    naive = window_power(late.trace, run["windows"][0]["begin_s"], run["windows"][0]["end_s"])
    assert naive is not None and naive.power_w < 0.98 * late.true_j / 0.04  # idle was mixed in


def test_a_clock_that_is_known_too_poorly_is_no_clock() -> None:
    vague = one(window_s=3.0)
    trace = replace(vague.trace, external=True, clock_bound_s=0.2)
    assert "only known to 200 ms" in str(reading(trace, vague.run, 0.0))


def test_a_counter_needs_its_edges_only() -> None:
    def level(rng: np.apart.Generator, _: float) -> Wave:
        return Wave(lambda t: np.full_like(t, 8.0), lambda t: 8.0 * t)

    known = one(level)
    joules = np.concatenate([[0.0], np.cumsum(np.diff(known.trace.t_s) * known.trace.values[1:])])
    counter = replace(known.trace, kind="counter", values=joules, rate_hz=10.0, limits=LIMITS["rapl"])
    sparse = replace(counter, t_s=counter.t_s[::7], values=counter.values[::7], rate_hz=10 / 7)
    for trace in (counter, sparse):
        got = reading(trace, known.run, 0.0)
        assert isinstance(got, Reading)
        assert got.per_inference_j == pytest.approx(8.0 * 0.04, rel=1e-6)
        assert got.coverage > 0.99


def test_the_processes_of_the_cell_are_in_what_is_stated() -> None:
    known = one(limits=Limits(0.01))
    alone, among = (reading(known.trace, known.run, spread) for spread in (0.0, 0.03))
    assert isinstance(alone, Reading) and isinstance(among, Reading)
    assert alone.uncertainty == pytest.approx(0.01 / math.sqrt(3), rel=1e-3)
    assert among.uncertainty == pytest.approx(math.hypot(0.03, 0.01 / math.sqrt(3)), rel=1e-3)
    assert alone.apart < 1e-6 and among.apart == pytest.approx(0.03)


def test_streams_beside_each_other_have_no_ends_to_go_by() -> None:
    known = one()
    for window in known.run["windows"]:
        window["invoke_ns"] = [ns * 2 for ns in window["invoke_ns"]]
    assert error(known) == pytest.approx((0.0, 0.0), abs=1e-9)


class Clock:
    """A clock of our own for the sampler, on which a read takes no time."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def monotonic(self) -> float:
        return self.now_s


def test_the_sampler_of_the_board_takes_the_readings_that_this_is_about(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own schedule on a square wave of its own rate: what a fixed one gets wrong by half."""
    clock, said = Clock(), []
    monkeypatch.setattr(sampler, "time", clock)
    wave = waveforms.square(np.random.default_rng(3), 0.1)

    def watts() -> float:
        return float(wave.power(np.array([clock.now_s]))[0])

    meter = SimpleNamespace(start=lambda: None, read=watts, interval_s=0.1)
    one = sampler._Sampled(0, meter, lambda **message: said.append(message["p"]))
    while clock.now_s < 160.0:
        one.fire()
        clock.now_s = one.next_s
    times, values = np.array([t for _, t, _ in said]), np.array([w for _, _, w in said])
    assert 0.05 <= np.diff(times).min() < 0.06 and 0.14 < np.diff(times).max() <= 0.15
    mean_w = (wave.energy(160.0) - wave.energy(100.0)) / 60
    assert float(np.trapezoid(values, times)) / (times[-1] - times[0]) == pytest.approx(mean_w, rel=0.05)
    fixed = wave.power(np.arange(100.0, 160.0, 0.1) + 1e-6)
    assert abs(fixed.mean() / mean_w - 1) > 0.2


def test_windows_that_took_longer_per_inference_scatter_though_their_power_is_the_same() -> None:
    unsteady = one()
    for window, more in zip(unsteady.run["windows"], (1.0, 1.3, 0.8), strict=True):
        calls = int(len(window["invoke_ns"]) / more)
        window.update(inferences=calls, invoke_ns=[round(40e6 * more)] * calls)
    got = reading(unsteady.trace, unsteady.run, 0.0)
    assert isinstance(got, Reading)
    assert stats.spread(got.windows) > 0.4 and got.apart > 0.05


def test_one_failed_reading_of_a_slow_meter_is_no_gap() -> None:
    slow = one(rate_hz=1.0)
    missed = np.delete(slow.trace.t_s, 12), np.delete(slow.trace.values, 12)
    got = reading(replace(slow.trace, t_s=missed[0], values=missed[1], missed=1), slow.run, 0.0)
    assert isinstance(got, Reading) and got.coverage > 0.95


def test_how_long_a_window_has_to_be_for_a_plug() -> None:
    """As long as it says, a plug is read; a little less, and it is not."""
    plug = LIMITS["shelly"]
    least_s = shortest_window_s(plug, 1.0)
    assert least_s == 2.0 + 6 * 1.5
    long, short = (one(rate_hz=1.0, limits=plug, window_s=s, late_s=1.0) for s in (least_s, 3.0))
    assert isinstance(reading(replace(long.trace, external=True), long.run, 0.0), Reading)
    said = str(reading(replace(short.trace, external=True), short.run, 0.0))
    assert "scenario.energy_s=11 or more" in said


def test_a_power_that_no_board_takes_is_none() -> None:
    known = one()
    for scale in (1e5, 1e-9):
        trace = replace(known.trace, values=known.trace.values * scale)
        assert "no board takes" in str(reading(trace, known.run, 0.0))


def test_an_offset_does_not_cancel_between_two_powers() -> None:
    """4 W beside 7 W by a plug that is 0.5 W off: the ratio is off by more than the readings scatter."""
    plug = Limits(0.03, offset_w=0.5)
    ratios = []
    for level_w in (4.0, 7.0):
        known = one(limits=Limits(0.0))
        trace = replace(known.trace, values=np.full_like(known.trace.values, level_w + 0.5), limits=plug)
        got = reading(trace, known.run, 0.0)
        assert isinstance(got, Reading)
        ratios.append((got.per_inference_j, got.apart))
    (less_j, less), (more_j, more) = ratios
    assert abs(math.log(less_j / more_j) - math.log(4 / 7)) < 2 * math.hypot(less, more) < 0.2


@pytest.mark.parametrize("late_s", [1.0, 2.5, 3.5, 5.0])
def test_net_energy_is_right_however_late_the_readings_are(late_s: float) -> None:
    """Later than declared, too: what a late reading shows at the begin of the idle is the warm-up."""
    late = one(rate_hz=1.0, late_s=late_s, idle_s=10.0, limits=Limits(0.0, lag_s=2.0))
    got = reading(replace(late.trace, external=True), late.run, 0.0)
    assert isinstance(got, Reading) and got.lag_s == pytest.approx(late_s, abs=0.6)
    assert got.idle is not None and got.idle.power_w == pytest.approx(IDLE_W, rel=1e-6)
    assert got.power_w == pytest.approx(late.true_j / 0.04, rel=1e-6)


def test_few_readings_of_idle_are_not_taken_for_exact() -> None:
    noisy = one(rate_hz=1.0, idle_s=9.0)
    values = noisy.trace.values + np.random.default_rng(8).normal(0, 0.3, noisy.trace.values.size)
    got = reading(replace(noisy.trace, values=values), noisy.run, 0.0)
    assert isinstance(got, Reading) and got.idle is not None and got.idle.drift_w is not None
    assert got.idle.error_w > 1.1 * abs(got.idle.drift_w) / math.sqrt(12)  # their scatter is in it
    alone = one(rate_hz=1.0, window_s=9.0, windows=1)
    values = alone.trace.values + np.random.default_rng(8).normal(0, 0.3, alone.trace.values.size)
    single = reading(replace(alone.trace, values=values), alone.run, 0.0)
    assert isinstance(single, Reading) and 0.01 < single.apart < 0.05


def test_a_window_of_one_slow_inference_is_no_row_of_parts() -> None:
    slow = one(lambda rng, _: waveforms.square(rng, 20.0), call_s=20.0)
    got = reading(slow.trace, slow.run, 0.0)
    assert isinstance(got, Reading) and got.uncertainty < 0.01
