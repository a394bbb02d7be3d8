"""Switches that are programs: real scripts that switch, fail, hang, or are not there."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

import pytest

from orchestrator.device import Board, Device, PowerSwitch
from orchestrator.errors import SwitchError
from orchestrator.switches import switch_of
from orchestrator.switches.uhubctl import last_told


def command(off: str, on: str = "true", **more: object) -> PowerSwitch:
    return PowerSwitch("command", turn_on=["sh", "-c", on], turn_off=["sh", "-c", off], **more)  # type: ignore[arg-type]


def test_what_is_run_has_no_shell_and_knows_the_board(tmp_path: Path) -> None:
    script = tmp_path / "relay.sh"
    script.write_text(f'#!/bin/sh\nprintf "%s|" "$@" >> {tmp_path}/said\n')
    script.chmod(0o755)
    settings = PowerSwitch(
        "command", turn_on=[str(script), "{board}", "on; false"], turn_off=[str(script), "$HOME", "off"]
    )
    declared = Board(Device("rack", ["pi@pi4-01"], power_switch=settings), "pi@pi4-01").power_switch
    assert declared is not None
    switch = switch_of(declared)
    switch.set(False)
    switch.set(True)
    assert (tmp_path / "said").read_text() == "$HOME|off|pi4-01|on; false|"
    assert switch.state() is None


def test_a_command_that_fails_is_quoted_by_its_last_words() -> None:
    switch = switch_of(command("seq 1 200 >&2; echo no relay --password=hunter2 >&2; exit 3"))
    with pytest.raises(SwitchError, match=r"what turns it off ended with exit status 3: .*199 200 no relay") as caught:
        switch.set(False)
    assert len(caught.value.message) < 500 and "hunter2" not in str(caught.value)
    assert "power switch command (sh)" in caught.value.message


def test_a_command_that_hangs_is_ended_as_a_whole(tmp_path: Path) -> None:
    switch = switch_of(command(f"sleep 600 & echo $! > {tmp_path}/pid; wait", timeout_s=0.5))
    with pytest.raises(SwitchError, match=r"did not end within 0\.5 s .*device\.power_switch\.timeout_s"):
        switch.set(False)
    assert _ends(int((tmp_path / "pid").read_text()))


def test_a_ctrl_c_ends_what_runs(tmp_path: Path) -> None:
    """What turns a board off must not come after what turns it on again."""
    pid = tmp_path / "pid"

    def interrupt() -> None:
        while not (pid.exists() and pid.read_text().strip()):
            time.sleep(0.01)
        os.kill(os.getpid(), 2)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        switch_of(command(f"echo $$ > {pid}; exec sleep 600")).set(False)
    thread.join()
    assert _ends(int(pid.read_text()))


def test_a_program_that_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = PowerSwitch("command", turn_on=["/nowhere/relay"], turn_off=[sys.executable])
    with pytest.raises(SwitchError, match=r"/nowhere/relay cannot be started: No such file .*install"):
        switch_of(settings).set(True)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SwitchError, match=r"uhubctl 1-1\.4, port 2: uhubctl cannot be started.*install uhubctl"):
        switch_of(PowerSwitch("uhubctl", "1-1.4", outlet=2)).state()


def test_a_port_of_a_hub(hub: Path) -> None:
    switch = switch_of(PowerSwitch("uhubctl", "1-1.4", outlet=2))
    assert switch.state() is True
    switch.set(False)
    assert (hub.read_text(), switch.state()) == ("off", False)
    switch.set(False)
    switch.set(True)
    assert (hub.read_text(), switch.state()) == ("on", True)


def test_a_port_that_does_not_switch(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """uhubctl ends with 0 all the same."""
    monkeypatch.setenv("HUB_STUCK", "1")
    switch = switch_of(PowerSwitch("uhubctl", "1-1.4", outlet=2))
    with pytest.raises(SwitchError, match=r"did not switch, it is still on: Failed to control port power.*udev"):
        switch.set(False)
    hub.write_text("off")
    with pytest.raises(SwitchError, match="did not switch, it is still off"):
        switch.set(True)


@pytest.mark.parametrize(
    ("address", "port", "said"),
    [
        ("9-9", 2, "exit status 1: No compatible devices detected at location 9-9!"),
        ("1-1.4", 5, "did not say whether the port is on"),
    ],
)
def test_a_hub_or_a_port_that_is_not_there(hub: Path, address: str, port: int, said: str) -> None:
    with pytest.raises(SwitchError, match=said):
        switch_of(PowerSwitch("uhubctl", address, outlet=port)).set(False)
    assert hub.read_text() == "on"


def test_what_is_connected_says_nothing_of_the_state() -> None:
    lines = ["New status for hub 1-1 [x]", "  Port 1: 0101 connect [1:2 power]", "  Port 2: 0100 power"]
    assert last_told(lines, 1) == {"1-1": False}
    assert last_told(lines, 2) == {"1-1": True}
    assert last_told([*lines, "New status for hub 1-1 [x]"], 2) == {}
    assert last_told(["  Port 2: 0100 power"], 2) == {}


def _ends(pid: int, within_s: float = 10.0) -> bool:
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        try:
            if " Z " in Path(f"/proc/{pid}/stat").read_text():
                return True
        except OSError:
            return True
        time.sleep(0.02)
    return False
