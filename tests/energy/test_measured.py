"""Which of several sensors and meters is believed, what is published of it, and what it says about itself."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.device import Calibration
from orchestrator.energy import LIMITS, ClockOffset, MeterReadings
from orchestrator.energy.rules import RULES
from orchestrator.measurement import Measurement, measure
from tests.measurement.records import MANIFEST, PI4_POWER, make_energy_pass, make_record

OFFSET_S = -1500.0
"""Of the board's clock from that of the meter."""


def meter(watts: float = 7.0, **how: Any) -> MeterReadings:
    """The same load as the pass, through a supply that loses some."""
    points = make_energy_pass(power_w=watts, idle_w=watts / 2)["traces"][0]["points"]
    usual: dict[str, Any] = {
        "kind": "scpi",
        "source": "scpi:bench (a bench meter)",
        "scope": "board_dc_in",
        "rate_hz": 10.0,
        "limits": LIMITS["scpi"],
        "points": tuple((t - OFFSET_S, w) for t, w in points),
        "clock": ClockOffset(OFFSET_S, 0.002, 0.001, 40),
    }
    return MeterReadings(**{**usual, **how})


def measured(instrument: MeterReadings | None = None, line: Calibration | None = None, **energy: Any) -> Measurement:
    record = make_record(energy=make_energy_pass(**energy))
    lines = {line.reader: line} if line else {}
    return measure(record, manifest=MANIFEST, power=PI4_POWER, cores=4, meter=instrument, calibrations=lines)


def test_the_instrument_that_somebody_put_there_comes_first_and_the_sensor_is_told_beside_it() -> None:
    got = measured(meter())
    assert got.metrics["energy/mean_power_w"] == pytest.approx(7.0, rel=0.01)
    assert (got.tags["energy.scope"], got.tags["energy.kind"]) == ("board_dc_in", "sampled")
    assert "within 3.0 ms of the board's" in got.tags["energy.clock"]
    assert "256" in got.tags["energy.also"] and "module_in, sampled" in got.tags["energy.also"]
    assert got.tags["energy.verdict"] == "valid"


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ({"clock": None}, "was not measured"),
        ({"invalid": "the clock of this machine was set by 3.2 s meanwhile"}, "set by 3.2 s"),
        ({"clock": ClockOffset(OFFSET_S, 0.3, 0.0, 20)}, "only known to 300 ms"),
        ({"points": (), "problem": "no route to host", "missed": 9}, "no route to host"),
    ],
)
def test_an_instrument_that_cannot_be_believed_leaves_the_sensor(how: dict[str, Any], why: str) -> None:
    got = measured(meter(**how))
    assert got.tags["energy.scope"] == "module_in"
    assert any("since" in warning and "scpi:bench" in warning and why in warning for warning in got.warnings)
    record = make_record(energy={**make_energy_pass(), "traces": []})
    alone = measure(record, manifest=MANIFEST, power=PI4_POWER, cores=4, meter=meter(**how))
    assert why in alone.missing["energy/per_inference_mj"]
    assert "energy_estimate/per_inference_mj" in alone.metrics


def test_a_calibrated_sensor_is_called_so_and_comes_before_itself() -> None:
    line = Calibration("ina3221", 1.1, 0.5, 0.04, source="fitted to a bench meter")
    got = measured(line=line)
    assert got.metrics["energy/mean_power_w"] == pytest.approx(6.2 * 1.1 + 0.5, rel=0.01)
    assert (got.tags["energy.scope"], got.tags["energy.kind"]) == ("board_dc_in", "calibrated")
    assert "fitted to a bench meter" in got.tags["energy.source"]
    assert "(module_in, sampled)" in got.tags["energy.also"]
    assert "within 4.0%" in got.tags["energy.uncertainty"] and "assumed" not in got.tags["energy.uncertainty"]


def test_a_line_is_of_one_sensor_and_of_two_nobody_knows_which() -> None:
    line = {"ina3221": Calibration("ina3221", 1.1, 0.5, 0.04)}
    run = make_energy_pass()
    run["traces"].append({**run["traces"][0], "source": "ina3221:another", "scope": "soc_rails"})
    got = measure(make_record(energy=run), manifest=MANIFEST, power=PI4_POWER, cores=4, calibrations=line)
    assert (got.tags["energy.scope"], got.tags["energy.kind"]) == ("module_in", "sampled")


def test_why_there_is_no_idle_power() -> None:
    assert "idle_s is 0" in measured(idle_s=0.0).missing["energy/idle_power_w"]
    assert "read too little of it" in measured(idle_s=0.1).missing["energy/net_per_inference_mj"]


def test_what_makes_an_energy_suspect() -> None:
    assert measured().tags["energy.verdict"] == "valid"
    one = measured(windows=1, call_ms=60.0)
    assert one.tags["energy.verdict"] == "suspect"
    for words in ("only 1 window(s)", "only 83 inferences", "45.", "more or less time"):
        assert words in one.tags["energy.verdict.reasons"]
    assert one.verdict.level == "valid"  # of the latency
    assert {rule.quantity for rule in RULES} == {
        *("windows", "inferences", "relative_uncertainty", "window_spread", "idle_drift", "latency_shift"),
        "foreign_use",
    }


def test_work_of_others_is_counted_as_the_model_s_so_it_is_said() -> None:
    record = make_record(energy=make_energy_pass())
    begin_s = record["energy"]["pass"]["windows"][0]["begin_s"]
    usual = record["state"]["samples"][0]
    for busy, level in ((0.26, "valid"), (0.35, "suspect")):
        samples = [{**usual, "t_s": begin_s + n, "cpu_busy": busy, "own_busy": 0.25} for n in range(-3, 20)]
        state = {**record["state"], "samples": samples}
        got = measure({**record, "state": state}, manifest=MANIFEST, power=PI4_POWER, cores=4)
        assert got.tags["energy.verdict"] == level
    assert "other programs used 10% of the CPUs" in got.tags["energy.verdict.reasons"]


def test_readings_of_a_meter_survive_the_disk() -> None:
    one = meter(details={"serial": "42"})
    assert MeterReadings.from_json(one.to_json()) == one
