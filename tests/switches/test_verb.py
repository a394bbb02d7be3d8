"""``board power``: what it asks, whom it spares, and what it says."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orchestrator import app, power
from orchestrator.console import terminal
from orchestrator.device import Device, PowerSwitch
from orchestrator.errors import ConfigError
from orchestrator.lab_verbs import board as verb
from tests.remote.boards import Board as Running
from tests.sshd import free_port
from tests.switches.servers import Gen2, Relay, Tasmota

Start = Callable[[type[Relay]], Relay]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def plugged(server: Relay, outlet: int = 0) -> PowerSwitch:
    return PowerSwitch("tasmota", server.address, outlet=outlet, off_s=0)


def away(server: Relay, outlet: int = 0) -> Device:
    """A board that does not answer."""
    host = f"127.0.0.1:{free_port()}"
    return Device("rack", [host], power_switch=plugged(server, outlet), connect_timeout_s=1)


def done(
    capsys: pytest.CaptureFixture[str], what: str, *devices: Device, answer: bool = True, **more: Any
) -> tuple[int, list[dict[str, Any]], list[str]]:
    questions: list[str] = []

    def confirm(question: str) -> bool:
        questions.append(question)
        return answer

    more = {"as_json": True, "force": False, "confirm": confirm, **more}
    status = power.power_verb(terminal(soft_wrap=True), what, devices, **more)
    return status, json.loads(capsys.readouterr().out), questions


def test_a_board_that_does_not_answer_is_cycled_after_a_question(
    start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    server = start(Tasmota)
    device = away(server)
    status, (told,), questions = done(capsys, "cycle", device)
    orders = [path for path in server.asked if "+O" in path or "%20O" in path]
    assert (status, len(orders), server.on[0]) == (0, 2, True)
    assert "OFF" in orders[0] and "ON" in orders[1]
    assert told == {
        "device": "rack",
        "board": device.hosts[0],
        "switch": f"power switch tasmota {server.address}, outlet 0",
        "on": True,
        "did": "was off for 0 s",
        "error": None,
    }
    assert questions == [f"Turn off and on again the power of {device.hosts[0]} ({told['switch']})?"]


def test_a_no_turns_nothing_off(start: Start, capsys: pytest.CaptureFixture[str]) -> None:
    server = start(Tasmota)
    with pytest.raises(ConfigError, match="nothing was turned off"):
        done(capsys, "off", away(server), answer=False)
    assert server.asked == []


def test_on_off_and_state_are_said(start: Start, capsys: pytest.CaptureFixture[str]) -> None:
    server = start(Tasmota)
    device = away(server)
    for what, on, asks in (("off", False, 1), ("state", False, 0), ("on", True, 0), ("state", True, 0)):
        status, (told,), questions = done(capsys, what, device)
        assert (status, told["on"], server.on[0], len(questions)) == (0, on, on, asks)


def test_a_board_that_somebody_holds_is_left_alone(
    board: Running, start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    """Through the built-in board's real SSH server, and a supervisor that really has the hold."""
    server = start(Tasmota)
    held = Device("local", ["local"], workdir=str(board.workdir), hold=board.hold, power_switch=plugged(server))
    board.attach("one").ask("hello")
    status, told, _ = done(capsys, "cycle", held, away(server, 1))
    assert status == 2 and server.on == {0: True, 1: True}
    assert "it is held by ann@desk, priority 0, since" in told[0]["error"] and "--force" in told[0]["error"]
    assert (told[0]["did"], told[1]["did"], told[1]["error"]) == ("left alone", "was off for 0 s", None)
    assert not any("Power1" in path for path in server.asked)
    status, (forced,), _ = done(capsys, "off", held, force=True)
    assert (status, forced["error"], server.on[0]) == (0, None, False)


def test_a_board_that_nobody_holds_is_turned_off(
    board: Running, start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    server = start(Tasmota)
    free = Device("local", ["local"], workdir=str(board.workdir), hold=board.hold, power_switch=plugged(server))
    status, (told,), _ = done(capsys, "off", free)
    assert (status, told["error"], server.on[0]) == (0, None, False)


def test_a_board_that_answers_and_does_not_say_is_left_alone(
    tmp_path: Path, start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    server = start(Tasmota)
    odd = Device("local", ["local"], workdir=str(tmp_path), python="/nowhere/python3", power_switch=plugged(server))
    status, (told,), _ = done(capsys, "off", odd)
    assert (status, server.on[0]) == (2, True)
    assert "whether somebody holds it is unknown" in told["error"]


def test_a_switch_that_fails_keeps_no_other_from_its_order(start: Start, capsys: pytest.CaptureFixture[str]) -> None:
    stuck, good = start(Gen2), start(Tasmota)
    stuck.stuck = True
    first = Device("one", ["one"], power_switch=PowerSwitch("shelly", stuck.address))
    status, told, _ = done(capsys, "off", first, away(good), force=True)
    assert status == 2 and "it took the order to turn off, and is on" in told[0]["error"]
    assert told[0]["error"].startswith("one: ") and good.on[0] is False


def test_lines_for_people(start: Start, capsys: pytest.CaptureFixture[str]) -> None:
    server, script = start(Tasmota), [sys.executable, "-c", ""]
    blind = Device("blind", ["b"], power_switch=PowerSwitch("command", turn_on=script, turn_off=script))
    broken = Device("broken", ["c"], power_switch=PowerSwitch("command", turn_on=["/nowhere/on"], turn_off=script))
    devices = [away(server), blind, broken]
    status = power.power_verb(
        terminal(soft_wrap=True), "on", devices, as_json=False, force=False, confirm=lambda _: False
    )
    head, one, two, three = capsys.readouterr().out.splitlines()
    assert status == 2 and head.split() == ["device", "board", "power"]
    assert one.split()[2:5] == ["on", "turned", "on,"]
    assert one.endswith(f"power switch tasmota {server.address}, outlet 0")
    assert "unknown" in two and "it does not tell its state" in two
    assert "/nowhere/on cannot be started" in three


def test_two_devices_with_one_outlet_are_refused(start: Start, capsys: pytest.CaptureFixture[str]) -> None:
    server = start(Tasmota)
    pair = [Device(name, [name], power_switch=plugged(server)) for name in ("a", "b")]
    with pytest.raises(ConfigError, match=r"the same for a \(a\) and b \(b\): turning one off would turn off both"):
        done(capsys, "off", *pair)
    assert server.asked == []


SWITCH = ["device=pi4", "device.hosts=[pi4-01]", "device.power_switch.kind=shelly", "device.power_switch.address=p"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["power"], "board power what? on, off, cycle, state"),
        (["power", "blink", "device=pi4"], "board power what?"),
        (["power", "cycle"], "which board?"),
        (["power", "cycle", "device=pi4,pi5"], "no power switch is described for pi4 (pi4), pi5 (pi5)"),
        (["power", "cycle", "device=pi4"], "device.power_switch.kind is none"),
        (["power", "cycle", *SWITCH], "add --yes"),
        (["power", "off", *SWITCH, "--force"], "add --yes"),
        (["power", "off", *SWITCH, "device.power_switch.turn_on=[x]", "--yes"], "device.power_switch.turn_on"),
        (["list", "device=pi4", "--yes"], "go with 'board power' alone"),
        (["show", "--force", "device=pi4"], "go with 'board power' alone"),
    ],
)
def test_what_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    with pytest.raises(ConfigError) as caught:
        verb(words)
    assert said in str(caught.value)
    assert app.run(["board", *words]) == 1
    assert "Traceback" not in capsys.readouterr().err


def test_from_the_command_line(start: Start, capsys: pytest.CaptureFixture[str]) -> None:
    server = start(Gen2)
    words = [f"device.power_switch.address='{server.address}'", "device.power_switch.outlet=1", *SWITCH[:3]]
    assert app.run(["board", "power", "off", *words, "--yes", "--force", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["on"] is False
    assert server.on == {0: True, 1: False}
