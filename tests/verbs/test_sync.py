"""Stored sweeps are delivered where they belong, once, and none of them is in another's way."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator import alive, verbs
from orchestrator.cell import Tracking
from orchestrator.result import Sweep, find_sweep
from orchestrator.tracking import open_tracker, recalled, remembered
from tests.measurement.records import make_result, make_sweep

MLFLOW = {"kind": "mlflow", "experiment": "edge-orchestrator", "where": ""}


@pytest.fixture(autouse=True)
def no_server_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("COLUMNS", "300")


def dead_process() -> dict[str, str]:
    code = "import json; from orchestrator.alive import this_process; print(json.dumps(this_process()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    process: dict[str, str] = json.loads(done.stdout)
    return process


def place(root: Path, name: str, *, status: str = "finished", **fields: Any) -> Sweep:
    at = root / "multirun" / "2026-01-01" / name
    sweep = replace(make_sweep(at, id=f"id-{name}"), status=status, **{"tracking": MLFLOW, **fields})
    sweep.write()
    make_result(at, sweep_id=sweep.id)
    return sweep


def runs(root: Path, experiment: str) -> dict[str, str]:
    """Status of the runs by sweep and role."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from mlflow.tracking import MlflowClient

        client = MlflowClient(f"sqlite:///{root / 'mlflow.db'}")
        found = client.get_experiment_by_name(experiment)
        some = client.search_runs([found.experiment_id])
    return {f"{run.data.tags['sweep.id']} {run.data.tags['sweep.role']}": run.info.status for run in some}


def test_every_sweep_goes_where_it_belongs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place(tmp_path, "a", tracking={**MLFLOW, "experiment": "lab-x"})
    place(tmp_path, "b", tracking={**MLFLOW, "kind": "none"})
    place(tmp_path, "c", status="running", controller=alive.this_process())
    dead = place(tmp_path, "d", status="running", controller=dead_process())
    (place(tmp_path, "e").directory / "sweep.json").write_text("{")
    place(tmp_path, "f", tracking={**MLFLOW, "where": "http://***@lab:5000"})
    place(tmp_path, "g", status="running", controller={**alive.this_process(), "host": "other"})
    old = json.loads((place(tmp_path, "h").directory / "sweep.json").read_text())
    (tmp_path / "multirun/2026-01-01/h/sweep.json").write_text(
        json.dumps({k: v for k, v in old.items() if k not in ("tracking", "controller")})
    )

    assert verbs.sync(["--root", str(tmp_path)]) == 2
    said = dict(line.split(": ", 1) for line in capsys.readouterr().out.splitlines())
    assert said["a"].startswith("all in sqlite") and said["b"] == "not tracked (tracking=none)"
    assert said["c"] == "still running, and delivers its results itself"
    assert said["d"].startswith("all in sqlite")
    assert "cannot be read" in said["e"] and "(and not in its own http://***@lab:5000" in said["f"]
    assert "runs on other" in said["g"]
    assert runs(tmp_path, "lab-x") == {"id-a sweep": "FINISHED", "id-a cell": "FINISHED"}
    assert runs(tmp_path, "edge-orchestrator") == {
        "id-f sweep": "FINISHED",
        "id-f cell": "FINISHED",
        "id-d sweep": "KILLED",
        "id-d cell": "FINISHED",
        "id-h sweep": "FINISHED",
        "id-h cell": "FINISHED",
    }
    assert json.loads((dead.directory / "sweep.json").read_text())["status"] == "interrupted"

    # Nothing is left for these: nobody even looks at the store again.
    (tmp_path / "mlflow.db").unlink()
    named = [str(tmp_path / "multirun/2026-01-01" / name) for name in "abcdh"]
    assert verbs.sync(["--root", str(tmp_path), *named]) == 0
    assert capsys.readouterr().out.count(" already\n") == 3
    assert not (tmp_path / "mlflow.db").exists()


def test_a_summary_that_is_missing_is_delivered_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sweep = place(tmp_path, "a")
    assert verbs.sync(["--root", str(tmp_path)]) == 0
    (sweep.directory / "delivered.json").unlink()
    assert verbs.sync(["--root", str(tmp_path), "last"]) == 0
    assert "already" not in capsys.readouterr().out
    assert (sweep.directory / "delivered.json").is_file()


def test_which_address(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    kept = {"kind": "mlflow", "experiment": "x", "where": "http://lab:5000"}
    sweep = Sweep("s", tmp_path, 0.0, tracking=kept)
    assert recalled(sweep, None) == Tracking("mlflow", "http://lab:5000", "x")
    cut = replace(sweep, tracking={**kept, "where": "http://lab:5000/?***"})
    assert recalled(cut, None) == Tracking("mlflow", None, "x")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://env:1")
    assert recalled(cut, None).uri == "http://env:1"
    assert recalled(sweep, "http://given:1") == Tracking("mlflow", "http://given:1", "x")
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert recalled(Sweep("s", tmp_path, 0.0), None) == Tracking()


def test_what_is_remembered_has_no_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tracking = Tracking(uri="http://u:p@lab/?token=t", experiment="x")
    assert remembered(tracking, open_tracker(tracking, tmp_path)) == {
        "kind": "mlflow",
        "experiment": "x",
        "where": "http://***@lab/?***",
    }
    assert remembered(Tracking(), open_tracker(Tracking(), tmp_path))["where"] == ""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://env:1")
    assert remembered(Tracking(), open_tracker(Tracking(), tmp_path))["where"] == "http://env:1"


def test_which_processes_are_there() -> None:
    own = alive.this_process()
    assert alive.state_of(own) == alive.RUNNING
    assert alive.state_of({**own, "started": "1"}) == alive.GONE  # another one with the same id
    assert alive.state_of({**own, "boot_id": "x"}) == alive.GONE
    assert alive.state_of({**own, "pid": "?"}) == alive.GONE
    assert alive.state_of({**own, "host": "other"}) == alive.ELSEWHERE
    assert alive.state_of(dead_process()) == alive.GONE
    assert alive.state_of({}) == alive.GONE


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc")
def test_a_zombie_is_gone() -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    at = {**alive.this_process(), "pid": str(child.pid), "started": alive._started(child.pid)}
    assert alive.state_of(at) == alive.RUNNING
    child.kill()
    for _ in range(100):
        if alive.state_of(at) == alive.GONE:
            break
        time.sleep(0.02)
    assert alive.state_of(at) == alive.GONE
    child.wait()


def test_a_damaged_sweep_does_not_hide_the_others(tmp_path: Path) -> None:
    good = place(tmp_path, "a")
    (place(tmp_path, "b").directory / "sweep.json").write_text("{")
    assert find_sweep(tmp_path, "last") == good.directory
    assert find_sweep(tmp_path, "id-a") == good.directory
