"""What a plan leaves out and why, and what it expects of the rest."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.cell import RUNTIME_FORMATS, Cell, Model
from orchestrator.errors import ConfigError
from orchestrator.fleet.plan import PROCESS_START_S, plan
from orchestrator.history import NEWEST, Estimate, History
from remote.contract import DELEGATES
from remote.runtimes import LONGEST_PROFILE_S
from tests.fleet.test_pool import cell
from tests.measurement.records import make_failed, make_result


def store(root: Path, day: str, number: int, **fields: Any) -> Path:
    """A result on the disk, as a sweep leaves it."""
    folder = root / "multirun" / day / "10-00-00-abcdef"
    make_result(folder, number)
    path = folder / str(number) / "result.json"
    data = json.loads(path.read_text()) | fields
    path.write_text(json.dumps(data))
    return path


def with_settings(made: Cell, **settings: Any) -> Cell:
    return replace(made, settings=replace(made.settings, **settings))


def test_the_median_of_the_last_runs_on_this_board_or_another(tmp_path: Path) -> None:
    for day, busy_s in (("2026-01-01", 500.0), ("2026-01-02", 12.0), ("2026-01-03", 90.0), ("2026-01-04", 10.0)):
        store(tmp_path, day, 0, cell_id="c", board="pi4-01", busy_s=busy_s)
    store(tmp_path, "2026-01-05", 0, cell_id="c", board="pi4-02", busy_s=20.0)
    store(tmp_path, "2026-01-05", 1, cell_id="other", board="pi4-02", busy_s=7.0)
    history = History.read(tmp_path)
    assert history.estimate("c", "pi4-02") == Estimate(20.0, 1)
    assert history.estimate("c", "pi4-01") == Estimate(51.0, 4)
    assert history.estimate("c", "pi4-03") == history.estimate("c") == Estimate(20.0, 5)
    assert history.estimate("never") is None
    assert History.read(tmp_path, newest=1).estimate("c") is None, "the newest first, and not all of them"


def test_what_says_nothing_is_left_out(tmp_path: Path) -> None:
    old = store(tmp_path, "2026-01-01", 0, cell_id="c")
    data = json.loads(old.read_text())
    del data["busy_s"]  # as older versions wrote it
    old.write_text(json.dumps(data))
    make_failed(tmp_path / "multirun" / "2026-01-01" / "x", 0)
    store(tmp_path, "2026-01-02", 0).write_text("{torn")
    store(tmp_path, "2026-01-02", 1, cell_id="c", busy_s="long")
    (tmp_path / "multirun" / "note.txt").write_text("mine")
    assert History.read(tmp_path) == History({})
    assert History.read(tmp_path / "nowhere") == History({})


def test_a_long_history_costs_no_time(tmp_path: Path) -> None:
    path = store(tmp_path, "2026-01-01", 0, cell_id="c", busy_s=1.0)
    for number in range(1, NEWEST + 100):
        other = path.parent.parent / str(number)
        other.mkdir()
        (other / path.name).write_bytes(path.read_bytes())
    begin = time.process_time()
    assert History.read(tmp_path).estimate("c") == Estimate(1.0, 5)
    assert time.process_time() - begin < 1


def test_an_estimate_says_where_it_comes_from() -> None:
    made = cell(0, "a")
    scenario = made.settings.scenario
    (entry,) = plan([made]).entries
    assert entry.estimate.ground == "scenario"
    assert entry.estimate.seconds == 3 * (0.5 + 2 + 0.5 + PROCESS_START_S) and scenario.processes == 3
    profiled = with_settings(made, scenario=replace(scenario, profile_runs=1))
    more_s = plan([profiled]).entries[0].estimate.seconds - entry.estimate.seconds
    assert more_s == pytest.approx(LONGEST_PROFILE_S + PROCESS_START_S)
    history = History({(made.id, None): [7.0, 9.0], (made.id, "a"): [9.0]})
    known = plan([made], history)
    assert known.entries[0].estimate == Estimate(8.0, 2) and known.entries[0].estimate.ground == "history (2)"
    assert (known.seconds(known.entries[0], "a"), known.seconds(known.entries[0], "b")) == (9.0, 8.0)


def test_more_threads_than_cores_are_skipped() -> None:
    made = cell(0, "a")
    device = replace(made.settings.device, cores=4)
    cells = [with_settings(replace(made, number=n), device=device, threads=n) for n in (4, 5)]
    fits, too_many = plan(cells).entries
    assert fits.skipped is None and fits.recipe is not None
    assert too_many.skipped == "threads 5 is more than the 4 cores of a (device.cores)"
    assert too_many.recipe is None


def test_more_threads_than_cpus_to_run_on_are_skipped() -> None:
    made = cell(0, "a")
    device = replace(made.settings.device, cores=4, cpus=[2, 3])
    fits, too_many = plan([with_settings(replace(made, number=n), device=device, threads=n) for n in (2, 3)]).entries
    assert fits.skipped is None
    assert too_many.skipped == "threads 3 is more than the CPUs it may use: 2, 3 (device.cpus)"


def test_a_runtime_that_does_not_execute_the_format_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "mine.tflite"
    path.write_bytes(b"....TFL3" + bytes(8))
    made = with_settings(cell(0, "a"), model=Model("mine", "file", path=str(path), weights="file"))
    runtime = made.settings.runtime
    only = with_settings(made, runtime=replace(runtime, name="onnxruntime"))
    system = with_settings(replace(made, number=1), runtime=replace(runtime, install="system"))
    auto = replace(made, number=2)
    reasons = [entry.skipped for entry in plan([only, system, auto]).entries]
    able = ", ".join(name for name, formats in RUNTIME_FORMATS.items() if "tflite" in formats)
    said = f"runtime onnxruntime does not execute tflite files, which this model is built as (use {able})"
    assert reasons == [said, None, None], "auto takes the first candidate that does, whoever installs it"


def test_a_delegate_that_no_candidate_has_is_skipped_with_what_they_have(tmp_path: Path) -> None:
    made = cell(0, "a")
    runtime = replace(made.settings.runtime, candidates=["litert", "onnxruntime"])
    asked = [("onnxruntime", "gpu"), ("auto", "npu"), ("auto", "cuda"), ("tensorrt", "gpu")]
    cells = [
        with_settings(replace(made, number=n), runtime=replace(runtime, name=name, delegate=delegate))
        for n, (name, delegate) in enumerate(asked)
    ]
    entries = plan(cells).entries
    able = ", ".join(name for name, delegates in DELEGATES.items() if "gpu" in delegates)
    assert entries[0].skipped == (
        f"runtime onnxruntime has no delegate gpu (onnxruntime has cuda, tensorrt, openvino; {able} has it)"
    )
    assert entries[1].skipped is None and entries[1].recipe is not None and entries[1].recipe.format == "tflite"
    assert entries[2].recipe is not None and entries[2].recipe.format == "onnx", "what the one that has it executes"
    assert "tensorrt has none" in str(entries[3].skipped)


def test_a_model_is_built_as_what_its_runtime_executes() -> None:
    made = cell(0, "a")
    formats = {}
    for number, name in enumerate(RUNTIME_FORMATS):
        runtime = replace(made.settings.runtime, name=name)
        (entry,) = plan([with_settings(replace(made, number=number), runtime=runtime)]).entries
        formats[name] = entry.recipe.format if entry.recipe else entry.skipped
    assert formats == {name: executed[0] for name, executed in RUNTIME_FORMATS.items()}


def test_equal_cells_run_once_and_two_thousand_are_planned_at_once() -> None:
    made = cell(0, "a")
    cells = [with_settings(replace(made, number=n), threads=1 + n % 100, seed=n // 200) for n in range(2000)]
    begin = time.process_time()
    planned = plan(cells)
    assert time.process_time() - begin < 3
    assert len(planned.entries) == 1000
    assert planned.duplicates[100] == 0 and planned.duplicates[1999] == 1899
    with pytest.raises(ConfigError, match="empty"):
        plan([])
