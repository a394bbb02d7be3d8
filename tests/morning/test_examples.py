"""The lab that strangers copy works as it is."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from orchestrator import config
from orchestrator.unattended import seconds_of
from tests.config.composing import jobs

ROOT = Path(__file__).parent.parent.parent
LAB = ROOT / "examples" / "lab"
NIGHTLY = yaml.safe_load((LAB / "experiment" / "nightly.yaml").read_text())
SYSTEMD = shutil.which("systemd-analyze")


def unit(name: str) -> configparser.RawConfigParser:
    parsed = configparser.RawConfigParser(strict=False, delimiters=("=",), comment_prefixes=("#",))
    parsed.optionxform = str  # type: ignore[assignment,method-assign]
    parsed.read_string((LAB / "systemd" / name).read_text())
    return parsed


@pytest.mark.parametrize("path", sorted((*LAB.rglob("*.yaml"), *LAB.rglob("*.yml"))), ids=lambda path: path.name)
def test_every_yaml_file_parses(path: Path) -> None:
    assert isinstance(yaml.safe_load(path.read_text()), dict)


def test_the_plan_composes(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(tmp_path), "ORCHESTRATOR_HOME": str(tmp_path)}
    words = ["--config-dir", str(LAB), "-m", "+experiment=nightly", "dry_run=true"]
    done = subprocess.run(
        [sys.executable, "-m", "orchestrator", *words], capture_output=True, text=True, env=environment, cwd=tmp_path
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "20 cells to run on 3 boards" in done.stdout


def test_its_boards_are_as_the_files_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORCHESTRATOR_LAB", "")
    config.take_lab(["--config-dir", str(LAB)])
    pi4, jetson = (job.cell.settings.device for job in jobs(tmp_path, ["device=pi4"], ["device=jetson"]))
    assert len(pi4.hosts) == 2 and set(pi4.power_switch.addresses) == set(pi4.hosts)
    assert pi4.power_switch.kind == "shelly" and pi4.recovery.reboot == ["sudo", "-n", "reboot"]
    assert jetson.power_switch.kind == "none"


@pytest.mark.skipif(SYSTEMD is None, reason="no systemd here")
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    for path in (LAB / "systemd").iterdir():
        text = re.sub(r"(?<=ExecStart=)\S+", sys.executable, path.read_text())  # the real one is not on this machine
        (tmp_path / path.name).write_text(text.replace("User=edge", "User=root").replace("Group=edge", "Group=root"))
    for path in sorted(tmp_path.iterdir()):
        done = subprocess.run([SYSTEMD, "verify", "--man=no", str(path)], capture_output=True, text=True)  # type: ignore[list-item]
        about_ours = [line for line in done.stderr.splitlines() if "edge-nightly" in line]
        assert not about_ours, done.stderr


def test_the_service_outlasts_the_budget_and_takes_findings_for_what_they_are() -> None:
    service, timer = unit("edge-nightly.service")["Service"], unit("edge-nightly.timer")["Timer"]
    assert seconds_of(service["TimeoutStartSec"]) > seconds_of(NIGHTLY["budget"])
    assert service["SuccessExitStatus"] == "2 3" and service["User"] == "edge"
    assert service["ProtectSystem"] == "strict" and service["StateDirectory"] == "edge"
    assert timer["Persistent"] == "true" and "RandomizedDelaySec" in timer
    minutes = yaml.safe_load((LAB / "github" / "nightly.yml").read_text())["jobs"]["night"]["timeout-minutes"]
    assert minutes * 60 > seconds_of(NIGHTLY["budget"])


def test_the_workflow_runs_for_nobody_elses_changes() -> None:
    workflow = yaml.safe_load((LAB / "github" / "nightly.yml").read_text())
    assert set(workflow[True]) == {"schedule", "workflow_dispatch"}  # YAML reads the key "on" as true
    assert workflow["permissions"] == {"contents": "read"}


@pytest.mark.parametrize("status", ["0", "2", "3", "1", "130", ""])
def test_the_workflow_fails_on_what_got_worse(status: str) -> None:
    workflow = yaml.safe_load((LAB / "github" / "nightly.yml").read_text())
    judge = workflow["jobs"]["night"]["steps"][-1]["run"]
    done = subprocess.run(["bash", "-e", "-c", judge], env={**os.environ, "STATUS": status}, capture_output=True)
    assert done.returncode == {"0": 0, "2": 0, "3": 3}.get(status, 1)


def test_the_workflow_shows_only_the_report_of_its_own_night(tmp_path: Path) -> None:
    steps = yaml.safe_load((LAB / "github" / "nightly.yml").read_text())["jobs"]["night"]["steps"]
    home, temporary = tmp_path / "home", tmp_path / "temporary"
    for folder, text in (("old", "yesterday"), ("new", "tonight")):
        (home / "multirun" / folder).mkdir(parents=True)
        (home / "multirun" / folder / "morning.md").write_text(text)
    (temporary / "morning").mkdir(parents=True)
    (temporary / "began").touch()
    os.utime(home / "multirun" / "old" / "morning.md", (1, 1))
    os.utime(temporary / "began", (2, 2))
    summary = tmp_path / "summary"
    names = {"ORCHESTRATOR_HOME": str(home), "RUNNER_TEMP": str(temporary), "GITHUB_STEP_SUMMARY": str(summary)}
    subprocess.run(["bash", "-e", "-c", steps[1]["run"]], env={**os.environ, **names}, check=True)
    assert summary.read_text() == "tonight"


def test_the_line_of_cron_is_one() -> None:
    lines = [line for line in (LAB / "cron" / "edge-nightly").read_text().splitlines() if not line.startswith("#")]
    assert [bool(re.match(r"[A-Z_]+=", line)) for line in lines] == [True] * (len(lines) - 1) + [False]
    *when, user, command = lines[-1].split(" ", 6)
    assert len(when) == 5 and user == "edge" and "%" not in command  # cron takes a percent sign for the end of the line
    subprocess.run(["sh", "-n", "-c", command], check=True)


def test_what_the_readme_names_is_there() -> None:
    text = (LAB / "README.md").read_text()
    for name in re.findall(r"^\| `([\w./]+)`", text, re.MULTILINE):
        assert (LAB / name).exists(), name
    assert '"examples"' in (ROOT / "pyproject.toml").read_text()
