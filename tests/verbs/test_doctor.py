"""``doctor`` from the command line: several boards, dead ones among them, and programs that read it."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Callable

import pytest

from orchestrator.checkup import NOTE, OK, PROBLEM, UNKNOWN, Check, Examination
from orchestrator.console import terminal
from orchestrator.device import Board, Device
from orchestrator.doctor import Visit, listed, status, told
from orchestrator.lab_verbs import doctor
from tests.sshd import Sshd, free_port, start_sshd
from tests.sweeps.conftest import cache, lab
from tests.sweeps.lab import Lab, running

__all__ = ["cache", "lab", "start_sshd"]

Start = Callable[..., Sshd]
BOARD = Board(Device("pi4", ["pi@10.0.0.7"]), "pi@10.0.0.7")


def examination(passed: bool, *checks: Check) -> Examination:
    return Examination(BOARD, checks, passed, "why", 0.0, 1.0)


def test_two_boards_of_which_one_is_dead(lab: Lab, start_sshd: Start) -> None:
    lab.add("fine", start_sshd())
    lab.add("dead", start_sshd(), hosts=[f"127.0.0.1:{free_port()}"])
    done = lab.finish(lab.start("doctor", "device=dead,fine"))
    assert done.status == 2, done.text
    assert re.search(r"✗ ssh +127\.0\.0\.1", done.text), done.text
    assert re.search(r"\? not reached: see ssh: host key, .*, golden\n", done.text), done.text
    assert re.search(r"✓ golden +[\d.]+ ms, 95\.8% right", done.text), done.text
    dead, fine = done.text.strip().splitlines()[-2:]
    assert "not ready: ssh: " in dead and re.match(r"✓ fine 127\.0\.0\.1:\d+  ready", fine)
    assert len((lab.root / "lab" / "golden.jsonl").read_text().splitlines()) == 1


def test_for_programs(lab: Lab) -> None:
    words = [f"device.workdir={lab.folder}/b", f"device.hold=doctor-{os.getpid()}-json"]
    done = lab.finish(lab.start("doctor", "device=local", "--json", *words))
    (board,) = json.loads(done.text)
    assert done.status == 0 and board["passed"], done.text
    assert (board["device"], board["board"]) == ("local", "local")
    assert {check["level"] for check in board["checks"]} <= {OK, NOTE, UNKNOWN}
    assert all(set(check) == {"name", "level", "found", "fix"} for check in board["checks"])
    assert board["facts"]["runtime"] == "litert" and board["facts"]["latency_ms"] > 0


def test_boards_of_one_machine_take_turns(lab: Lab) -> None:
    """Two names for the built-in board with one hold: side by side, one would find the other's."""
    words = ["device.machine=bench", f"device.workdir={lab.folder}/b", f"device.hold=doctor-{os.getpid()}"]
    done = lab.finish(lab.start("doctor", "device=local,local", *words))
    assert done.status == 0, done.text
    assert done.text.count("✓ hold") == 2


def test_an_interrupt_ends_it_and_leaves_no_hold(lab: Lab, start_sshd: Start) -> None:
    workdir = lab.add("slow", start_sshd())
    process = lab.start("doctor", "device=slow")
    end = time.monotonic() + 60
    while not running(f"--workdir {workdir}") and time.monotonic() < end:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    done = lab.finish(process, timeout_s=60)
    assert done.status == 130, done.text
    assert "Traceback" not in done.text and "interrupted" in done.text
    end = time.monotonic() + 20
    while running(str(workdir)) and time.monotonic() < end:
        time.sleep(0.1)
    assert not running(str(workdir))


@pytest.mark.parametrize("words", [[], ["device=nothing_like_it"], ["device=pi4", "device.python=3", "model.x=1"]])
def test_bad_usage(lab: Lab, words: list[str]) -> None:
    done = lab.finish(lab.start("doctor", *words))
    assert done.status == 1, done.text
    assert "Traceback" not in done.text


def test_the_exit_status_and_the_last_lines(capsys: pytest.CaptureFixture[str]) -> None:
    bad = examination(False, Check("ssh", PROBLEM, "closed", "open it"))
    busy = examination(False, Check("golden", UNKNOWN, "not run: held"))
    good = examination(True, Check("ssh", NOTE, "late", "first\nsecond"))
    assert [status(Visit((one,))) for one in (bad, busy, good)] == [2, 2, 0]
    assert status(Visit((good, bad))) == 2 and status(Visit((good,), interrupted=True)) == 130
    told(terminal(soft_wrap=True), Visit((bad, busy, good)), as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition("  ")[2] for line in lines] == ["not ready: why", "cannot tell: why", "why"]


def test_a_fix_stands_on_lines_of_its_own() -> None:
    def text(one: Examination) -> list[str]:
        return ["".join(part if isinstance(part, str) else part[0] for part in line) for line in listed(one)]

    lines = text(examination(True, Check("ssh", NOTE, "late", "first\nsecond"), Check("hold", OK, "free", "no need")))
    assert lines == ["pi4 10.0.0.7  1 s", "  ! ssh   late", "          first", "          second", "  ✓ hold  free", ""]


def test_help_says_what_it_takes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        doctor(["--help"])
    assert "device=NAME" in capsys.readouterr().out
