"""Switches on real HTTP servers: they turn on and off, and say why not."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest

from orchestrator.device import PowerSwitch
from orchestrator.errors import BoardError, SwitchError
from orchestrator.switches import Switch, pdudaemon, switch_of
from tests.meters.servers import Dripping
from tests.switches.servers import Gen1, Gen2, Pdudaemon, Relay, Tasmota

Start = Callable[[type[Relay]], Relay]
SECRET = "p&ss/word 7"
PLUGS = [("shelly", Gen1), ("shelly", Gen2), ("tasmota", Tasmota)]
ALL = [*PLUGS, ("pdudaemon", Pdudaemon)]


def described(kind: str, address: str, outlet: int = 0, **more: object) -> PowerSwitch:
    where = f"{address}/rack" if kind == "pdudaemon" else address
    return PowerSwitch(kind, where, outlet=outlet, timeout_s=5, **more)  # type: ignore[arg-type]


def made(kind: str, address: str, outlet: int = 0, **more: object) -> Switch:
    return switch_of(described(kind, address, outlet, **more), sleep=lambda _: None)


@pytest.mark.parametrize("outlet", [0, 1])
@pytest.mark.parametrize(("kind", "plug"), ALL)
def test_one_outlet_turns_off_and_on(start: Start, kind: str, plug: type[Relay], outlet: int) -> None:
    server = start(plug)
    switch = made(kind, server.address, outlet)
    blind = kind == "pdudaemon"
    for on in (False, True, True, False):
        switch.set(on)
        assert server.on == {outlet: on, 1 - outlet: True}
        assert switch.state() is (None if blind else on)
    switch.close()


def test_the_only_outlet_of_a_tasmota_has_no_number(start: Start) -> None:
    server = start(Tasmota)
    server.on = {0: True}
    switch = made("tasmota", server.address)
    switch.set(False)
    assert (server.on, switch.state()) == ({0: False}, False)
    with pytest.raises(SwitchError, match=r"it has no Power2 \(device\.power_switch\.outlet"):
        made("tasmota", server.address, 1).set(False)


@pytest.mark.parametrize(("kind", "plug"), ALL)
def test_an_outlet_that_is_not_there(start: Start, kind: str, plug: type[Relay]) -> None:
    server = start(plug)
    with pytest.raises(SwitchError, match=r"outlet 7: .*device\.power_switch\.outlet"):
        made(kind, server.address, 7).set(False)
    assert server.on == {0: True, 1: True}


@pytest.mark.parametrize(("kind", "plug"), PLUGS)
def test_one_that_takes_the_order_and_does_nothing(start: Start, kind: str, plug: type[Relay]) -> None:
    server = start(plug)
    server.stuck = True
    with pytest.raises(SwitchError, match=f"{kind} {server.address}, outlet 0: it took the order to turn off, and is"):
        made(kind, server.address).set(False)


@pytest.mark.parametrize(("kind", "plug"), PLUGS)
def test_a_password_and_a_wrong_one(
    start: Start,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    kind: str,
    plug: type[Relay],
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("PLUG_PASSWORD", SECRET)
    server = start(plug)
    server.password = SECRET
    with pytest.raises(SwitchError, match=r"device\.power_switch\.password_env"):
        made(kind, server.address).set(False)
    made(kind, server.address, password_env="PLUG_PASSWORD").set(False)
    assert server.on[0] is False
    monkeypatch.setenv("PLUG_PASSWORD", "wr0ng-secret")
    with pytest.raises(SwitchError, match=r"refused the user or the password: set device\.power_switch\.user") as wrong:
        made(kind, server.address, password_env="PLUG_PASSWORD").set(True)
    server.broken = b"<html>password=wr0ng-secret</html>"
    with pytest.raises(SwitchError, match="no JSON object") as html:
        made(kind, server.address, password_env="PLUG_PASSWORD").set(True)
    server.close()
    with pytest.raises(SwitchError, match="cannot be reached: Connection refused") as away:
        made(kind, server.address, password_env="PLUG_PASSWORD").set(True)
    for error in (wrong, html, away):
        assert "wr0ng" not in "".join(map(str, error.traceback)) + str(error.value)
        assert error.value.__cause__ is None
    assert "wr0ng" not in caplog.text and server.on[0] is False
    monkeypatch.delenv("PLUG_PASSWORD")
    with pytest.raises(SwitchError, match=r"PLUG_PASSWORD .* is not set"):
        made(kind, server.address, password_env="PLUG_PASSWORD").set(True)


@pytest.mark.parametrize("kind", ["shelly", "tasmota", "pdudaemon"])
def test_one_that_does_not_answer_in_time(kind: str) -> None:
    with Dripping(b"HTTP/1.1 200 OK\r\n\r\n", seconds=1.0) as address:
        settings = described(kind, address)
        settings.timeout_s = 0.1
        with pytest.raises(SwitchError, match=r"did not answer within 0\.1 s \(device\.power_switch\.timeout_s") as one:
            switch_of(settings).set(False)
    assert isinstance(one.value, BoardError)
    assert f"power switch {kind} {address}" in one.value.message and one.value.hint


@pytest.mark.parametrize(("kind", "said"), [("shelly", "no Shelly"), ("tasmota", r"no web commands of Tasmota")])
def test_something_else_at_the_address(start: Start, kind: str, said: str) -> None:
    with pytest.raises(SwitchError, match=said):
        made(kind, start({"shelly": Tasmota, "tasmota": Gen2}[kind]).address).set(False)


@pytest.mark.parametrize("answer", ["BLINK", "on", True])
def test_an_answer_that_is_neither_on_nor_off(start: Start, answer: object) -> None:
    server = start(Tasmota)
    server.broken = b'{"POWER1": %s}' % (b'"%s"' % answer.encode() if isinstance(answer, str) else b"true")
    with pytest.raises(SwitchError, match="neither ON nor OFF"):
        made("tasmota", server.address).set(True)


def test_a_pdu_may_still_be_at_it_after_the_answer(start: Start) -> None:
    waits: list[float] = []
    server = start(Pdudaemon)
    switch = switch_of(described("pdudaemon", server.address), waits.append)
    switch.set(False)
    assert len(waits) == 1 and waits[0] >= 5
    assert server.asked == ["/power/control/off?hostname=rack&port=0"]
    server.dead_orders = 1
    with pytest.raises(SwitchError, match=r"did not accept to turn it on \(is rack a PDU of its configuration"):
        switch.set(True)
    assert len(waits) == 1


def test_the_usual_port_of_pdudaemon() -> None:
    named = ("lab", "lab:80", "[::1]", "[::1]:80")
    hosts = [pdudaemon.Pdudaemon(PowerSwitch("pdudaemon", f"{host}/rack"))._host for host in named]
    assert hosts == ["lab:16421", "lab:80", "[::1]:16421", "[::1]:80"]
