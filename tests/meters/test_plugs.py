"""Plugs on real HTTP servers: what they read, and what is said when they do not."""

from __future__ import annotations

import html
import itertools
import logging
import threading
from collections.abc import Callable, Iterator
from urllib.parse import quote, quote_plus

import pytest

from orchestrator.device import Meter
from orchestrator.errors import MeterError
from orchestrator.meters import Missed, Reading, probe
from orchestrator.meters.shelly import Shelly
from orchestrator.meters.tasmota import Tasmota
from tests.meters import servers
from tests.meters.servers import FakeTime, Gen1, Gen2, Plug

SECRET = "p&ss/word 7"
MAKE: dict[str, Callable[[Meter], Shelly | Tasmota]] = {"shelly": Shelly, "tasmota": Tasmota}


@pytest.fixture
def start() -> Iterator[Callable[..., Plug]]:
    plugs: list[Plug] = []

    def one(kind: Callable[..., Plug], *arguments: str) -> Plug:
        plugs.append(kind(*arguments))
        return plugs[-1]

    yield one
    for plug in plugs:
        plug.close()


KINDS = [
    ("shelly", Gen1, ()),
    ("shelly", Gen2, ()),
    ("shelly", Gen2, ("PM1", "apower")),
    ("shelly", Gen2, ("EM1", "act_power")),
    ("tasmota", servers.Tasmota, ()),
]


@pytest.mark.parametrize(("kind", "plug", "arguments"), KINDS)
def test_it_reads_with_and_without_a_password(
    start: Callable[..., Plug],
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    plug: Callable[..., Plug],
    arguments: tuple[str, ...],
) -> None:
    monkeypatch.setenv("PLUG_PASSWORD", SECRET)
    server = start(plug, *arguments)
    instrument, reading = probe(MAKE[kind](Meter(kind, server.address)))
    assert reading.watts == 5.25
    assert (instrument.scope, instrument.rate_hz) == ("wall_ac", 1.0)
    assert instrument.source.startswith(f"{kind}:{server.address} (")
    server.password = SECRET
    assert probe(MAKE[kind](Meter(kind, server.address, password_env="PLUG_PASSWORD")))[1].watts == 5.25


@pytest.mark.parametrize(("kind", "plug"), [("shelly", Gen1), ("shelly", Gen2), ("tasmota", servers.Tasmota)])
def test_a_wrong_password_is_said_and_never_shown(
    start: Callable[..., Plug],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    kind: str,
    plug: Callable[..., Plug],
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("PLUG_PASSWORD", "wr0ng-secret")
    server = start(plug)
    server.password = SECRET
    settings = Meter(kind, server.address, password_env="PLUG_PASSWORD", timeout_s=2)
    with pytest.raises(MeterError, match=r"device\.meter\.password_env") as caught:
        probe(MAKE[kind](settings))
    server.broken = b"<html>login</html>"
    with pytest.raises(MeterError, match="no JSON object: '<html>login</html>'") as html:
        probe(MAKE[kind](settings))
    server.close()
    with pytest.raises(MeterError, match="cannot be reached: Connection refused") as away:
        probe(MAKE[kind](settings))
    for error in (caught, html, away):
        assert "wr0ng" not in "".join(map(str, error.traceback)) + str(error.value)
        assert error.value.__cause__ is None
    assert "wr0ng" not in caplog.text
    monkeypatch.delenv("PLUG_PASSWORD")
    with pytest.raises(MeterError, match=r"PLUG_PASSWORD .* is not set"):
        probe(MAKE[kind](settings))


@pytest.mark.parametrize("spell", [str, quote, quote_plus, html.escape, lambda text: quote(text, safe="").lower()])
def test_a_password_is_blotted_as_a_whole_however_it_is_spelled(
    start: Callable[..., Plug],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    spell: Callable[[str], str],
) -> None:
    caplog.set_level(logging.DEBUG)
    # Alembic, which MLflow brings, disables the loggers that there are when it configures its own.
    monkeypatch.setattr(logging.getLogger("urllib3.connectionpool"), "disabled", False)
    monkeypatch.setenv("PLUG_PASSWORD", SECRET)
    server = start(servers.Tasmota)
    server.broken = f"<p>Welcome to the plug in the kitchen, password={spell(SECRET)}".encode()  # cut in its middle
    with pytest.raises(MeterError, match="no JSON object") as caught:
        probe(Tasmota(Meter("tasmota", server.address, password_env="PLUG_PASSWORD")))
    logging.getLogger("urllib3.connectionpool").debug("went to %s", spell(SECRET))
    for text in (str(caught.value), caplog.text):
        assert not any(part in text for part in ("p&", "p%26", "ss/", "word 7", "ss%2"))
    assert "went to ***" in caplog.text


def test_a_relay_without_a_meter_and_an_outlet_that_is_not_there(start: Callable[..., Plug]) -> None:
    server = start(Gen2)
    for channel in (1, 2):
        with pytest.raises(MeterError, match=f"channel {channel} .* measures no power"):
            Shelly(Meter("shelly", server.address, channel=channel)).open()


def test_the_outlets_the_resolution_and_the_older_command_of_tasmota(start: Callable[..., Plug]) -> None:
    server = start(servers.Tasmota)
    server.watts, server.old = [4.5, 7.5], True  # type: ignore[attr-defined]
    instrument, reading = probe(Tasmota(Meter("tasmota", server.address, channel=1)))
    assert reading.watts == 7.5
    assert instrument.limits.resolution_w == pytest.approx(0.01)
    assert instrument.details["command"] == "Status 8"
    with pytest.raises(MeterError, match="no channel 2"):
        Tasmota(Meter("tasmota", server.address, channel=2)).open()


def test_one_that_goes_away_misses_readings_and_comes_back(start: Callable[..., Plug]) -> None:
    server, time = start(Gen2), FakeTime()
    meter = Shelly(Meter("shelly", server.address, rate_hz=2), time.clocks)
    meter.open()
    readings = meter.readings(threading.Event())
    assert isinstance(next(readings), Reading)
    for watts, why in ((0, "0 W"), (-3, "wrong way round"), (5250, "not mW"), ("5", "no number"), (True, "no number")):
        server.watts = watts
        missed = next(readings)
        assert isinstance(missed, Missed)
        assert why in missed.why
    server.watts = 6
    got = list(itertools.islice(readings, 50))
    assert {item.watts for item in got if isinstance(item, Reading)} == {6.0}
    assert all(0.25 <= wait <= 0.75 for wait in time.waits_s)
    assert max(time.waits_s) - min(time.waits_s) > 0.3  # at a fixed rate it could beat with the inferences
    server.close()
    assert "cannot be reached" in str(next(readings))
    meter.close()


@pytest.mark.parametrize("begin", [b"", b"HTTP/1.1 200 OK\r\n\r\n{"])
def test_one_that_answers_bit_by_bit_has_not_answered(begin: bytes) -> None:
    """Each byte comes in time, in the headers or in the body; the whole does not."""
    with servers.Dripping(begin, seconds=1.0) as address:
        for kind, make in MAKE.items():
            with pytest.raises(MeterError, match=r"did not answer within 0\.1 s \(device\.meter\.timeout_s"):
                probe(make(Meter(kind, address, timeout_s=0.1)))


@pytest.mark.parametrize("address", ["plug..lan", "a" * 70 + ".lan", "plug:99999"])
def test_an_address_that_is_none_is_said(address: str) -> None:
    for kind, make in MAKE.items():
        with pytest.raises(MeterError, match=r"cannot be reached: device\.meter\.address is no host"):
            probe(make(Meter(kind, address)))


def test_a_plug_of_another_make_is_asked_for(start: Callable[..., Plug]) -> None:
    with pytest.raises(MeterError, match="is it a Tasmota"):
        probe(Tasmota(Meter("tasmota", start(Gen2).address)))


def test_a_number_that_no_float_holds(start: Callable[..., Plug]) -> None:
    server = start(Gen2)
    server.watts = 10**400
    with pytest.raises(MeterError, match="measures no power"):
        probe(Shelly(Meter("shelly", server.address)))


@pytest.mark.parametrize(
    ("rate_hz", "lag_s", "good_s", "late_s"),
    [(1, 0, 0.19, 0.21), (0.5, 0, 0.39, 0.41), (5, 0, 0.09, 0.11), (1, None, 0.99, 1.01)],
)
def test_a_slow_answer_is_no_reading_and_the_time_is_the_middle_of_the_request(
    start: Callable[..., Plug], rate_hz: float, lag_s: float | None, good_s: float, late_s: float
) -> None:
    """Half of it may be a tenth of the interval, a quarter of the lag (2 s of a Shelly), and 50 ms in any case."""
    server, time = start(Gen2), FakeTime()
    meter = Shelly(Meter("shelly", server.address, rate_hz=rate_hz, lag_s=lag_s), time.clocks)
    meter.open()
    ask, took = meter._ask, iter((good_s, late_s))

    def slowly() -> float:
        time.now_s += next(took)
        return ask()

    meter._ask = slowly
    good, late = itertools.islice(meter.readings(threading.Event()), 2)
    assert isinstance(good, Reading)
    assert (good.t_s, good.doubt_s) == pytest.approx((1000 + good_s / 2, good_s / 2))
    assert isinstance(late, Missed)
    assert f"after {late_s} s" in late.why
    meter.close()
