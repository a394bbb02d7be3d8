"""A wheel built from the project works where it is installed: configuration, board program and console script in it."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(PROJECT)]
    subprocess.run(command, check=True, capture_output=True, cwd=folder)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("installed")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder), str(wheel)]
    subprocess.run(command, check=True, capture_output=True)
    return folder


def run(installed: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    given = {k: v for k, v in os.environ.items() if not k.startswith("ORCHESTRATOR")}
    return subprocess.run(
        [sys.executable, str(installed / "bin" / "orchestrator"), *words],
        capture_output=True,
        text=True,
        cwd=installed.parent,
        env=given | {"PYTHONPATH": str(installed), "COLUMNS": "160", **environment},
    )


def test_what_is_in_it(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    shipped = {p.relative_to(PROJECT / "conf").as_posix() for p in (PROJECT / "conf").rglob("*.yaml")}
    assert {f"orchestrator/conf/{name}" for name in shipped} <= names
    assert {"remote/__main__.py", "hydra_plugins/edge_orchestrator/__init__.py"} <= names
    assert {
        "orchestrator/provisioning/runtimes.yaml",
        "orchestrator/report/report.css",
        "orchestrator/sanity.yaml",
    } <= names
    assert not any(name.startswith(("tests/", "benchmarks/")) for name in names)


def test_it_plans_from_its_own_files(installed: Path, tmp_path: Path) -> None:
    done = run(installed, "-m", "device=local,pi4", "dry_run=true", ORCHESTRATOR_HOME=str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 cells to run" in done.stdout
    wrong = run(installed, "threads=0", "device=pi5", ORCHESTRATOR_HOME=str(tmp_path))
    assert wrong.returncode == 1
    unknown = run(installed, "device=pi77", ORCHESTRATOR_HOME=str(tmp_path))
    assert str(installed / "orchestrator" / "conf") in unknown.stderr


@pytest.mark.slow
def test_it_measures(installed: Path, tmp_path: Path) -> None:
    model = next((PROJECT / "tests" / "remote" / "data").glob("tiny_float.tflite"))
    words = ["scenario.processes=1", "scenario.window_s=0.1", "scenario.warmup_s=0.05", "scenario.energy_s=0"]
    words.append(f"device.hold=test-{os.getpid()}")  # somebody may be using this machine's own board
    done = run(installed, "model=file", f"model.path={model}", "tracking=none", *words, ORCHESTRATOR_HOME=str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "tiny_float" in done.stdout
