"""A bench meter on a real socket, by PyVISA."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from orchestrator.device import Meter
from orchestrator.errors import MeterError
from orchestrator.meters import Missed, Reading, probe
from orchestrator.meters.scpi import Scpi, resource, watts
from tests.meters.servers import Bench, Dripping, FakeTime

Start = Callable[..., Bench]


@pytest.fixture
def start() -> Iterator[Start]:
    made: list[Bench] = []

    def one(**answers: str) -> Bench:
        made.append(Bench({"MEAS:POW?": "+5.012E+00", **answers}))  # type: ignore[arg-type]
        return made[-1]

    yield one
    for bench in made:
        bench.close()


def settings(bench: Bench, **more: object) -> Meter:
    return Meter("scpi", bench.address, scope="board_dc_in", timeout_s=0.3, **more)  # type: ignore[arg-type]


def test_it_is_set_up_once_and_read(start: Start) -> None:
    bench = start(**{"*ESR?": "0"})
    meter = Scpi(settings(bench, setup=["SENS:POW:RANG 20", "SENS:AVER 16"], gain=0.001), FakeTime().clocks)
    instrument = meter.open()
    readings = meter.readings(threading.Event())
    assert [next(readings).watts for _ in range(3)] == [5.012] * 3  # type: ignore[union-attr]
    assert instrument.source == f"scpi:{bench.address} (ACME PM9000)"
    assert instrument.details["setup_confirmed"] == "yes"
    assert (instrument.limits.gain, instrument.limits.assumed) == (0.001, False)
    assert bench.heard.count("SENS:AVER 16") == 1
    meter.close()


def test_a_refused_setup_and_a_query_that_nobody_answers(start: Start) -> None:
    with pytest.raises(MeterError, match=r"refused a command of device\.meter\.setup"):
        probe(Scpi(settings(start(**{"*ESR?": "32"}), setup=["SENS:POWR 20"])))
    with pytest.raises(MeterError, match=r"did not answer 'MEASURE\?'"):
        probe(Scpi(settings(start(), query="MEASURE?")))


def test_one_that_never_ends_its_line_is_given_up() -> None:
    with Dripping(b"", 5.0) as address, pytest.raises(MeterError, match=r"no whole line within 0\.3 s"):
        Scpi(Meter("scpi", address, scope="board_dc_in", timeout_s=0.3)).open()


def test_a_status_that_is_no_number_confirms_nothing(start: Start) -> None:
    meter = Scpi(settings(start(**{"*ESR?": "1e999"}), setup=["SENS:POW:RANG 20"]))
    assert meter.open().details["setup_confirmed"].startswith("no")
    meter.close()


def test_the_end_of_one_is_not_the_end_of_the_others(start: Start) -> None:
    one, other = (Scpi(settings(start()), FakeTime().clocks) for _ in range(2))
    for meter in (one, other):
        meter.open()
    one.close()
    assert isinstance(next(iter(other.readings(threading.Event()))), Reading)
    other.close()


def test_a_late_answer_is_not_taken_for_the_next_one(start: Start) -> None:
    bench = start()
    meter = Scpi(settings(bench), FakeTime().clocks)
    meter.open()
    readings, hold = meter.readings(threading.Event()), threading.Event()
    bench.answers["MEAS:POW?"] = lambda: str(hold.wait(0.5)) and "1.0"
    assert isinstance(next(readings), Missed)
    bench.answers["MEAS:POW?"] = "2.0"
    hold.set()
    found = next(readings)
    assert isinstance(found, Reading)
    assert found.watts == 2.0
    meter.close()


@pytest.mark.parametrize(
    ("answer", "channel", "value"),
    [("5.01", 0, 5.01), (" 5010 mW\r\n", 0, 5.01), ("12.0 V,0.5W", 1, 0.5), ("+1E0,-2.5e0", 1, -2.5), (".5", 0, 0.5)],
)
def test_what_it_may_answer(answer: str, channel: int, value: float) -> None:
    assert watts(answer, channel) == pytest.approx(value)


@pytest.mark.parametrize("answer", ["12.0 V", "", "ERROR", "9.91E37", "9.9E+37", "1.0,2.0 A"])
def test_what_is_no_power(answer: str) -> None:
    with pytest.raises(MeterError):
        watts(answer, 1 if "," in answer else 0)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("USB0::x", "device.meter.address is no VISA resource"),
        ("TCPIP::no..name::inst0::INSTR", "cannot be reached: is its name right"),
        ("127.0.0.1:1", "Connection refused"),
    ],
)
def test_what_cannot_be_opened_is_said_in_words(address: str, words: str) -> None:
    with pytest.raises(MeterError) as caught:
        Scpi(Meter("scpi", address, scope="board_dc_in", timeout_s=1)).open()
    assert words in caught.value.message


def test_addresses() -> None:
    assert resource("pm1:5025") == "TCPIP::pm1::5025::SOCKET"
    assert resource("TCPIP::10.0.0.7::inst0::INSTR") == "TCPIP::10.0.0.7::inst0::INSTR"
