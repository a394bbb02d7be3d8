"""Nights on real boards: what got slower is run again beside what was good, boards die and come back, time runs out."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.sshd import SSHD, Sshd, needs_sshd
from tests.sweeps.lab import Done, Lab

pytestmark = pytest.mark.slow
StartSshd = Callable[..., Sshd]
SHIPPED = Path(__file__).parent.parent.parent / "orchestrator" / "checkup" / "shipped" / "model.tflite"
NIGHT = ("night.enabled=true", "gate.threshold=0.5", "gate.rerun_processes=3")


@pytest.fixture
def slow_model(lab: Lab) -> Path:
    """Many times slower than the digits."""
    done = lab.run("-m", "model=mlperf_tiny_ds_cnn", "optimization=none", "tracking=none")
    assert done.status == 0, done.text
    manifest = json.loads((done.sweep / "0" / "manifest.json").read_text())  # type: ignore[operator]
    return lab.cache / "edge-orchestrator" / "artifacts" / str(manifest["key"]) / "model.tflite"


def gate_of(done: Done) -> dict[str, dict[str, Any]]:
    assert done.sweep is not None, done.text
    return {one["metric"]: one for one in json.loads((done.sweep / "gate.json").read_text())["decisions"]}


def test_a_model_that_gets_slower_is_named_with_its_night_until_somebody_accepts_it(
    lab: Lab, slow_model: Path, tmp_path: Path
) -> None:
    lab.tracking = "mlflow"
    model = tmp_path / "mine.tflite"
    shutil.copyfile(SHIPPED, model)
    words = ("-m", "model=file", f"model.path={model}", "quality.samples=0", *NIGHT)
    for _ in range(3):
        done = lab.run(*words)
        assert done.status == 0, done.text
        assert "no history yet" in done.text
    good = json.loads((done.sweep / "0" / "result.json").read_text())["measurement"]["tags"]  # type: ignore[operator]
    shutil.copyfile(slow_model, model)
    slow = lab.run(*words)
    assert slow.status == 3, slow.text
    found = gate_of(slow)["latency/median_ms"]
    assert found["outcome"] == "regression" and "against the last good one beside it" in found["why"]
    assert found["since"] == json.loads((slow.sweep / "sweep.json").read_text())["id"]  # type: ignore[operator]
    assert found["changed"][0].startswith("artifact ")
    assert slow.sweep is not None
    sides = {
        side: json.loads((slow.sweep / "rerun" / f"0-{side}" / "result.json").read_text())["measurement"]
        for side in ("now", "last-good")
    }
    assert sides["last-good"]["tags"]["artifact.sha256"] == good["artifact.sha256"]
    assert sides["now"]["tags"]["artifact.sha256"] != good["artifact.sha256"]
    assert len(sides["now"]["process_medians_ms"]) == len(sides["last-good"]["process_medians_ms"]) == 3
    assert len(slow.results()) == 1, "a re-run is no cell of the sweep"
    assert "1 regression, 1 of 1 cell" in (slow.sweep / "morning.html").read_text()

    still = lab.run(*words)
    assert still.status == 3 and not (still.sweep / "rerun").exists(), still.text  # type: ignore[operator]
    assert gate_of(still)["latency/median_ms"]["outcome"] == "open"
    assert "latency/median_ms" in lab.finish(lab.start("gate", "list")).text
    accepted = lab.finish(lab.start("gate", "accept", "--all", "--why", "a larger model"))
    assert accepted.status == 0 and "accepted" in accepted.text
    calm = lab.run(*words)
    assert calm.status == 0, calm.text
    assert lab.finish(lab.start("gate", "list")).text.strip() == "no alarm is open"
    for sweep in sorted(lab.root.glob("multirun/*/*/gate.json")):
        replayed = lab.finish(lab.start("gate", "replay", str(sweep.parent)))
        assert replayed.status == 0 and "the same" in replayed.text, replayed.text
    in_mlflow(lab, calm)


def in_mlflow(lab: Lab, last: Done) -> None:
    """A run of the cell's history has a step for each of six nights; the last night is on its parent run."""
    from mlflow import MlflowClient

    runs = lab.runs()
    (trend,) = [run for run in runs if run.data.tags.get("sweep.role") == "history"]
    client = MlflowClient(f"sqlite:///{lab.root / 'mlflow.db'}")
    points = client.get_metric_history(trend.info.run_id, "latency/median_ms")
    assert [point.step for point in sorted(points, key=lambda p: p.step)] == [1, 2, 3, 4, 5, 6]
    assert trend.info.run_name.startswith("history: local/mine/none on local")
    parents = [run for run in runs if run.data.tags.get("sweep.role") == "sweep"]
    assert len(parents) == 6
    newest = max(parents, key=lambda run: run.info.start_time)
    assert "All well" in newest.data.tags["mlflow.note.content"]
    names = {file.path for file in client.list_artifacts(newest.info.run_id)}
    assert {"morning.html", "morning.md", "junit.xml", "gate.json"} <= names
    cells = [run for run in runs if run.data.tags.get("sweep.role") == "cell"]
    assert len(cells) == 6, "re-runs are no cells"


@needs_sshd
def test_a_board_that_dies_leaves_its_cells_to_its_sister_and_is_named(lab: Lab, start_sshd: StartSshd) -> None:
    dying, sister = start_sshd(), start_sshd()
    pool(lab, dying, sister, recovery={"wait_s": 0})
    process = lab.start(*CELLS, "night.enabled=true", "gate.enabled=false")
    lab.wait_for(rf"127.0.0.1:{dying.port}: rack/digits/\w+(, process \d of 4)?: measuring")
    dying.stop()
    done = lab.finish(process)
    assert done.status == 0, done.text
    assert {result["board"] for result in done.results()} == {f"127.0.0.1:{sister.port}"}
    (board,) = [one for one in health(lab) if one["board"].endswith(str(dying.port))]
    assert board["health"] == "bad" and "does not answer" in board["reason"]
    assert sum(event["kind"] == "failed" for event in board["events"]) >= 3
    page = (done.sweep / "morning.md").read_text()  # type: ignore[operator]
    assert "1 board needs a hand" in page and str(dying.port) in page


@needs_sshd
def test_a_board_is_brought_back_by_its_power_switch_as_often_as_is_allowed(lab: Lab, start_sshd: StartSshd) -> None:
    server = start_sshd()
    switch = lab.folder / "switch.py"
    switch.write_text(
        "import pathlib, subprocess, sys\n"
        f"folder = pathlib.Path({str(server.folder)!r})\n"
        "folder.joinpath('orders').open('a').write(sys.argv[1] + '\\n')\n"
        "if sys.argv[1] == 'on':\n"
        f"    subprocess.run({[str(SSHD), '-f', str(server.folder / 'config')]!r}, check=True)\n"
    )
    settings = {
        "power_switch": {
            "kind": "command",
            "turn_on": [sys.executable, str(switch), "on"],
            "turn_off": [sys.executable, str(switch), "off"],
            "off_s": 0,
        },
        "recovery": {"wait_s": 0, "boot_s": 30, "per_hour": 1},
    }
    lab.add("rack", server, **settings)
    try:
        off_and_on(lab, server)
    finally:
        unplug(server)


def unplug(server: Sshd) -> None:
    """The daemon that the switch has started, and who is logged in there."""
    server.stop()
    pid = server.folder / "pid"
    if pid.is_file():
        subprocess.run(["pkill", "-KILL", "-P", pid.read_text().strip()], check=False)
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid.read_text()), signal.SIGKILL)
        pid.unlink()


def off_and_on(lab: Lab, server: Sshd) -> None:
    process = lab.start(*CELLS, "night.enabled=true", "gate.enabled=false")
    lab.wait_for(": measuring")
    unplug(server)
    done = lab.finish(process)
    assert done.status == 0, done.text
    assert [result["status"] for result in done.results()] == ["done", "done"]
    assert (server.folder / "orders").read_text().split() == ["off", "on"]
    (board,) = health(lab)
    assert board["health"] == "good"
    assert [e["why"] for e in board["events"] if e["kind"] == "recovery"] == ["power-cycled"]
    unplug(server)
    again = lab.run("-m", "device=rack", "model=digits", "device.connect_timeout_s=1", "night.enabled=true")
    assert again.status == 2 and "1 recoveries in the last hour" in again.text, again.text
    assert (server.folder / "orders").read_text().split() == ["off", "on"]


def test_a_budget_lists_what_it_does_not_reach_and_the_rest_can_be_run_later(lab: Lab) -> None:
    """By the scenario each cell takes ten seconds; the one that comes first is begun."""
    words = ("-m", "model=digits", "optimization=none,int8,float16", "first=[{optimization: float16}]")
    assert lab.run(*words).status == 0, "all is built then"
    words = (
        *words,
        "scenario.processes=2",
        "scenario.window_s=4.5",
        "scenario.energy_s=0",
        "budget=20s",
        "interleave=1",
    )
    done = lab.finish(lab.start(*words))
    assert done.status == 2, done.text
    by_optimization = {result["axes"]["optimization"]: result for result in done.results()}
    assert by_optimization["float16"]["status"] == "done"
    assert {by_optimization[name]["status"] for name in ("none", "int8")} == {"not run"}
    assert "the budget of 20s was spent" in by_optimization["none"]["reason"]
    rest = lab.finish(lab.start("resume=last", "budget=10m"))
    assert rest.status == 0, rest.text
    assert {result["status"] for result in rest.results()} == {"done"}


def test_one_night_at_a_time_and_what_it_needs_is_there_before_it_begins(lab: Lab) -> None:
    first = lab.start("-m", "model=digits", "night.enabled=true", "scenario.window_s=5")
    lab.wait_for("measuring")
    second = lab.finish(lab.start("-m", "model=digits", "night.enabled=true"))
    assert second.status == 1 and "another night runs" in second.text, second.text
    first.send_signal(signal.SIGINT)
    done = lab.finish(first)
    assert done.status == 130 and (done.sweep / "morning.html").is_file()  # type: ignore[operator]
    for words, said in (
        (("night.webhook_env=NOT_SET_AT_ALL",), "NOT_SET_AT_ALL (night.webhook_env) is not set"),
        (("gate.pinned=nonsense",), "gate.pinned=nonsense"),
        (("budget=six",), "a number and s, m or h"),
        (("first=[{devize: pi4}]",), "devize"),
    ):
        refused = lab.finish(lab.start("-m", "model=digits", "night.enabled=true", *words))
        assert refused.status == 1 and said in refused.text, refused.text


CELLS = (
    *("-m", "device=rack", "model=digits", "optimization=none,int8", "scenario.processes=4"),
    *(
        "scenario.window_s=0.5",
        "scenario.warmup_s=0.05",
        "scenario.energy_s=0",
        "device.connect_timeout_s=2",
        "device.reconnect_s=2",
    ),
)


def pool(lab: Lab, *servers: Sshd, **settings: object) -> None:
    """One device with a board on each server, in two work folders."""
    lab.add("rack", servers[0], **settings)
    path = lab.folder / "lab" / "device" / "rack.yaml"
    device = yaml.safe_load(path.read_text())
    key = servers[0].user_key.with_suffix(".pub").read_text()
    for server in servers[1:]:
        (server.folder / "authorized_keys").write_text(key)
        known = Path(device["known_hosts"])
        known.write_text(known.read_text() + server.pin(lab.folder / f"known_{server.port}").read_text())
    device["hosts"] = [f"127.0.0.1:{server.port}" for server in servers]
    device["workdir"] += " {board}"
    device["hold"] += "-{board}"
    path.write_text(yaml.safe_dump(device))


def health(lab: Lab) -> list[dict[str, Any]]:
    done = lab.finish(lab.start("board", "health", "device=rack", "--json"))
    found: list[dict[str, Any]] = json.loads(done.text)
    return found
