"""Cells against their baselines: who is compared with whom, and who never is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.compare import COLUMNS, compare, compare_sweeps
from orchestrator.errors import ConfigError
from orchestrator.measurement import measure
from orchestrator.result import Result
from orchestrator.verdict import Verdict
from tests.measurement.records import (
    MANIFEST,
    PI4_POWER,
    make_energy_pass,
    make_failed,
    make_record,
    make_result,
    make_skipped,
    make_sweep,
)


def cells(at: Path, *made: tuple[str, float]) -> list[Result]:
    return [make_result(at, n, ms, write=False, optimization=name) for n, (name, ms) in enumerate(made)]


def judged(result: Result, level: str) -> Result:
    assert result.measurement is not None
    return replace(result, measurement=replace(result.measurement, verdict=Verdict(level, ("because",))))


def test_change_against_the_baseline(tmp_path: Path) -> None:
    results = cells(tmp_path, ("int8", 20.0), ("none", 40.0), ("float16", 40.1))
    frame = compare(make_sweep(tmp_path), results).frame.set_index("optimization")
    assert list(frame.index) == ["none", "int8", "float16"]
    assert frame.loc["none", "is_baseline"] and frame.loc["none", "change_note"] == "baseline"
    assert frame.loc["int8", "change_ratio"] == pytest.approx(0.5, rel=0.02)
    assert frame.loc["int8", "change_low"] < 0.5 < frame.loc["int8", "change_high"]
    assert frame.loc["int8", "change_significant"]
    assert not frame.loc["float16", "change_significant"]
    float16 = frame.loc["float16"]
    assert float16["change_outcome"] == "same"
    assert float16["change_note"] == "no significant difference: the same within 0.7 %"
    assert frame.loc["int8", "change_outcome"] == "different" and frame.loc["int8", "change_note"] == ""


def test_all_pairs_of_a_report_are_tested_together(tmp_path: Path) -> None:
    sweep, made = make_sweep(tmp_path), cells(tmp_path, *((f"o{n}", 40.0) for n in range(30)))
    steady = [40.0, 40.8, 39.2]
    for n, result in enumerate(made):
        assert result.measurement is not None
        medians = tuple(value * (1.05 if n == 1 else 1) for value in steady)
        made[n] = replace(result, measurement=replace(result.measurement, process_medians_ms=medians))
    two = compare(sweep, made[:2], "o0").frame.set_index("number").loc[1]
    all_of_them = compare(sweep, made, "o0").frame.set_index("number").loc[1]
    assert two["change_ratio"] == all_of_them["change_ratio"] == pytest.approx(1.05)
    assert all_of_them["change_p"] < two["change_p"], "29 other cells say how far processes are apart"
    assert all_of_them["change_p_adjusted"] == pytest.approx(29 * all_of_them["change_p"])
    assert not two["change_significant"] and two["change_outcome"] == "undecided" and two["change_processes"] > 3
    assert f"{two['change_processes']:.0f} processes would decide" in two["change_note"]


def test_only_cells_under_the_same_controls_are_compared(tmp_path: Path) -> None:
    results = [
        make_result(tmp_path, 0, 40, write=False),
        make_result(tmp_path, 1, 20, write=False, optimization="int8", threads="4"),
        make_result(tmp_path, 2, 20, write=False, optimization="int8", device="pi5"),
        make_result(tmp_path, 3, 20, write=False, optimization="int8", model="digits"),
        replace(
            make_result(tmp_path, 4, 20, write=False, optimization="int8"), cell_id="a/b/c/d/t1/b1/s1/quick/seed=3"
        ),
    ]
    frame = compare(make_sweep(tmp_path), results).frame.set_index("number")
    for number in (1, 2, 3, 4):
        assert frame["change_ratio"].isna()[number]
        assert frame.loc[number, "change_note"] == "no 'none' beside it"


def test_an_invalid_cell_is_never_a_baseline_and_never_faster(tmp_path: Path) -> None:
    base, other = cells(tmp_path, ("none", 40.0), ("int8", 20.0))
    sweep = make_sweep(tmp_path)
    bad_base = compare(sweep, [judged(base, "invalid"), other]).frame.set_index("optimization")
    assert bad_base["change_ratio"].isna()["int8"] and bad_base.loc["int8", "change_note"] == "the baseline is invalid"
    bad_cell = compare(sweep, [base, judged(other, "invalid")]).frame.set_index("optimization")
    assert bad_cell["change_ratio"].isna()["int8"] and bad_cell.loc["int8", "change_note"] == "it is invalid"
    assert compare(sweep, [judged(base, "suspect"), other]).frame["change_ratio"].notna().sum() == 1


def test_each_sweep_brings_its_own_baseline(tmp_path: Path) -> None:
    for name, baseline in (("a", "none"), ("b", "int8")):
        sweep = replace(make_sweep(tmp_path / "multirun" / "d" / name, id=name), baseline=baseline)
        sweep.write()
        make_result(sweep.directory, 0, 40.0, sweep_id=name)
        make_result(sweep.directory, 1, 20.0, sweep_id=name, optimization="int8")
    both = compare_sweeps(tmp_path, ["a", "b"])
    frame = both.frame.set_index(["sweep", "optimization"])
    assert both.baseline == "none, int8"
    assert frame["is_baseline"].to_dict() == {
        ("a", "none"): True,
        ("a", "int8"): False,
        ("b", "int8"): True,
        ("b", "none"): False,
    }
    assert frame.loc[("b", "none"), "change_ratio"] == pytest.approx(2, rel=0.02)
    assert compare_sweeps(tmp_path, ["a", "b"], "none").baseline == "none"


def test_another_baseline_and_none_at_all(tmp_path: Path) -> None:
    results = cells(tmp_path, ("none", 40.0), ("int8", 20.0))
    frame = compare(make_sweep(tmp_path), results, baseline="int8").frame.set_index("optimization")
    assert list(frame.index) == ["int8", "none"]
    assert frame.loc["none", "change_ratio"] == pytest.approx(2, rel=0.02)


def test_another_runtime_or_board_is_said(tmp_path: Path) -> None:
    base, other = cells(tmp_path, ("none", 40.0), ("int8", 20.0))
    assert other.measurement is not None
    tags = {**other.measurement.tags, "runtime.name": "tflite_runtime"}
    switched = replace(other, measurement=replace(other.measurement, tags=tags))
    frame = compare(make_sweep(tmp_path), [base, switched]).frame.set_index("optimization")
    assert "another runtime (tflite_runtime, baseline litert)" in frame.loc["int8", "change_note"]
    frame = compare(make_sweep(tmp_path), [base, replace(other, board="pi4-02")]).frame.set_index("optimization")
    assert frame.loc["int8", "change_note"] == "baseline on another board (pi4-01)"


def test_failed_and_skipped_stand_at_the_end_with_reasons(tmp_path: Path) -> None:
    results = [
        make_skipped(tmp_path, 0, "no wheels", device="zero"),
        make_failed(tmp_path, 1, optimization="int8"),
        make_result(tmp_path, 2),
    ]
    frame = compare(make_sweep(tmp_path), results).frame
    assert list(frame["status"]) == ["done", "failed", "skipped"]
    assert list(frame["reason"])[1:] == ["ConnectionFailed: pi4-01 does not answer on port 22", "no wheels"]
    assert frame["hint"][1] == "is it switched on?"
    assert tuple(frame.columns) == COLUMNS and len(set(COLUMNS)) == len(COLUMNS)


def test_devices_in_the_order_asked_threads_by_size(tmp_path: Path) -> None:
    asked = [("pi4", "10"), ("pi4", "2"), ("jetson", "2"), ("jetson", "10")]
    results = [make_result(tmp_path, n, write=False, device=d, threads=t) for n, (d, t) in enumerate(asked)]
    frame = compare(make_sweep(tmp_path), results).frame
    assert list(zip(frame["device"], frame["threads"], strict=True)) == [
        *(("pi4", "2"), ("pi4", "10"), ("jetson", "2"), ("jetson", "10"))
    ]


def test_measured_and_estimated_energy_have_columns_of_their_own(tmp_path: Path) -> None:
    result = make_result(tmp_path, 1, write=False, optimization="int8")
    metered = measure(make_record(energy=make_energy_pass()), manifest=MANIFEST, power=PI4_POWER, cores=4)
    frame = compare(make_sweep(tmp_path), [make_result(tmp_path, 0), replace(result, measurement=metered)]).frame
    assert list(frame["energy_mj"].notna()) == [False, True]
    assert list(frame["energy_estimate_mj"].notna()) == [True, False]
    assert frame["energy_scope"][1] == "module_in"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({}, "CPU · XNNPACK 66/66"),
        ({"state": "unproven", "nodes": None, "delegated_nodes": None}, "CPU · XNNPACK unproven"),
        ({"state": "absent", "name": None, "nodes": 66, "delegated_nodes": 0}, "CPU · no delegate"),
        ({"state": "unproven", "name": None, "nodes": None, "delegated_nodes": None}, "CPU · unproven"),
    ],
)
def test_the_accelerator_is_named_as_far_as_it_is_proven(tmp_path: Path, change: dict[str, object], says: str) -> None:
    record = make_record()
    record["runtime"]["delegate"].update(change)
    measurement = measure(record, manifest=MANIFEST, power=PI4_POWER, cores=4)
    frame = compare(make_sweep(tmp_path), [replace(make_result(tmp_path), measurement=measurement)]).frame
    assert frame["accelerator"][0] == says


def test_stored_sweeps_by_name(tmp_path: Path) -> None:
    for name, started_s, ms in (("old", 1.0, 40.0), ("new", 2.0, 30.0)):
        at = tmp_path / "multirun" / "d" / name
        make_sweep(at, id=name, started_s=started_s)
        make_result(at, 0, ms, sweep_id=name)
        make_result(at, 1, ms / 2, sweep_id=name, optimization="int8")
    assert set(compare_sweeps(tmp_path, []).frame["sweep"]) == {"new"}
    both = compare_sweeps(tmp_path, ["old", "new", "last"])
    assert list(both.frame["sweep"]) == ["old", "old", "new", "new"]
    assert list(both.frame["change_ratio"].dropna()) == pytest.approx([0.5, 0.5], rel=0.02)
    assert both.title == "Sweeps old, new"
    with pytest.raises(ConfigError, match="no sweep 'older'"):
        compare_sweeps(tmp_path, ["older"])
    make_sweep(tmp_path / "multirun" / "d" / "empty", id="empty", started_s=3.0)
    with pytest.raises(ConfigError, match="has a result yet"):
        compare_sweeps(tmp_path, ["empty"])
