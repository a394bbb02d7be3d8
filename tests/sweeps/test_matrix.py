"""The matrix from the command line: rules, presets, an empty one, and a study that chooses its own cells."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from tests.sweeps.lab import Lab

pytestmark = pytest.mark.slow
OWN = """\
# @package _global_
threads: 2
exclude: [{model: digits, optimization: int8}, {device: jetson}]
include: [{model: digits, optimization: dynamic_range}]
hydra: {sweeper: {params: {model: "mobilenetv2,digits", optimization: "none,int8"}}}
"""


def preset(lab: Lab, name: str) -> None:
    path = lab.folder / "lab" / "experiment" / f"{name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(OWN)


def test_a_preset_of_the_lab_wins_and_its_rules_hold(lab: Lab) -> None:
    preset(lab, "nightly")
    done = lab.run("-m", "experiment=nightly", "dry_run=true")
    assert done.status == 0, done.text
    assert "4 cells to run" in done.text and "threads 2" in done.text
    assert "excluded 1 cell by the rule {model: digits, optimization: int8}" in done.text
    assert done.text.count("matched no cell: {device: jetson}") == 1
    assert done.sweep is None
    other = lab.run("-m", "+experiment=nightly", "optimization=none", "dry_run=true")
    assert "3 cells to run" in other.text, other.text


def test_included_cells_come_once_and_later_batches_are_numbered_behind_them(lab: Lab) -> None:
    done = lab.run("-m", "threads=1,2", "include=[{threads: 4}]", "hydra.sweeper.max_batch_size=1", "dry_run=true")
    assert done.status == 0, done.text
    rows = re.findall(r"^(\d+) +local +mobilenetv2 +none +(\d)\b", done.text, re.MULTILINE)
    assert rows[:2] == [("0", "1"), ("1", "4")] and [number for number, _ in rows] == ["0", "1", "2"], done.text
    assert "threads 2" in done.text and "is the same" not in done.text


def test_an_empty_matrix_is_refused_with_the_reasons(lab: Lab) -> None:
    model = sorted((Path(__file__).parent.parent / "remote" / "data").glob("*.tflite"))[0]
    done = lab.run(
        "-m", "model=file", f"model.path={model}", "optimization=none,pruned", "exclude=[{optimization: none}]"
    )
    assert done.status == 1, done.text
    assert "the matrix is empty" in done.text
    assert "1 cell excluded: {optimization: none}" in done.text and "does not say how it was trained" in done.text
    assert list(lab.root.iterdir()) == []


def test_a_study_is_one_sweep_and_measures_no_point_twice(lab: Lab) -> None:
    """Eight trials in four launches; of three points one is excluded, and one was measured before it is asked for."""
    lab.tracking = "mlflow"
    done = lab.run(
        *("-m", "hydra/sweeper=optuna", "hydra.sweeper.n_trials=8", "hydra.sweeper.sampler.seed=3", "model=digits"),
        *("threads=choice(1,2,3)", "exclude=[{threads: 3}]", "include=[{threads: 1}]"),
    )
    assert done.status == 0, done.text
    assert not any(noise in done.text for noise in ("Traceback", "new study", "Warning", "Failed experiment"))
    threads = [r["axes"]["threads"] for r in done.results()]
    assert sorted(threads) == ["1", "2"] and "its result counts again" in done.text
    assert done.sweep is not None
    best = yaml.safe_load((done.sweep / "optimization_results.yaml").read_text())
    assert best["best_value"] == min(r["measurement"]["metrics"]["latency/median_ms"] for r in done.results())
    assert f"best      threads={best['best_params']['threads']}   (latency/median_ms=" in done.text
    (excluded,) = json.loads((done.sweep / "sweep.json").read_text())["excluded"].items()
    assert excluded[0] == "{threads: 3}" and excluded[1] >= 1
    runs = lab.runs()
    assert len([run for run in runs if "mlflow.parentRunId" not in run.data.tags]) == 1 and len(runs) == 3
