"""The width multiplier as an axis: told apart, compared, and not known to older results."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.compare import compare, pivots
from orchestrator.report.columns import full_name, sheet
from orchestrator.result import RESULT_FILE, Result, load_sweep
from orchestrator.sanity import anchor
from tests.measurement.records import make_axes, make_result, make_sweep

EXTRA = "scenario.window_s=1"


def widths(at: Path, *values: str, **axes: str) -> list[Result]:
    return [make_result(at, n, 40.0 - 10 * n, width=value, **axes) for n, value in enumerate(values)]


def test_a_narrower_model_is_compared_with_its_own_width(tmp_path: Path) -> None:
    results = widths(tmp_path, "native", "0.75", "0.5")
    frame = compare(make_sweep(tmp_path), results, "width:native").frame.set_index("width")
    assert frame["is_baseline"].to_dict() == {"native": True, "0.5": False, "0.75": False}
    assert list(frame.index) == ["native", "0.5", "0.75"], "the baseline, then by size"
    assert frame["change_ratio"]["0.5"] == pytest.approx(0.5, rel=0.1)
    assert frame["change_differs"].fillna("").eq("").all(), "another artifact goes without saying"


def test_cells_of_another_width_are_no_twins(tmp_path: Path) -> None:
    pairs = [
        make_result(tmp_path, n, optimization=name, width=width)
        for n, (name, width) in enumerate([("none", "native"), ("int8", "native"), ("none", "0.5"), ("int8", "0.5")])
    ]
    comparison = compare(make_sweep(tmp_path), pairs, "none")
    assert comparison.frame["change_ratio"].notna().sum() == 2
    assert {p.fixed["width"] for p in pivots(comparison.frame.to_dict("records"), ("model", "optimization"))} == {
        "native",
        "0.5",
    }


def test_overrides_and_the_runtime_asked_for_are_found_behind_any_width(tmp_path: Path) -> None:
    """They are read from the cell's id, where a width is a word of its own or not there."""
    results = []
    for result in widths(tmp_path, "native", "0.5"):
        axes = {**result.axes, "runtime": "litert", "scenario": f"quick ({EXTRA})"}
        results.append(replace(result, axes=axes, cell_id=f"{result.cell_id}/{EXTRA}"))
    frame = compare(make_sweep(tmp_path), results, "width:native").frame
    assert set(frame["runtime_asked"]) == {"auto"}
    assert frame["change_ratio"].notna().any()


def test_the_width_is_shown_where_somebody_asked_for_one(tmp_path: Path) -> None:
    sweep = make_sweep(tmp_path)
    usual = sheet(compare(sweep, widths(tmp_path / "a", "native"), "none"))
    assert "Width" not in usual.common and "width" not in [column.key for column in usual.columns]
    mixed = sheet(compare(sweep, widths(tmp_path / "b", "native", "0.5"), "none"))
    names = [full_name(mixed, row) for row in mixed.rows]
    assert sorted("width 0.5" in name for name in names) == [False, True]
    assert sheet(compare(sweep, widths(tmp_path / "c", "0.5", "0.5"), "none")).common["Width"] == "0.5"


def test_results_of_older_sweeps_have_the_models_own(tmp_path: Path) -> None:
    make_sweep(tmp_path)
    for result in widths(tmp_path, "native", "native", optimization="none"):
        path = tmp_path / str(result.number) / RESULT_FILE
        stored = json.loads(path.read_text())
        del stored["axes"]["width"]
        stored["axes"]["optimization"] = "int8" if result.number else "none"
        stored["cell_id"] = stored["cell_id"].replace("/none/", f"/{stored['axes']['optimization']}/")
        path.write_text(json.dumps(stored))
    sweep, results = load_sweep(tmp_path)
    assert [result.axes["width"] for result in results] == ["native", "native"]
    assert compare(sweep, results, "none").frame["change_ratio"].notna().sum() == 1


def test_what_is_published_is_of_width_one() -> None:
    facts = {"device_tree_model": "Raspberry Pi 4 Model B Rev 1.4", "bits": 64}
    axes = make_axes(model="mobilenetv2", optimization="int8", threads="4")
    found = {width: anchor(axes | {"width": width}, "litert", facts) for width in ("native", "1", "0.5")}
    assert found["native"] is not None and found["1"] == found["native"] and found["0.5"] is None
