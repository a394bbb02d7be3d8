"""Modes of a scenario: sustained load, parallel streams, the steps of an application, windows that were too short."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from orchestrator.cell import Scenario
from orchestrator.measurement import warmup
from orchestrator.measurement.parts import in_order
from orchestrator.measurement.sustained import first_slow, series
from orchestrator.measurement.throughput import rate_per_s
from remote.contract import check_record
from tests.measurement.records import make_measurement, make_pipeline, make_record, measured

MS = 1_000_000
SUSTAINED = Scenario("sustained", mode="sustained", processes=1, window_s=600)
OFFLINE = Scenario("offline", mode="offline")


def filled(process: dict[str, Any], values: list[int], window_s: float | None = None) -> dict[str, Any]:
    """A process whose one stream gave these values."""
    window_ns = int(window_s * 1e9) if window_s else sum(values)
    process.update(invoke_ns=values, stream_values=[len(values)], window_ns=window_ns)
    process["end_s"] = process["begin_s"] + window_ns / 1e9
    return process


def under_load(slow_ms: float, after_s: float = 120.0, processes: int = 1, seconds: float = 600.0) -> dict[str, Any]:
    """A record of a model of 20 ms that takes ``slow_ms`` after a while."""
    record = make_record(20.0, processes=processes)
    rng = np.random.default_rng(0)
    early = 20.0 * MS * (1 + np.abs(rng.normal(0, 0.01, int(after_s * 1e3 / 20))))
    late = slow_ms * MS * (1 + np.abs(rng.normal(0, 0.01, int((seconds - after_s) * 1e3 / slow_ms))))
    values = [int(v) for v in (*early, *late)]
    for process in record["processes"]:
        filled(process, values, seconds)
    return record


# -- sustained


def test_burst_beside_sustained_and_when_it_throttled() -> None:
    record = under_load(30.0)
    check_record(record)
    got = measured(record, SUSTAINED, batch_size=2)
    m = got.metrics
    assert m["sustained/burst_median_ms"] == pytest.approx(20.0, rel=0.02)
    assert m["sustained/sustained_median_ms"] == pytest.approx(30.0, rel=0.02)
    assert m["sustained/degradation"] == pytest.approx(0.5, abs=0.02)
    assert m["sustained/samples_per_s"] == pytest.approx(2 * 1000 / 30, rel=0.02)
    assert m["sustained/time_to_throttle_s"] == pytest.approx(121, abs=2.5)
    assert m["latency/median_ms"] == pytest.approx(30.0, rel=0.02)  # of the whole window
    assert got.tags["sustained.throttled_by"] == "latency 10% above burst"
    assert any("slower from 12" in warning for warning in got.warnings)


def test_throttling_and_drift_are_what_sustained_measures() -> None:
    record = under_load(30.0)
    for sample in record["state"]["samples"][1:]:
        sample["throttled"] = 0xE000E
    assert measured(record, SUSTAINED).verdict.level == "valid"
    assert measured(record).verdict.level == "invalid"
    record["state"]["samples"][1]["throttled"] = 0x1
    assert measured(record, SUSTAINED).verdict.reasons == ("under-voltage in 1 samples of board state",)


def test_the_board_may_say_it_before_the_latency_does() -> None:
    record = under_load(30.0)
    record["state"]["samples"][2]["throttled"] = 0x4
    got = measured(record, SUSTAINED)
    assert got.metrics["sustained/time_to_throttle_s"] == 2.0
    assert "firmware" in got.tags["sustained.throttled_by"]
    record = under_load(20.1)
    record["state"]["pinned_mhz"] = [1500.0] * 4
    record["state"]["samples"][3]["cpu_mhz"] = [1300.0] * 4
    assert "clock" in measured(record, SUSTAINED).tags["sustained.throttled_by"]
    record = under_load(20.1)
    for number, sample in enumerate(record["state"]["samples"]):
        sample["over_current"] = 5 + (number == 3)  # what was counted before does not count
    got = measured(record, SUSTAINED)
    assert got.metrics["sustained/time_to_throttle_s"] == 3.0
    assert got.tags["sustained.throttled_by"] == "over-current event"


def test_not_throttled_is_null_with_the_time_it_ran() -> None:
    got = measured(under_load(20.1), SUSTAINED)
    assert got.missing["sustained/time_to_throttle_s"] == "did not throttle in 600 s"
    assert got.metrics["sustained/degradation"] == pytest.approx(0.005, abs=0.003)
    assert "sustained.throttled_by" not in got.tags
    record = under_load(30.0, processes=3)
    calm = under_load(20.1)["processes"][0]["invoke_ns"]
    for process in record["processes"][:2]:
        filled(process, calm, 600.0)
    assert (
        measured(record, SUSTAINED).missing["sustained/time_to_throttle_s"]
        == "2 of 3 processes did not throttle in 600 s"
    )


def test_a_short_disturbance_is_no_throttling() -> None:
    line = [(t + 0.5, 20.0) for t in range(60)]
    assert first_slow(line, 22.0) is None
    assert first_slow([(t, 30.0 if 20 < t < 24 else ms) for t, ms in line], 22.0) is None
    assert first_slow([(t, 30.0 if t > 20 else ms) for t, ms in line], 22.0) == pytest.approx(20.5, abs=1)
    assert first_slow([(t, 30.0 if t > 57 else ms) for t, ms in line], 22.0) is None  # too late to tell


def test_the_line_of_a_window() -> None:
    process = filled(make_record(10.0)["processes"][0], [100 * MS] * 20 + [2500 * MS], 4.6)
    line = series(process)
    assert [t for t, _ in line] == [0.5, 1.5, 2.5, 4.5]  # none ended in the fourth second
    assert [ms for _, ms in line] == [100.0, 100.0, 100.0, 2500.0]
    grouped = filled(make_record(1.0, group=10)["processes"][0], [10 * MS] * 100)
    assert series(grouped) == [(0.5, 1.0)]


# -- offline


def in_streams(record: dict[str, Any], *streams: list[int]) -> dict[str, Any]:
    for process in record["processes"]:
        process.update(invoke_ns=[v for s in streams for v in s], stream_values=[len(s) for s in streams])
        process.update(streams=len(streams), window_ns=max(sum(s) for s in streams))
    return record


def test_parallel_streams_add_up() -> None:
    record = in_streams(make_record(), [10 * MS] * 300, [20 * MS] * 150)
    check_record(record)
    got = measured(record, OFFLINE, batch_size=4)
    assert got.metrics["throughput/inferences_per_s"] == pytest.approx(150)
    assert got.metrics["throughput/samples_per_s"] == pytest.approx(600)
    assert got.metrics["latency/median_ms"] == 10.0  # of one call, while others run
    assert got.process_medians_ms == pytest.approx([1000 / 150] * 3)  # what is compared
    assert got.tags["scenario.mode"] == "offline" and got.tags["scenario.streams"] == "2"
    assert "2 stream(s)" in got.tags["latency.of"]
    assert got.verdict.level == "valid"  # neither vary nor drift: the streams differ, not the time


def test_a_stream_that_was_done_first_was_not_idle() -> None:
    (process,) = in_streams(make_record(processes=1), [1000 * MS] * 10, [1000 * MS] * 11)["processes"]
    assert rate_per_s(process, "offline") == pytest.approx(2.0)


def test_values_of_streams_are_put_in_order() -> None:
    (process,) = in_streams(make_record(processes=1), [3, 3, 3], [2, 2, 2, 2])["processes"]
    assert in_order(process) == [2, 3, 2, 2, 3, 2, 3]


# -- the steps of an application


def test_steps_are_published_with_their_total_and_the_models_share() -> None:
    record = make_record()
    for process in record["processes"]:
        process.update(pipeline=make_pipeline(invoke_ms=10.0, decode_ms=26.37), pipeline_reason=None)
    check_record(record)
    m = measured(record).metrics
    assert m["pipeline/decode_ms"] == pytest.approx(26.37, rel=0.02)
    assert m["pipeline/total_ms"] == pytest.approx(40.0, rel=0.02)
    assert m["pipeline/invoke_share"] == pytest.approx(0.25, rel=0.01)


def test_no_pipeline_says_why() -> None:
    assert make_measurement().missing["pipeline/total_ms"] == "not asked for: pipeline_s is 0"


# -- windows and warm-ups that were too short


def test_a_window_that_ended_before_its_runs_says_so() -> None:
    asked = Scenario("publish", min_runs=1024)
    assert make_measurement(runs=300, scenario=asked).verdict.reasons == (
        "window ended at max_window_s with 300 of 1024 runs",
    )
    assert make_measurement(runs=103, group=10, scenario=asked).verdict.level == "valid"  # calls count


def test_a_warm_up_that_was_too_short() -> None:
    def verdict(begin: list[int], doubtful: int = 3) -> tuple[str, ...]:
        record = make_record(10.0, runs=400)
        for process in record["processes"][:doubtful]:
            filled(process, [*begin, *process["invoke_ns"]])
        return measured(record).verdict.reasons

    assert verdict([]) == ()
    assert "the first runs took 19.3%" in verdict([12 * MS] * 20)[0]
    assert verdict([12 * MS]) == ("warm-up too short: the first run is an outlier in 100% of the processes",)
    assert verdict([12 * MS], doubtful=1) == ()  # once is chance
    assert measured(under_load(30.0, after_s=0.4), SUSTAINED).verdict.level == "valid"


def test_a_quiet_board_is_not_blamed_for_a_trifle() -> None:
    values = [1000, 1001, 1002] * 30
    assert warmup.first_is_slow([1040, *values]) is False  # an outlier of nothing that matters
    assert warmup.first_is_slow([1060, *values]) is True
    assert warmup.first_is_slow([2000] * 5) is None
    assert warmup.early_excess([2000] * 49) is None
    assert warmup.early_excess([1100] * 5 + [1000] * 45) == pytest.approx(0.1)
