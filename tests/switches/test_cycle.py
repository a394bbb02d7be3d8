"""Off and on again: whatever happens in between, the board gets its power back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.device import Board, Device, PowerSwitch
from orchestrator.errors import SwitchError
from orchestrator.switches import cycle
from tests.switches.servers import Gen1, Gen2, Pdudaemon, Relay, Tasmota

Start = Callable[[type[Relay]], Relay]
KINDS = [("shelly", Gen1), ("shelly", Gen2), ("tasmota", Tasmota), ("pdudaemon", Pdudaemon)]
ROOT = Path(__file__).parent.parent.parent


def board_of(kind: str, address: str, **more: object) -> Board:
    where = f"{address}/rack" if kind == "pdudaemon" else address
    switch = PowerSwitch(kind, where, off_s=7.0, timeout_s=5, **more)  # type: ignore[arg-type]
    return Board(Device("rack", ["pi4-01"], power_switch=switch), "pi4-01")


@pytest.mark.parametrize(("kind", "plug"), KINDS)
def test_it_is_off_for_so_long_and_then_on(start: Start, kind: str, plug: type[Relay]) -> None:
    server = start(plug)
    seen: list[tuple[float, bool]] = []
    told = cycle(board_of(kind, server.address), lambda s: seen.append((s, server.on[0])))
    assert (7.0, False) in seen and server.on == {0: True, 1: True}
    assert told is (None if kind == "pdudaemon" else True)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, RuntimeError])
@pytest.mark.parametrize(("kind", "plug"), KINDS)
def test_what_ends_the_wait_leaves_no_board_in_the_dark(
    start: Start, kind: str, plug: type[Relay], error: type[BaseException]
) -> None:
    server, was = start(plug), []

    def sleep(seconds: float) -> None:
        if seconds == 7.0:
            was.append(server.on[0])
            raise error

    with pytest.raises(error):
        cycle(board_of(kind, server.address), sleep)
    assert was == [False] and server.on[0] is True


def test_a_ctrl_c_while_it_turns_on_again_comes_after_it(start: Start) -> None:
    server, waits = start(Gen2), []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 1:
            server.dead_orders = 1
        if len(waits) == 2:
            raise KeyboardInterrupt  # in the pause before the second attempt

    with pytest.raises(KeyboardInterrupt):
        cycle(board_of("shelly", server.address), sleep)
    assert server.on[0] is True


def test_turning_on_is_tried_again(start: Start) -> None:
    server = start(Tasmota)

    def sleep(seconds: float) -> None:
        if seconds == 7.0:
            server.dead_orders = 2

    assert cycle(board_of("tasmota", server.address), sleep) is True
    assert server.on[0] is True


def test_one_that_cannot_be_turned_on_again_is_told_as_such(start: Start) -> None:
    server = start(Tasmota)

    def sleep(_: float) -> None:
        server.dead_orders = 99

    with pytest.raises(SwitchError, match=r"may be without power: turning it on again failed 3 times") as caught:
        cycle(board_of("tasmota", server.address), sleep)
    assert caught.value.board == "pi4-01" and "by hand" in str(caught.value) and server.on[0] is False


def test_an_order_that_failed_is_made_good(start: Start) -> None:
    """A refused order to turn off may have been carried out: what was asked is turned on."""
    server = start(Gen1)
    server.dead_orders = 1
    with pytest.raises(SwitchError, match="HTTP status 503"):
        cycle(board_of("shelly", server.address), lambda _: None)
    assert [path for path in server.asked if "turn=" in path] == ["/relay/0?turn=off", "/relay/0?turn=on"]


def test_both_errors_are_told_where_nothing_answers(start: Start) -> None:
    server = start(Gen1)
    server.close()
    with pytest.raises(SwitchError, match=r"without power: .*refused; then turning it on again failed 3 times"):
        cycle(board_of("shelly", server.address), lambda _: None)


def test_power_that_came_back_by_itself(start: Start) -> None:
    server = start(Gen1)

    def sleep(_: float) -> None:
        server.on[0] = True

    with pytest.raises(SwitchError, match="it was on again before it was told to"):
        cycle(board_of("shelly", server.address), sleep)
    assert server.on[0] is True


def test_a_board_without_a_switch() -> None:
    with pytest.raises(SwitchError, match=r"device\.power_switch\.kind is none"):
        cycle(Board(Device("rack", ["pi4-01"]), "pi4-01"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_controller_that_is_ended_turns_the_board_on_first(tmp_path: Path, number: int) -> None:
    log = tmp_path / "log"
    words = [f"device.power_switch.turn_{key}=[sh,-c,'echo {key} >> {log}']" for key in ("on", "off")]
    words += ["device.power_switch.kind=command", "device.power_switch.off_s=600", "device=pi4", "device.hosts=[h]"]
    verb = [sys.executable, "-m", "orchestrator", "board", "power", "cycle", "--yes", "--force", *words]
    home = os.environ | {"ORCHESTRATOR_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    child = subprocess.Popen(verb, cwd=tmp_path, env=home, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        while not (log.exists() and log.read_text()) and child.poll() is None:
            time.sleep(0.02)
        child.send_signal(number)
        text = child.communicate(timeout=60)[0].decode()
    finally:
        child.kill()
        child.wait()
    assert log.read_text().split() == ["off", "on"], text
    assert child.returncode == 130, text
