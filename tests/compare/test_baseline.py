"""Baselines along any axis: who is compared with whom, what blocks it and what is only said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator import conditions
from orchestrator.cell import BASELINE
from orchestrator.compare import compare, compare_sweeps
from orchestrator.compare.baseline import Baseline
from orchestrator.controls import CONTROLS, COVARIATES
from orchestrator.errors import ConfigError
from orchestrator.measurement import measure
from orchestrator.measurement.tags import BOARD_FACTS, cpu_list
from orchestrator.result import Result
from tests.measurement.records import (
    FACTS,
    MANIFEST,
    PI4_POWER,
    make_energy_pass,
    make_failed,
    make_record,
    make_result,
    make_sweep,
)


def tagged(result: Result, **tags: str) -> Result:
    assert result.measurement is not None
    merged = {**result.measurement.tags, **{name.replace("_", ".", 1): value for name, value in tags.items()}}
    return replace(result, measurement=replace(result.measurement, tags=merged))


def test_the_spelling_of_a_baseline() -> None:
    assert Baseline.parse("int8") == Baseline("optimization", "int8") == Baseline.parse("optimization:int8")
    assert Baseline.parse("threads:4") == Baseline("threads", "4")
    assert str(Baseline.parse("batch_size:8")) == "batch size 8" and str(Baseline.parse("none")) == "none"
    for text in ("colour:red", "threads:", "threads=4"):
        assert not BASELINE.admits(text)
        with pytest.raises(ConfigError, match="axis:value"):
            Baseline.parse(text)
    assert BASELINE.admits("none") and BASELINE.admits("threads:4")
    assert not BASELINE.admits("sweep:20261124-151535-4f34cd"), "at its end, a sweep knows no other"


@pytest.mark.parametrize(
    ("axis", "base", "other"),
    [
        ("device", "pi4", "pi5"),
        ("threads", "1", "4"),
        ("model", "mobilenetv2", "digits"),
        ("scenario", "quick", "long"),
    ],
)
def test_cells_equal_in_all_other_axes_are_compared(tmp_path: Path, axis: str, base: str, other: str) -> None:
    results = [
        make_result(tmp_path, 0, 20, write=False, **{axis: other}),
        make_result(tmp_path, 1, 40, write=False, **{axis: base}),
        make_result(tmp_path, 2, 10, write=False, optimization="int8", **{axis: other}),
        make_result(tmp_path, 3, 30, write=False, optimization="int8", **{axis: base}),
    ]
    made = compare(make_sweep(tmp_path), results, f"{axis}:{base}")
    frame = made.frame.set_index("number")
    assert frame["change_ratio"].dropna().round(2).to_dict() == {0: 0.5, 2: 0.33}
    assert frame["is_baseline"].to_dict() == {0: False, 1: True, 2: False, 3: True}
    assert list(made.frame["number"]) == [1, 0, 3, 2]  # together, the baseline first
    assert made.baseline == f"{axis} {base}" and made.baseline_axis == axis


def test_models_are_compared_at_their_own_input_sizes(tmp_path: Path) -> None:
    results = [
        make_result(tmp_path, 0, 40, write=False, model="big", input_size="224"),
        make_result(tmp_path, 1, 10, write=False, model="small", input_size="96"),
    ]
    sweep = make_sweep(tmp_path)
    assert compare(sweep, results, "model:big").frame["change_ratio"].notna().sum() == 1
    asked = [*results, make_result(tmp_path, 2, 20, write=False, model="big", input_size="96")]
    frame = compare(sweep, asked, "model:big").frame.set_index("number")
    assert frame.loc[1, "change_ratio"] == pytest.approx(0.5, rel=0.02), "with the one of its size"


def test_a_baseline_that_failed_is_said(tmp_path: Path) -> None:
    results = [make_failed(tmp_path, 0), make_result(tmp_path, 1, write=False, optimization="int8")]
    frame = compare(make_sweep(tmp_path), results).frame.set_index("number")
    assert frame.loc[1, "change_note"] == "the baseline failed" and not frame["is_baseline"].any()


def test_another_runtime_blocks_unless_it_is_the_axis(tmp_path: Path) -> None:
    base = make_result(tmp_path, 0, 40, write=False, runtime="litert")
    other = tagged(
        make_result(tmp_path, 1, 20, write=False, runtime="tflite_runtime"),
        runtime_name="tflite_runtime",
        runtime_version="2.14",
    )
    frame = compare(make_sweep(tmp_path), [base, other], "runtime:litert").frame.set_index("number")
    assert frame.loc[1, "change_ratio"] == pytest.approx(0.5, rel=0.02)
    assert frame.loc[1, "change_differs"] == ""  # a runtime has its own version
    moved = replace(other, axes={**base.axes, "device": "pi5"}, cell_id=base.cell_id)
    frame = compare(make_sweep(tmp_path), [base, moved], "device:pi4").frame.set_index("number")
    assert frame.isna().loc[1, "change_ratio"] and "another runtime" in frame.loc[1, "change_note"]


def test_conditions_that_differ_are_named(tmp_path: Path) -> None:
    base = make_result(tmp_path, 0, 40, write=False)
    other = tagged(
        make_result(tmp_path, 1, 20, write=False, threads="4"), board_kernel="6.12", artifact_sha256="ab" * 32
    )
    row = compare(make_sweep(tmp_path), [base, other], "threads:1").frame.set_index("number").loc[1]
    assert row["change_differs"] == "kernel, artifact"
    assert "baseline on another kernel (6.6.31+rpt-rpi-v8)" in row["change_note"]
    axes = {**other.axes, "threads": "1", "optimization": "int8"}
    row = compare(make_sweep(tmp_path), [base, replace(other, axes=axes)]).frame.set_index("number").loc[1]
    assert row["change_differs"] == "kernel"  # another optimization is another artifact


def test_controls_that_differ_leave_no_comparison(tmp_path: Path) -> None:
    base = make_result(tmp_path, 0, 40, write=False)
    other = make_result(tmp_path, 1, 20, write=False, optimization="int8")
    sweep = make_sweep(tmp_path)
    for tags, note in (
        ({"state_governor": "performance"}, "another governor (performance, baseline ondemand)"),
        ({"state_tuning": "MAXN"}, "another tuning (MAXN, baseline none)"),
        ({"state_cpus": "2,3"}, "another CPUs (2,3, baseline 0-3)"),
        ({"runtime_threads": "4"}, "another threads (4, baseline 1)"),
    ):
        row = compare(sweep, [base, tagged(other, **tags)]).frame.set_index("number").loc[1]
        assert row["change_note"] == note and row.isna()["change_ratio"] and row["change_outcome"] is None
    both = compare(sweep, [tagged(base, state_tuning="MAXN"), tagged(other, state_tuning="MAXN")]).frame
    assert both["change_significant"].sum() == 1
    pi5 = tagged(make_result(tmp_path, 2, 20, write=False, device="pi5"), state_governor="schedutil")
    row = compare(sweep, [base, pi5], "device:pi4").frame.set_index("number").loc[2]
    assert row["change_significant"] and row["change_differs"] == "governor", "another kind of board was asked for"


def test_a_control_that_only_one_side_knows_is_named(tmp_path: Path) -> None:
    base = make_result(tmp_path, 0, 40, write=False)
    other = make_result(tmp_path, 1, 20, write=False, optimization="int8")
    known = {"board_power_mode": "15W", "board_firmware": "L4T 36.4.0"}
    for old, new, note in (
        (base, tagged(other, **known), "baseline on another power mode (not known)"),
        (tagged(base, **known), other, "baseline on another power mode (15W, here not known)"),
    ):
        row = compare(make_sweep(tmp_path), [old, new]).frame.set_index("number").loc[1]
        assert row["change_significant"] and row["change_differs"] == "power mode"
        assert note in row["change_note"]
    rest = {"board_power_mode": "15W", "board_firmware": "L4T 35.5.0", "board_cpu_model": "x", "delegate": "none"}
    row = compare(make_sweep(tmp_path), [tagged(base, **known), tagged(other, **rest)]).frame.set_index("number").loc[1]
    assert row["change_differs"] == "firmware, CPU model, delegate"


def test_conditions_are_tags_that_there_are() -> None:
    record = make_record(energy=make_energy_pass())
    record["state"]["tuning"] = [
        {"setting": "power_mode", "wanted": "7W", "before": "15W", "now": "7W", "reason": None}
    ]
    facts = {**FACTS, **dict.fromkeys(BOARD_FACTS, "known")}
    tags = measure(record, manifest=MANIFEST, power=PI4_POWER, cores=4, facts=facts).tags
    tags["runtime.environment"] = "0123"  # of the wheels, which a record does not know
    assert {*CONTROLS, *COVARIATES, *conditions.NAMED} <= tags.keys()
    assert tags["state.cpus"] == "0-3"
    assert [cpu_list(cpus) for cpus in ([3, 2], [0, 1, 2, 7], [5])] == ["2,3", "0-2,7", "5"]


def test_night_to_night(tmp_path: Path) -> None:
    for name, started_s, ms in (("monday", 1.0, 40.0), ("tuesday", 2.0, 20.0), ("wednesday", 3.0, 10.0)):
        at = tmp_path / "multirun" / "d" / name
        make_sweep(at, id=name, started_s=started_s)
        make_result(at, 0, ms, sweep_id=name)
        make_failed(at, 1, sweep_id=name, optimization="int8")
    made = compare_sweeps(tmp_path, ["tuesday", "last"], "sweep:mon")
    assert made.baseline == "sweep monday"  # which was added
    done = made.done.set_index("sweep")
    assert list(done.index) == ["monday", "tuesday", "wednesday"]
    assert done["change_ratio"].dropna().round(2).to_dict() == {"tuesday": 0.5, "wednesday": 0.25}
    assert len(made.others) == 3
    with pytest.raises(ConfigError, match="no sweep 'sunday'"):
        compare_sweeps(tmp_path, ["last"], "sweep:sunday")


def test_a_baseline_that_no_cell_has(tmp_path: Path) -> None:
    sweep = make_sweep(tmp_path / "multirun" / "d" / "t")
    results = [make_result(sweep.directory, n, optimization="int8", threads=t) for n, t in enumerate("14")]
    with pytest.raises(ConfigError, match=r"no cell has the baseline float16 \(optimization is int8\)"):
        compare_sweeps(tmp_path, [], "float16")
    (note,) = compare(sweep, results).notes
    assert note.startswith("No cell has the baseline none") and note.endswith("compare --baseline threads:1")
    assert compare(sweep, results, "threads:4").notes == compare(sweep, results[:1]).notes == ()


def test_a_cell_alone_is_no_baseline(tmp_path: Path) -> None:
    alone = compare(make_sweep(tmp_path), [make_result(tmp_path, 0, write=False)]).frame
    assert not alone["is_baseline"][0] and alone["change_note"][0] == "nothing beside it"
    with_failed = [make_result(tmp_path, 0, write=False), make_failed(tmp_path, 1, optimization="int8")]
    assert compare(make_sweep(tmp_path), with_failed).frame["is_baseline"][0]
