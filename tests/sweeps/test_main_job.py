"""The main job, as a user calls it: from the command line through a real SSH server to MLflow and the report."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.sshd import Sshd
from tests.sweeps.lab import Lab

pytestmark = pytest.mark.slow
StartSshd = Callable[..., Sshd]


def test_a_matrix_on_the_local_board(lab: Lab) -> None:
    lab.tracking = "mlflow"
    done = lab.run("-m", "model=digits", "optimization=none,int8")
    assert done.status == 0, done.text
    assert [r["status"] for r in done.results()] == ["done", "done"]
    assert "vs none" in done.text and "int8" in done.text and "XNNPACK" in done.text
    assert done.sweep is not None
    assert {p.name for p in done.sweep.glob("comparison.*")} == {
        f"comparison.{e}" for e in ("html", "png", "md", "csv", "parquet")
    }
    files = {
        "config.yaml",
        "record.json",
        "samples.parquet",
        "log.txt",
        "result.json",
        "manifest.json",
        "delivered.json",
        ".hydra",
    }
    assert files <= {p.name for p in (done.sweep / "0").iterdir()}

    stored = lab.runs()
    parents = [run for run in stored if "mlflow.parentRunId" not in run.data.tags]
    children = [run for run in stored if "mlflow.parentRunId" in run.data.tags]
    assert len(parents) == 1
    assert len(children) == 2
    assert {run.info.status for run in stored} == {"FINISHED"}
    assert {run.data.params["optimization"] for run in children} == {"none", "int8"}
    for run in children:
        assert run.data.metrics["latency/median_ms"] > 0
        assert run.data.params["runtime"] == "litert"
        assert run.data.tags["verdict"] in ("valid", "suspect", "invalid")
        assert "energy/per_inference_mj" not in run.data.metrics or run.data.tags["energy.source"]


def test_the_second_sweep_builds_nothing_and_sends_nothing(lab: Lab) -> None:
    first = lab.run("model=digits", "optimization=int8")
    second = lab.run("model=digits", "optimization=int8")
    assert (first.status, second.status) == (0, 0), first.text + second.text
    assert "sending" in first.log()
    assert "sending" not in second.log()
    assert "unpacking" not in second.log()
    assert second.sweep != first.sweep
    outputs = [done.results()[0]["measurement"]["tags"]["artifact.sha256"] for done in (first, second)]
    assert outputs[0] == outputs[1]


def test_two_bare_boards_through_openssh(lab: Lab, start_sshd: StartSshd) -> None:
    """No runtime on them, nothing written beside their work folder, and both at the same time."""
    folders = [lab.add(name, start_sshd()) for name in ("north", "south")]
    done = lab.run("-m", "device=north,south", "model=digits", "optimization=none,int8")
    assert done.status == 0, done.text
    assert len(done.results()) == 4
    for folder in folders:
        assert {"blobs", "envs", "jobs"} <= {p.name for p in folder.iterdir()}
    spans = {r["axes"]["device"]: (r["started_s"], r["ended_s"]) for r in done.results() if r["number"] in (0, 2)}
    assert spans["north"][0] < spans["south"][1] and spans["south"][0] < spans["north"][1], "one after the other"
    kept = {p.name for p in lab.home.iterdir()} - {".keras"}  # the build process's own: Keras keeps its settings there
    assert kept == {".ssh"}
    assert list((lab.home / ".ssh").iterdir()) == []


def test_a_users_own_file(lab: Lab) -> None:
    own = Path(__file__).parent.parent / "remote" / "data"
    model = sorted(own.glob("*.tflite"))[0]
    done = lab.run("model=file", f"model.path={model}")
    assert done.status == 0, done.text
    assert done.results()[0]["axes"]["model"] == model.stem


def test_an_impossible_combination_is_skipped_with_its_reason(lab: Lab) -> None:
    model = sorted((Path(__file__).parent.parent / "remote" / "data").glob("*.tflite"))[0]
    done = lab.run("-m", "model=file", f"model.path={model}", "optimization=none,pruned")
    assert done.status == 0, done.text
    assert [r["status"] for r in done.results()] == ["done", "skipped"]
    assert "does not say how it was trained" in done.results()[1]["reason"]
    assert "does not say how it was trained" in done.text


def test_duplicates_run_once(lab: Lab) -> None:
    done = lab.run("-m", "model=digits", "threads=1,1")
    assert done.status == 0, done.text
    assert len(done.results()) == 1


def test_a_dry_run_touches_nothing(lab: Lab) -> None:
    lab.add("away", Away())  # type: ignore[arg-type]
    done = lab.run("-m", "device=away,local", "model=digits", "optimization=none,int8", "dry_run=true")
    assert done.status == 0, done.text
    assert "4 cells to run" in done.text
    assert list(lab.root.iterdir()) == []


class Away:
    """A server that is not there."""

    port = 9
    user_key = Path("/nowhere/key")

    def pin(self, path: Path) -> Path:
        return path


def test_stored_sweeps_are_compared_again(lab: Lab) -> None:
    lab.run("-m", "model=digits", "optimization=none,int8")
    again = lab.finish(lab.start("compare", "last", "--output", str(lab.folder / "out")))
    assert again.status == 0, again.text
    assert "int8" in again.text
    assert (lab.folder / "out" / "comparison.html").is_file()
    stored = lab.last()
    assert stored is not None
    a_hundred_times_faster(stored / "1" / "result.json")
    other = lab.finish(lab.start("reproduce", str(stored / "1"), "dry_run=true"))
    assert (other.status, lab.last()) == (0, stored), other.text
    new = lab.finish(lab.start("reproduce", f"{stored.name}:1"))
    assert new.status == 3, new.text
    assert "differs: +" in new.text and new.sweep != stored
    (result,) = new.results()
    assert result["cell_id"] == json.loads((stored / "1" / "result.json").read_text())["cell_id"]
    assert new.sweep is not None
    told = json.loads((new.sweep / "reproduction.json").read_text())
    assert told["outcome"] == "differs" and told["low"] > 1.5
    assert [one["differs"] for one in told["conditions"] if one["name"] in ("artifact", "runtime version")] == [
        False
    ] * 2
    assert json.loads((new.sweep / "sweep.json").read_text())["reproduces"].endswith(":1")


def a_hundred_times_faster(path: Path) -> None:
    """As if the stored cell had been measured on a far better day, which no noise of two processes can hide."""
    data = json.loads(path.read_text())
    measurement = data["measurement"]
    ms = min(measurement["process_medians_ms"]) / 100
    measurement["process_medians_ms"] = [ms, ms * 1.001]
    measurement["verdict"]["level"] = "valid"
    path.write_text(json.dumps(data))


def test_compare_without_any_sweep_says_so(lab: Lab) -> None:
    done = lab.finish(lab.start("compare"))
    assert done.status == 1
    assert "there is no sweep" in done.text and "Traceback" not in done.text


def test_a_runtime_that_the_board_already_has(lab: Lab, tmp_path: Path) -> None:
    """``runtime.install=system`` uses the board's own packages and sends none."""
    pushed = lab.run("model=digits")
    assert pushed.status == 0, pushed.text
    env = next((lab.home / ".cache" / "edge-orchestrator" / "envs").iterdir())
    python = tmp_path / "board-python"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", python], check=True)
    site = next(python.glob("lib/python*/site-packages"))
    (site / "runtime.pth").write_text(f"{env}\n")
    shutil.rmtree(lab.home / ".cache" / "edge-orchestrator" / "blobs")
    done = lab.run("model=digits", "runtime=litert", "runtime.install=system", f"device.python={python}/bin/python")
    assert done.status == 0, done.text
    assert "unpacking" not in done.log()
    missing = lab.run("model=digits", "runtime=litert", "runtime.install=system")
    assert missing.status == 2
    assert "ai_edge_litert" in missing.text and "Traceback" not in missing.text
