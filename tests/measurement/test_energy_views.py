"""What is made of an energy: the index by operations, battery and cost, and where there is none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from orchestrator.energy.battery import Battery, estimated_hours, measured_hours
from orchestrator.energy.operations import INDEX, operations
from orchestrator.errors import ConfigError
from orchestrator.measurement import measure
from orchestrator.sheet import Sheet
from tests.measurement.records import MANIFEST, PI4_POWER, make_energy_pass, make_measurement, make_record


def index(**manifest: Any) -> Sheet:
    sheet = Sheet()
    operations(sheet, {**MANIFEST, "weight_bytes": 0, "activation_bytes": 0, **manifest})
    return sheet


def test_the_index_is_arithmetic_and_traffic() -> None:
    assert index(macs_by_arithmetic={"float32": 10**9}).metrics[INDEX] == pytest.approx(4.6)
    assert index(macs_by_arithmetic={"int8": 10**9}).metrics[INDEX] == pytest.approx(0.3)
    assert index(macs_by_arithmetic={}, weight_bytes=10**6, activation_bytes=10**6).metrics[INDEX] == pytest.approx(
        0.32
    )


@pytest.mark.parametrize(
    ("manifest", "why"),
    [
        ({"macs": None, "macs_reason": "they are not counted in ONNX models"}, "not counted in ONNX"),
        ({"macs_uncounted": ["LSTM"]}, "cannot be counted: LSTM"),
        ({"macs_by_arithmetic": {"float32 x float16": 1}}, "no figure for arithmetic in float32 x float16"),
        ({"activation_bytes": None}, "without a size"),
    ],
)
def test_why_there_is_no_index(manifest: dict[str, Any], why: str) -> None:
    assert why in index(**manifest).missing[INDEX]
    old = Sheet()
    operations(old, {"macs": 5, "macs_uncounted": []})
    assert "by a version that did not count" in old.missing[INDEX]


def test_cost_follows_from_what_was_measured_alone() -> None:
    got = make_measurement(energy=make_energy_pass())
    m, joule = got.metrics, got.metrics["energy/per_inference_mj"] / 1e3
    assert m["energy/inferences_per_wh"] == pytest.approx(3600 / joule)
    assert m["energy/joules_per_1000"] == pytest.approx(1000 * joule)
    assert m["energy/edp_mj_ms"] == pytest.approx(1e3 * joule * m["latency/median_ms"])
    assert "no sensor answered" in make_measurement().missing["energy/inferences_per_wh"]


METERED = {
    "latency/median_ms": 100.0,
    "energy/per_inference_mj": 600.0,
    "energy/uncertainty_mj": 60.0,
    "energy/mean_power_w": 6.0,
    "energy/idle_power_w": 2.0,
    "energy/net_per_inference_mj": 400.0,
    "energy/net_uncertainty_mj": 40.0,
}


def test_hours_at_full_load_and_at_a_rate() -> None:
    full = measured_hours(Battery.parse("36"), METERED, "board_dc_in")
    assert (full.value, full.low, full.high) == pytest.approx((6.0, 36 / 6.6, 36 / 5.4)) and full.note == ""
    rated = measured_hours(Battery.parse("36@0.5"), METERED, "wall_ac")
    assert rated.value == pytest.approx(36 / (2.0 + 0.5 * 0.4)) and rated.note == "supply losses included"
    limit = measured_hours(Battery.parse("36@10"), METERED, "module_in")
    assert limit.value == pytest.approx(full.value), "at the most that it can do, it is at full load"


def test_streams_beside_each_other_do_more_than_one_call_s_time_allows() -> None:
    streams = METERED | {"throughput/inferences_per_s": 40.0}  # four of 100 ms each
    rated = measured_hours(Battery.parse("36@20"), streams, "board_dc_in")
    assert rated.value == pytest.approx(36 / (2.0 + 20 * 0.4))
    assert "40/s at most" in measured_hours(Battery.parse("36@41"), streams, "board_dc_in").note


def test_hours_err_as_the_power_does() -> None:
    """Processes that differ make the energy uncertain, and no power; a meter's offset counts whole at any rate."""
    record = make_record(spread=1.0, energy=make_energy_pass())
    m = measure(record, manifest=MANIFEST, power=PI4_POWER, cores=4).metrics
    share = m["energy/power_uncertainty_w"] / m["energy/mean_power_w"]
    assert 2 * 0.02 / 3**0.5 < share < 0.03 < 0.3 < m["energy/uncertainty_mj"] / m["energy/per_inference_mj"]
    full = measured_hours(Battery.parse("37"), m, "module_in")
    assert full.low == pytest.approx(37 / (m["energy/mean_power_w"] + m["energy/power_uncertainty_w"]))
    seldom = measured_hours(Battery.parse("36@0.001"), METERED | {"energy/power_uncertainty_w": 0.5}, "board_dc_in")
    assert (seldom.low, seldom.high) == pytest.approx((36 / 2.5, 36 / 1.5), rel=1e-3)


@pytest.mark.parametrize(
    ("battery", "scope", "without", "why"),
    [
        ("36", "cpu_package", "", "not the whole board"),
        ("36@11", "board_dc_in", "", "too fast: 10/s at most"),
        ("36@1", "board_dc_in", "energy/idle_power_w", "a rate needs idle power"),
        ("36@1", "board_dc_in", "energy/net_per_inference_mj", "a rate needs net energy: 0.01 W above idle is noise"),
        ("36", "board_dc_in", "energy/per_inference_mj", "not measured"),
    ],
)
def test_why_there_are_no_hours(battery: str, scope: str, without: str, why: str) -> None:
    metrics = {name: value for name, value in METERED.items() if name != without}
    missing = {"energy/net_per_inference_mj": "0.01 W above idle is noise"}
    hours = measured_hours(Battery.parse(battery), metrics, scope, missing)
    assert hours.value is None and why in hours.note


def test_a_profile_gives_a_range_and_no_value() -> None:
    metrics = make_measurement(100.0).metrics
    full = estimated_hours(Battery.parse("36"), metrics, "board_dc_in")
    powers = [metrics[f"energy_estimate/mean_power_w_{end}"] for end in ("high", "low")]
    assert full.value is None and [full.low, full.high] == pytest.approx([36 / watt for watt in powers])
    seldom = estimated_hours(Battery.parse("36@0.001"), metrics, "board_dc_in")
    assert [seldom.low, seldom.high] == pytest.approx([36 / 3.4, 36 / 2.7], rel=1e-3), "idle power is all that is left"
    assert estimated_hours(Battery.parse("36"), METERED, None) == replace(full, low=None, high=None, note="no estimate")


@pytest.mark.parametrize("text", ["", "0", "37@", "37@0", "-1", "37 Wh", "1e3"])
def test_what_is_no_battery(text: str) -> None:
    with pytest.raises(ConfigError, match="is no battery"):
        Battery.parse(text)
