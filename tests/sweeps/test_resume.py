"""A controller that was killed at any moment: who goes on with its sweep takes home what waits, and runs the rest."""

from __future__ import annotations

import hashlib
import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.sshd import Sshd
from tests.sweeps.lab import TINY, Done, Lab

pytestmark = pytest.mark.slow
StartSshd = Callable[..., Sshd]
TWO = ("-m", "device=rack", "model=digits", "optimization=none,int8", *TINY)


def hold_of(lab: Lab) -> str:
    """One for each test: the hold of a killed controller lasts for some minutes."""
    return hashlib.sha256(str(lab.folder).encode()).hexdigest()[:32]


def killed(lab: Lab, at: str, *words: str) -> Path:
    """Start a sweep and kill its controller as soon as its log says so; its folder."""
    process = lab.start(*words)
    try:
        lab.wait_for(at)
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    sweep = lab.last()
    assert sweep is not None
    assert json.loads((sweep / "sweep.json").read_text())["status"] == "running"
    return sweep


def go_on(lab: Lab) -> Done:
    """As a person would, who remembers nothing of the command line."""
    return lab.finish(lab.start("resume=last"))


def started(workdir: Path) -> list[str]:
    """The jobs that ever ran on the board."""
    return sorted(path.parent.name for path in workdir.glob("jobs/*/job.json"))


def numbers(record: dict[str, Any]) -> list[int]:
    return [process["number"] for process in record["processes"]]


def test_what_ran_on_without_a_controller_is_not_run_again(lab: Lab, start_sshd: StartSshd) -> None:
    """Its record is on the board only: nobody was there to take it."""
    workdir = lab.add("rack", start_sshd(), hold=hold_of(lab))
    words = ("-m", "device=rack", "model=digits", "scenario.processes=1", "scenario.window_s=2", "scenario.energy_s=0")
    sweep = killed(lab, "measuring", *words)
    (run_id,) = started(workdir)
    done = go_on(lab)
    assert done.status == 0, done.text
    assert started(workdir) == [run_id]
    assert json.loads((sweep / "0" / "record.json").read_text())["run_id"] == run_id
    assert "1 record collected from before" in done.text
    assert (workdir / "jobs" / run_id / "taken").exists()


def test_what_has_its_result_is_left_alone_and_what_had_bad_luck_is_tried_again(
    lab: Lab, start_sshd: StartSshd
) -> None:
    server = start_sshd()
    lab.add("rack", server, hold=hold_of(lab))
    lab.add("away", server, hosts=["127.0.0.1:1"], connect_timeout_s=1)
    lab.tracking = "mlflow"
    words = ("-m", "device=rack,away", "model=digits")
    first = lab.run(*words)
    assert first.status == 2, first.text
    kept = first.by_device()["rack"]
    lab.add("away", server)  # somebody has switched it on
    again = lab.run(*words, "resume=last")
    assert again.status == 0, again.text
    assert "1 of 2 cells have their result from before" in again.text
    results = again.by_device()
    assert results["rack"] == kept
    assert (results["away"]["status"], results["away"]["attempt"]) == ("done", 2)
    assert len(list((again.sweep or Path()).glob("1/earlier/*.json"))) == 1, "nothing is lost"
    runs = [run for run in lab.runs() if run.data.tags["sweep.role"] == "cell"]
    assert sorted(run.info.status for run in runs) == ["FINISHED", "FINISHED"], "a cell has one result"
    (parent,) = [run for run in lab.runs() if run.data.tags["sweep.role"] == "sweep"]
    assert parent.info.status == "FINISHED"
    once_more = lab.run(*words, "resume=last")
    assert once_more.status == 0 and "2 of 2 cells have their result" in once_more.text
    assert once_more.by_device() == results


def test_another_configuration_is_refused_by_its_keys(lab: Lab, start_sshd: StartSshd) -> None:
    workdir = lab.add("rack", start_sshd(), hold=hold_of(lab))
    killed(lab, "process 1 of 2", *TWO)
    before = started(workdir)
    changed = lab.finish(lab.start(*TWO, "scenario.window_s=0.3", "resume=last"))
    assert changed.status == 1
    assert "cell 0 had another scenario.window_s" in changed.text and "give the command line" in changed.text
    assert started(workdir)[: len(before)] == before
    assert "there is no sweep" in lab.finish(lab.start("resume=20200101")).text


def test_a_sweep_that_still_runs_is_not_taken_over(lab: Lab, start_sshd: StartSshd) -> None:
    lab.add("rack", start_sshd(), hold=hold_of(lab))
    process = lab.start(*TWO[:4], "scenario.processes=1", "scenario.window_s=4", "scenario.energy_s=0")
    lab.wait_for("measuring")
    second = go_on(lab)
    assert second.status == 1 and "still runs, as process" in second.text
    assert lab.finish(process).status == 0


def test_an_interrupted_sweep_goes_on_with_the_processes_that_it_had(lab: Lab, start_sshd: StartSshd) -> None:
    lab.add("rack", start_sshd(), hold=hold_of(lab))
    words = (
        "-m",
        "device=rack",
        "model=digits",
        "optimization=none,int8",
        "scenario.processes=3",
        "scenario.energy_s=0",
    )
    process = lab.start(*words)
    lab.wait_for("process 2 of 3")
    process.send_signal(signal.SIGINT)
    first = lab.finish(process)
    assert first.status == 130, first.text
    assert first.sweep is not None
    kept = {path.stem for path in first.sweep.glob("*/turns/*.json")}
    assert kept
    done = go_on(lab)
    assert done.status == 0, done.text
    for number in (0, 1):
        assert numbers(json.loads((first.sweep / str(number) / "record.json").read_text())) == [1, 2, 3]
    log = "".join((first.sweep / str(number) / "log.txt").read_text() for number in (0, 1))
    assert all(f"--- {run_id}" in log for run_id in kept)


def test_what_it_cannot_go_on_with_is_refused_in_words(lab: Lab, start_sshd: StartSshd) -> None:
    lab.add("rack", start_sshd(), hold=hold_of(lab))
    killed(lab, "process 1 of 2", *TWO)
    fewer = lab.finish(lab.start(*TWO[:3], "optimization=none", *TINY, "resume=last"))
    assert fewer.status == 1 and "it has 1 cell more (1) without a result" in fewer.text
    lab.tracking = "mlflow"
    elsewhere = lab.finish(lab.start("resume=last", "tracking=mlflow"))
    lab.tracking = "none"
    assert elsewhere.status == 1 and "is tracked elsewhere" in elsewhere.text
    assert "names nothing" in lab.finish(lab.start("resume='")).text
    flagged = lab.finish(lab.start("-m", "resume=last"))
    assert flagged.status == 0, flagged.text
    assert [r["status"] for r in flagged.results()] == ["done", "done"]
