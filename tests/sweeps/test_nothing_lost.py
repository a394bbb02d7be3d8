"""Every cell comes to exactly one result, whatever happens to boards, links, terminals and folders."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.sshd import Sshd, free_port
from tests.sweeps.lab import TINY, Lab

pytestmark = pytest.mark.slow
StartSshd = Callable[..., Sshd]


def test_a_pool_goes_on_without_its_dead_board(lab: Lab, start_sshd: StartSshd) -> None:
    server = start_sshd()
    hosts = [f"127.0.0.1:{free_port()}", f"127.0.0.1:{server.port}"]
    lab.add("rack", server, hosts=hosts, connect_timeout_s=1)
    done = lab.run("-m", "device=rack", "model=digits", "optimization=none,int8")
    assert done.status == 0, done.text
    assert {r["board"] for r in done.results()} == {hosts[1]}
    assert f"took no part: {hosts[0]}: " in done.text
    assert done.sweep is not None and list(json.loads((done.sweep / "sweep.json").read_text())["given_up"]) == [
        hosts[0]
    ]


def test_a_pool_of_dead_boards_fails_all_its_cells(lab: Lab, start_sshd: StartSshd) -> None:
    lab.add("rack", start_sshd(), hosts=[f"127.0.0.1:{free_port()}" for _ in range(2)], connect_timeout_s=1)
    done = lab.run("-m", "device=rack", "model=digits", "optimization=none,int8")
    assert done.status == 2, done.text
    assert [r["status"] for r in done.results()] == ["failed", "failed"]
    assert done.text.count(": given up: ") == 2
    assert len({r["error"]["log"] for r in done.results()}) == 2


def test_a_reader_that_goes_away_costs_no_result(lab: Lab) -> None:
    """As in ``... | head -1``."""
    process = lab.start("-m", "model=digits", "optimization=none,int8", *TINY)
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(120) == 0
    sweep = lab.last()
    assert sweep is not None
    assert len(list(sweep.glob("*/result.json"))) == 2


def test_a_terminal_without_unicode_costs_no_result(lab: Lab) -> None:
    lab.environment["PYTHONIOENCODING"] = "ascii"
    done = lab.run("model=digits")
    assert done.status == 0, done.text
    assert [r["status"] for r in done.results()] == ["done"]
    assert "Traceback" not in done.text


def test_a_folder_of_ones_own_and_a_second_sweep_into_it(lab: Lab) -> None:
    folder = lab.folder / "my runs é"
    first = lab.run("model=digits", f"hydra.sweep.dir='{folder}'")
    assert first.status == 0, first.text
    again = lab.run("model=digits", f"hydra.sweep.dir='{folder}'")
    assert again.status == 1
    assert "holds a sweep already" in again.text
    before = (folder / "0" / "record.json").read_text()
    shutil.rmtree(folder)
    third = lab.run("model=digits", f"hydra.sweep.dir='{folder}'")
    assert third.status == 0, third.text
    assert (folder / "0" / "record.json").read_text() != before, "an old record was taken for a new measurement"


def test_a_lost_channel_is_not_a_lost_job(lab: Lab, start_sshd: StartSshd) -> None:
    """Only the program at the other end of the channel dies; the supervisor and the job behind it go on."""
    workdir = lab.add("fine", start_sshd())
    process = lab.start(
        *("-m", "device=fine", "model=digits", "optimization=none,int8"),
        *("scenario.processes=1", "scenario.window_s=3", "scenario.energy_s=0"),
    )
    lab.wait_for("measuring")
    os.kill(pid_of("attach", str(workdir)), signal.SIGKILL)
    done = lab.finish(process)
    assert done.status == 0, done.text
    assert done.text.count("link lost, reconnecting") == 1
    assert "the link is back" in done.text
    assert [r["status"] for r in done.results()] == ["done", "done"]


def test_a_supervisor_that_dies_costs_no_cell(lab: Lab, start_sshd: StartSshd) -> None:
    workdir = lab.add("fine", start_sshd())
    process = lab.start(
        *("-m", "device=fine", "model=digits", "optimization=none,int8"),
        *("scenario.processes=1", "scenario.window_s=3", "scenario.energy_s=0"),
    )
    lab.wait_for("measuring")
    os.kill(pid_of("supervise", str(workdir)), signal.SIGKILL)
    done = lab.finish(process)
    assert done.status == 0, done.text
    assert "once more (1 of 2)" in done.text and "Traceback" not in done.text
    results = done.results()
    assert sorted((r["status"], r["retries"]) for r in results) == [("done", 0), ("done", 1)], "whichever had its turn"
    (told,) = [w for r in results for w in r["warnings"] if "infrastructure" in w]
    assert "was lost: its supervisor was ended while it ran" in told


def test_a_hold_that_is_ended_from_outside_is_not_taken_again(lab: Lab, start_sshd: StartSshd) -> None:
    lab.add("fine", start_sshd())
    process = lab.start(
        *("-m", "device=fine", "model=digits", "optimization=none,int8"),
        *("scenario.processes=1", "scenario.window_s=20", "scenario.energy_s=0"),
    )
    lab.wait_for("measuring")
    seen = lab.finish(lab.start("board", "list", "device=fine"))
    assert seen.status == 0 and "held  by " in seen.text
    ended = lab.finish(lab.start("board", "release", "device=fine"))
    assert ended.status == 0 and "was by " in ended.text, ended.text
    done = lab.finish(process)
    assert done.status == 2, done.text
    assert "given up" in done.text and "the hold was ended by " in done.text
    assert {r["status"] for r in done.results()} == {"failed"}
    shown = lab.finish(lab.start("board", "show", "device=fine", "--json"))
    (board,) = json.loads(shown.text)
    assert board["holder"]["held"] is False and board["kept"]["envs_bytes"] > 1e6
    cleaned = lab.finish(lab.start("board", "clean", "device=fine"))
    assert cleaned.status == 0 and "MB removed" in cleaned.text


def pid_of(verb: str, needle: str) -> int:
    """The process on the 'board' that runs a verb of the program."""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().decode().split("\0")
        except OSError:
            continue
        if verb in words and needle in " ".join(words) and words[1:3] == ["-I", "-S"]:
            return int(entry.name)
    raise AssertionError(f"no {verb} of {needle} runs")


def test_a_later_batch_that_is_wrong_does_not_hide_what_was_measured(lab: Lab) -> None:
    done = lab.run("-m", "model=digits", "threads=1,0", "hydra.sweeper.max_batch_size=1")
    assert done.status == 2, done.text
    assert [r["status"] for r in done.results()] == ["done"]
    assert "allowed is 1 to 256" in done.text and "Traceback" not in done.text
    assert done.sweep is not None
    assert '"status": "failed"' in (done.sweep / "sweep.json").read_text()


def test_an_early_signal_is_an_interruption(lab: Lab) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        process = lab.start("model=digits", *TINY)
        time.sleep(0.3)
        process.send_signal(number)
        text, _ = process.communicate(timeout=60)
        assert process.returncode in (130, -number), text  # a signal before Python runs a line is not ours to hear
        assert "orchestrator/app.py" not in text
