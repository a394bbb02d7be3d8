"""Results in MLflow's terms: its limits, our promises, no markup from a board."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.compare import compare
from orchestrator.report import View
from orchestrator.report.columns import sheet
from orchestrator.report.markdown import markdown
from orchestrator.tracking import words
from orchestrator.tracking.staging import stage
from tests.measurement.records import (
    make_energy_pass,
    make_failed,
    make_measurement,
    make_record,
    make_result,
    make_skipped,
    make_sweep,
)


@given(st.text(max_size=400))
def test_any_text_becomes_a_name_that_mlflow_takes(text: str) -> None:
    from mlflow.utils.validation import _validate_metric_name

    name = words.name_of(text)
    assert re.fullmatch(r"[A-Za-z0-9_\-. :/]{1,250}", name)
    if name.strip(". "):
        _validate_metric_name(name.replace(" ", "_").strip("."))


@given(st.text(max_size=6000))
def test_values_are_cut_knowingly(text: str) -> None:
    value = words.value_of(text)
    assert len(value) <= words.TAG_LIMIT
    assert value == text or value.endswith("whole in result.json]")


def test_params_are_the_axes_and_no_more(tmp_path: Path) -> None:
    assert words.params(make_result(tmp_path)) == {
        "device": "pi4",
        "board": "pi4-01",
        "model": "mobilenetv2",
        "optimization": "none",
        "runtime": "litert",  # as it turned out; asked for was auto
        "delegate": "XNNPACK",
        "accelerator": "CPU",
        "threads": "1",
        "batch_size": "1",
        "input_size": "224",
        "width": "native",
        "scenario": "quick",
    }
    assert set(words.params(make_failed(tmp_path, 1))) == {*words.AXES, "board"}


def test_only_finite_metrics(tmp_path: Path) -> None:
    result = make_result(tmp_path)
    assert result.measurement is not None
    broken = replace(result.measurement, metrics={"a": 1.0, "b": float("inf"), "c": float("nan")})
    assert words.metrics(replace(result, measurement=broken)) == {"a": 1.0}


def test_the_note_tells_measured_from_estimated(tmp_path: Path) -> None:
    note = words.note(make_result(tmp_path))
    assert "95 % interval" in note and "Verdict **valid**" in note
    assert "Energy: not measured (no sensor answered" in note and "Estimated from the power profile" in note


def test_the_note_says_what_a_measured_energy_is(tmp_path: Path) -> None:
    measurement = make_measurement(energy=make_energy_pass(source="ina3221:<x>"))
    tags = {**measurement.tags, "energy.verdict": "suspect", "energy.verdict.reasons": "idle *drifted*"}
    note = words.note(replace(make_result(tmp_path), measurement=replace(measurement, tags=tags)))
    u = measurement.metrics["energy/uncertainty_mj"]
    assert f" ± {u:.2g} mJ** per inference (k=2): module\\_in, sampled, ina3221:\\<x\\>;" in note
    assert "verdict **suspect**: idle \\*drifted\\*" in note


def test_text_of_a_board_is_no_markup(tmp_path: Path) -> None:
    skipped = make_skipped(tmp_path, 2, "![x](http://evil/) <script>alert(1)</script>\n# heading")
    note = words.sweep_note(make_sweep(tmp_path), [skipped], "")
    assert "<script>" not in note.replace("\\<", "") and "\\!\\[x\\]" in note and "\\# heading" in note


def test_the_sweep_s_note_keeps_a_line_of_every_remark(tmp_path: Path) -> None:
    """A legend that is cut leaves columns without a word about them."""
    cells = [make_result(tmp_path, n, optimization=f"o{n}", write=False) for n in range(19)]
    comparison = compare(replace(make_sweep(tmp_path), battery="37@100"), cells, "o0")
    text = markdown(sheet(comparison), comparison.title, View())
    assert len(text) > words.TAG_LIMIT
    note = words.sweep_note(make_sweep(tmp_path), [], text)
    assert len(note) <= words.TAG_LIMIT and "[cut" not in note and "No hours: energy was not measured." in note
    assert "Ops index is no energy: operations" in note and note.endswith("`")
    long = words.sweep_note(make_sweep(tmp_path), [], "| x |\n" * 1000)
    assert len(long) <= words.TAG_LIMIT and long.endswith("whole in comparison.md]")


def test_a_power_that_cannot_be_drawn_costs_no_other_file(tmp_path: Path) -> None:
    result = make_result(tmp_path)
    run = make_energy_pass()
    del run["traces"][0]["reader"]  # of a version to come
    (tmp_path / "0" / "record.json").write_text(json.dumps(make_record(energy=run)))
    folder = tmp_path / "staged"
    folder.mkdir()
    stage(result, folder)
    names = {path.name for path in folder.iterdir()}
    assert {"log.txt", "record.json", "samples.parquet"} <= names and "power_trace.svg" not in names


@pytest.mark.parametrize("extra", ["", "/scenario.window_s=5"])
def test_identity_tells_attempts_apart(tmp_path: Path, extra: str) -> None:
    result = make_result(tmp_path)
    first = replace(result, cell_id=result.cell_id + extra)
    assert words.identity(first) != words.identity(replace(first, started_s=first.started_s + 1))
