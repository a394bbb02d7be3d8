"""From a record to metrics: names, units, honesty about what is missing, energy kept apart from its estimate."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from orchestrator import verdict
from orchestrator.device import PowerProfile
from orchestrator.errors import MeasurementError
from orchestrator.measurement import Measurement, measure
from orchestrator.measurement.operators import Operator, operators
from orchestrator.report.operators import section
from remote.contract import check_record
from tests.measurement.records import (
    FACTS,
    MANIFEST,
    PI4_POWER,
    digest,
    make_energy_pass,
    make_measurement,
    make_record,
)


def test_the_generated_records_keep_the_contract() -> None:
    check_record(make_record())
    check_record(make_record(energy=make_energy_pass(), throttled=None, group=8))


def test_headline_numbers_and_units() -> None:
    got = make_measurement(41.0).metrics
    assert got["latency/median_ms"] == pytest.approx(41.0, rel=0.02)
    assert got["latency/min_ms"] <= got["latency/median_ms"] <= got["latency/p90_ms"] <= got["latency/max_ms"]
    assert got["latency/median_low_ms"] < got["latency/median_ms"] < got["latency/median_high_ms"]
    assert got["throughput/inferences_per_s"] == pytest.approx(1000 / got["latency/mean_ms"], rel=0.01)
    assert got["load/total_ms"] == pytest.approx(31, rel=0.03)
    assert got["memory/peak_rss_mb"] == 96.4
    assert got["model/params"] == 3_504_872
    assert got["delegate/share"] == 1
    assert got["state/temperature_max_c"] == 54
    assert got["state/foreign_cpu_cores"] == pytest.approx(0.08)


def test_the_median_is_one_of_processes_not_of_calls() -> None:
    record = make_record(10.0, processes=3, runs=50, spread=0)
    record["processes"][0]["invoke_ns"] = [30_000_000] * 5000
    got = measure(record, manifest=MANIFEST, power=PI4_POWER, cores=4)
    assert got.metrics["latency/median_ms"] == pytest.approx(10.0, rel=0.03)  # pooled, it would be 30


def test_grouped_calls_are_divided_and_have_no_percentiles() -> None:
    got = make_measurement(0.2, group=8, runs=600)
    assert got.metrics["latency/median_ms"] == pytest.approx(0.2, rel=0.03)
    assert got.metrics["throughput/inferences_per_s"] == pytest.approx(5000, rel=0.03)
    for name in ("p90_ms", "p99_ms", "min_ms", "max_ms", "cv"):
        assert "groups of 8" in got.missing[f"latency/{name}"]
        assert f"latency/{name}" not in got.metrics


def test_few_runs_publish_no_high_percentile() -> None:
    got = make_measurement(runs=60)
    assert got.metrics["latency/p90_low_ms"] < got.metrics["latency/p90_ms"] < got.metrics["latency/p90_high_ms"]
    assert got.uncertainty["latency/p90_ms"].n == 3, "of the processes, not of the calls"
    for name in ("p95_ms", "p95_low_ms", "p95_high_ms"):
        assert got.missing[f"latency/{name}"] == "60 runs in a process, 93 needed"


def test_measured_energy_and_its_uncertainty() -> None:
    got = make_measurement(energy=make_energy_pass(power_w=6.2, idle_w=2.9, call_ms=41.0))
    m = got.metrics
    assert m["energy/mean_power_w"] == pytest.approx(6.2, rel=0.01)
    assert m["energy/per_inference_mj"] == pytest.approx(6.2 * 41.0, rel=0.03)
    assert m["energy/net_per_inference_mj"] == pytest.approx((6.2 - 2.9) * 41.0, rel=0.05)
    assert 0.02 < m["energy/uncertainty_mj"] / m["energy/per_inference_mj"] < 0.06
    method = got.uncertainty["energy/per_inference_mj"].method
    assert "assumed" in method and "scatter of batches" in method and "from process to process" in method
    assert {k: got.tags[f"energy.{k}"] for k in ("scope", "kind")} == {"scope": "module_in", "kind": "sampled"}


def test_measured_and_estimated_energy_never_meet() -> None:
    measured, estimated = make_measurement(energy=make_energy_pass()), make_measurement()
    for got, has, lacks in ((measured, "energy/", "energy_estimate/"), (estimated, "energy_estimate/", "energy/")):
        assert any(name.startswith(has) for name in got.metrics)
        assert not any(name.startswith(lacks) for name in got.metrics)
        assert any(name.startswith(lacks) for name in got.missing)
    assert "no sensor answered" in estimated.missing["energy/per_inference_mj"]
    assert estimated.tags["energy_estimate.kind"] == "estimated_profile"
    assert "energy.kind" not in estimated.tags


def test_the_estimate_is_profile_times_time() -> None:
    m = make_measurement(41.0).metrics
    per_call_s = 1 / m["throughput/inferences_per_s"]
    use = 0.995 / 4
    names = {"": (3.05, 6.45), "_low": (2.7, 6.1), "_high": (3.4, 6.8)}
    for end, (idle, load) in names.items():
        want = (idle + use * (load - idle)) * per_call_s * 1e3
        assert m[f"energy_estimate/per_inference_mj{end}"] == pytest.approx(want, rel=0.01)


@pytest.mark.parametrize(
    ("power", "cores", "why"), [(PowerProfile(), 4, "no power profile"), (PI4_POWER, None, "number of cores")]
)
def test_no_estimate_without_its_ground(power: PowerProfile, cores: int | None, why: str) -> None:
    got = measure(make_record(), manifest=MANIFEST, power=power, cores=cores)
    assert why in got.missing["energy_estimate/per_inference_mj"]


def test_net_energy_within_noise_is_not_published() -> None:
    got = make_measurement(energy=make_energy_pass(power_w=3.0, idle_w=2.999))
    assert "within 3 u" in got.missing["energy/net_per_inference_mj"]
    assert "energy/per_inference_mj" in got.metrics


def test_a_poor_energy_pass_is_withheld_with_the_reason() -> None:
    good = make_energy_pass()
    with_gap = [point for point in good["traces"][0]["points"] if not 2003.0 < point[0] < 2005.0]
    for points, why in ((with_gap, "needed"), ([[t, 0.0] for t, _ in with_gap], "needed"), ([], "too few readings")):
        got = make_measurement(energy=make_energy_pass(points=points, missed=20, problem="No such device"))
        assert why in got.missing["energy/per_inference_mj"]
        assert "20 readings failed: No such device" in got.missing["energy/per_inference_mj"]
        assert "energy_estimate/per_inference_mj" in got.metrics


def test_a_meter_that_slows_the_model_is_warned_of() -> None:
    got = make_measurement(41.0, energy=make_energy_pass(call_ms=45.0))
    assert "while its energy was measured" in got.tags["energy.verdict.reasons"]


def test_a_delegate_that_cannot_be_seen_is_unproven_not_zero() -> None:
    record = make_record()
    record["runtime"]["delegate"].update(state="unproven", nodes=None, delegated_nodes=None, partitions=None)
    got = measure(record, manifest={}, power=PI4_POWER, cores=4)
    assert "unproven" in got.missing["delegate/share"]
    assert "delegate.nodes" not in got.tags
    assert "manifest has no macs" in got.missing["model/macs"]


@pytest.mark.parametrize(
    ("requested", "name", "processor", "accelerator"),
    [
        ("auto", None, None, "CPU"),
        ("auto", None, "Intel(R) Core(TM) (CPU)", "CPU"),
        ("gpu", "LiteRT GPU", None, "GPU"),
        ("npu", "LiteRT NPU", "OpenVINO NPU", "NPU"),
        ("npu", "LiteRT NPU", "OpenVINO CPU", "CPU"),  # where graph_backend says so
        ("openvino", "OpenVINOExecutionProvider", "OpenVINO GPU.1", "GPU"),
        ("cuda", "CUDAExecutionProvider", None, "GPU"),
        ("edgetpu", "Edge TPU", None, "TPU"),
        ("external", "libvx_delegate.so", None, "libvx_delegate.so"),
        ("auto", "TensorRT", "Orin", "GPU"),
        ("auto", "TensorRT", "Orin DLA 0", "DLA"),
    ],
)
def test_the_accelerator_is_named_by_what_computes(
    requested: str, name: str | None, processor: str | None, accelerator: str
) -> None:
    record = make_record()
    record["runtime"]["processor"] = processor
    record["runtime"]["delegate"].update(requested=requested, name=name, state="engaged" if name else "absent")
    record["runtime"]["engine"] = {"key": "k", "cached": False, "build_ns": 2_500_000_000, "size_bytes": 9}
    tags = measure(record, manifest=MANIFEST, power=PI4_POWER, cores=4).tags
    assert tags["accelerator"] == accelerator
    assert tags.get("runtime.processor") == processor
    assert tags["engine.built"] == "in this run, in 2.5 s"


def test_nothing_is_both_there_and_missing_and_all_is_finite() -> None:
    for got in (
        make_measurement(),
        make_measurement(energy=make_energy_pass()),
        make_measurement(group=4, throttled=None),
    ):
        assert not set(got.metrics) & set(got.missing)
        assert all(math.isfinite(v) for v in got.metrics.values())


def test_board_facts_become_tags_without_the_lists() -> None:
    tags = measure(make_record(), manifest=MANIFEST, power=PI4_POWER, cores=4, facts=FACTS).tags
    assert tags["board.libc"] == "glibc 2.36"
    assert tags["board.device_tree_model"].startswith("Raspberry")
    assert not any("blobs" in key for key in tags)


def test_json_round_trip() -> None:
    got = make_measurement(energy=make_energy_pass())
    assert Measurement.from_json(json.loads(json.dumps(got.to_json(), allow_nan=False))) == got


def test_a_record_without_runs_is_an_error() -> None:
    record = make_record()
    record["processes"] = []
    with pytest.raises(MeasurementError, match="no timed run"):
        measure(record, manifest=MANIFEST, power=PI4_POWER, cores=4)


def judged(**changes: object) -> verdict.Verdict:
    record = make_record()
    for process in record["processes"]:
        process.update(changes)
    return measure(record, manifest=MANIFEST, power=PI4_POWER, cores=4).verdict


def test_a_calm_run_is_valid() -> None:
    not_told_by_a_pi = ("over_current_events", "throttle_events", "clock_low_share", "gate_excess_c")
    assert make_measurement().verdict == verdict.Verdict("valid", (), (*not_told_by_a_pi, "sanity_ratio"))


def test_what_the_board_does_not_tell_is_said() -> None:
    assert "live_throttle_samples" in make_measurement(throttled=None).verdict.unchecked


def test_different_outputs_are_invalid() -> None:
    record = make_record()
    record["processes"][1]["output_sha256"] = digest("another")
    got = measure(record, manifest=MANIFEST, power=PI4_POWER, cores=4)
    assert got.verdict.level == "invalid" and "2 different outputs" in got.verdict.reasons[0]
    assert got.tags["verdict"] == "invalid"


def test_nan_is_invalid() -> None:
    assert judged(output_finite=False).level == "invalid"


def test_throttling_now_is_invalid_and_since_boot_suspect() -> None:
    assert make_measurement(throttled=[0, 0x50005, 0x50000, 0x50000]).verdict.level == "invalid"
    sticky = make_measurement(throttled=[0x50000] * 4).verdict
    assert sticky.level == "suspect" and "2 bits" in sticky.reasons[0]


@pytest.mark.parametrize(
    ("record", "says"),
    [
        ({"spread": 0.5, "seed": 3}, "medians of the processes differ by"),
        ({"processes": 1}, "only 1 process"),
        ({"runs": 9}, "only 9 runs"),
    ],
)
def test_doubts(record: dict[str, float], says: str) -> None:
    got = make_measurement(**record).verdict  # type: ignore[arg-type]
    assert got.level == "suspect" and any(says in reason for reason in got.reasons), got


def test_more_doubts() -> None:
    assert any("interrupted" in r for r in judged(involuntary_switches=500).reasons)
    assert any(
        "drifted by 20" in r for r in judged(invoke_ns=[10**7] * 40 + [11 * 10**6] * 40 + [12 * 10**6] * 40).reasons
    )
    assert any("CV" in r for r in judged(invoke_ns=[10**7, 2 * 10**7] * 60).reasons)
    record = make_record()
    for sample in record["state"]["samples"]:
        sample["cpu_busy"] = 0.5
    got = measure(record, manifest=MANIFEST, power=PI4_POWER, cores=4).verdict
    assert got.reasons == ("other programs used 1.00 cores, limit 0.3",)


def test_every_rule_can_fire_and_its_text_can_be_made() -> None:
    for rule in verdict.RULES:
        beyond = rule.limit + (-1 if rule.when == "<" else 1)
        got = verdict.judge({"runs": 300, "asked_runs": 1024, rule.quantity: beyond}, rule.modes[0])
        assert got.level == rule.level and len(got.reasons) == 1 and rule.quantity not in got.unchecked
        assert replace(rule, limit=rule.limit).reason(rule.limit + (1 if rule.when == "<" else -1), {}) is None


def test_on_what_an_artifact_was_calibrated() -> None:
    note = "activation ranges come from noise"
    manifest = {**MANIFEST, "calibration": {"source": "seeded noise", "samples": 100}, "notes": [note]}
    tags = measure(make_record(), manifest=manifest, power=PI4_POWER, cores=4).tags
    assert tags["artifact.calibration"] == "100 samples: seeded noise" and tags["artifact.notes"] == note
    assert not any(key.startswith("artifact.") and key != "artifact.sha256" for key in make_measurement().tags)


def test_operators_are_added_up_and_the_longest_comes_first() -> None:
    rows = [("Conv", "XNNPACK", 2, 3_000_000), ("Softmax", None, 1, 4_000_000), ("Conv", "XNNPACK", 1, 9_000_000)]
    profile = {
        "tool": "a profiler",
        "runs": 4,
        "operators": [{"type": t, "provider": p, "count": c, "total_ns": ns} for t, p, c, ns in rows],
    }
    assert operators(profile) == [
        Operator("Conv", "XNNPACK", 3, 3.0, 0.75),
        Operator("Softmax", "not told", 1, 1.0, 0.25),
    ]
    page = section({"profile": profile, "profile_reason": None})
    assert page.index("Conv") < page.index("Softmax") and "75.0 %" in page and "not how long a call takes" in page
    assert "&lt;b&gt;" in section({"profile": None, "profile_reason": "the profiler failed: <b>"})
    assert section({"profile": None, "profile_reason": "not asked for: profile_runs is 0"}) == ""
