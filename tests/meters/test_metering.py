"""The meter during a job: what a session keeps of it, whatever happens to the instrument or the link."""

from __future__ import annotations

import json
import math
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.device import Board, Device, Meter
from orchestrator.energy.limits import UNKNOWN, Limits
from orchestrator.energy.reading import LONGEST_INTERVAL, reading
from orchestrator.energy.trace import of_meter
from orchestrator.errors import BoardError, ConnectionFailed, MeterError
from orchestrator.meters import Instrument, Reading, Recording, probe, usual
from orchestrator.meters.kinds import meter_of
from orchestrator.meters.poll import most_doubt_s
from orchestrator.meters.seam import Ended
from orchestrator.meters.windows import shortest_s
from orchestrator.provisioning import Program
from orchestrator.session.following import follow
from orchestrator.session.link import Link, Workshop
from orchestrator.session.metering import Metering, trouble
from remote import contract

NONE = Program(Path("none"), "", 0)
RUN = {"idle": [], "windows": [{"begin_s": 0.0, "end_s": 60.0, "inferences": 1, "group": 1, "invoke_ns": [1]}]}


def board(code: str, **more: object) -> Board:
    meter = Meter("command", command=[sys.executable, "-c", code], scope="board_dc_in", **more)  # type: ignore[arg-type]
    return Board(Device("pi4", ["pi4-01"], meter=meter), "pi4-01")


class Supervisor:
    """Answers ``clock``; its clock is 100 s ahead. ``fails`` are raised first."""

    def __init__(self, *fails: Exception) -> None:
        self.fails = list(fails)

    def request(self, op: str, **_: Any) -> dict[str, Any]:
        assert op == "clock"
        if self.fails:
            raise self.fails.pop(0)
        return {"t": time.monotonic() + 100.0}


def until_read(metering: Metering) -> None:
    end = time.monotonic() + 20
    while not (metering._recording and metering._recording._points):
        assert time.monotonic() < end
        time.sleep(0.005)


GOOD = "import time\nwhile True: print('- 4.5', flush=True); time.sleep(0.01)"


def test_the_boards_clock_is_seen_before_and_after_also_over_a_lost_link() -> None:
    metering = Metering(board(GOOD, lag_s=0), NONE, threading.Event(), {"idle_s": 1.0, "energy_s": 20.0})
    metering.sight(Supervisor(AssertionError("nothing is recorded yet")))  # type: ignore[arg-type]
    metering.begin()
    with pytest.raises(ConnectionFailed):
        metering.sight(Supervisor(ConnectionFailed("lost")))  # type: ignore[arg-type]
    metering.sight(Supervisor())  # type: ignore[arg-type]
    metering.sight(Supervisor(AssertionError("once is enough")))  # type: ignore[arg-type]
    until_read(metering)
    metering.sight(Supervisor(), again=True)  # type: ignore[arg-type]
    found = metering.finish({})
    assert found is not None
    assert found.clock is not None
    assert found.clock.offset_s == pytest.approx(100.0, abs=found.clock.bound_s + 1e-6)
    assert found.clock.round_trips == 40
    assert of_meter(found).t_s[0] == pytest.approx(found.points[0][0] + found.clock.offset_s)
    assert found.invalid is None
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("meter")]


@pytest.mark.parametrize(("lost", "before_s", "told"), [(True, 7.0, True), (True, -7.0, False), (False, 7.0, False)])
def test_a_pass_that_began_while_the_link_was_away_says_so(lost: bool, before_s: float, told: bool) -> None:
    """The first look of the board's at idle, before the recording or after it."""
    metering = Metering(board(GOOD, lag_s=0), NONE, threading.Event(), {"idle_s": 1.0, "energy_s": 20.0})
    if lost:
        metering.away()
    metering.begin()
    metering.away()  # afterwards it matters no more: the recording goes on
    began_s = time.monotonic() + 100.0
    metering.sight(Supervisor())  # type: ignore[arg-type]
    until_read(metering)
    metering.sight(Supervisor(), again=True)  # type: ignore[arg-type]
    idle = {"begin_s": began_s - before_s, "end_s": began_s - before_s + 1}
    window = {**RUN["windows"][0], "begin_s": idle["end_s"], "end_s": idle["end_s"] + 20}
    found = metering.finish({"energy": {"pass": {"idle": [idle], "windows": [window]}}})
    assert found is not None
    says = str(reading(of_meter(found), {"idle": [idle], "windows": [window]}, 0.0))
    assert ("the link to the board was away when its energy pass began: recorded only from 7.0 s" in says) == told
    assert found.invalid is None


def test_a_clock_that_cannot_be_seen_costs_the_energy_and_not_the_cell() -> None:
    metering = Metering(board(GOOD), NONE, threading.Event(), {"idle_s": 1.0, "energy_s": 20.0})
    metering.begin()
    metering.sight(Supervisor(BoardError("no such operation: 'clock'")))  # type: ignore[arg-type]
    until_read(metering)
    metering.sight(Supervisor(), again=True)  # type: ignore[arg-type]
    found = metering.finish({})
    assert found is not None
    assert found.clock is None
    assert "no such operation" in str(reading(of_meter(found), RUN, 0.0))


def test_one_that_is_not_there_is_told_with_the_way_out_and_kept_with_its_reason() -> None:
    absent = board("import sys; sys.exit('is it plugged in?')")
    (told,) = trouble(absent, NONE, threading.Event())
    assert all(words in told for words in ("command", "is it plugged in?", "orchestrator meter device="))
    stop = threading.Event()
    metering = Metering(absent, NONE, stop, {"idle_s": 1.0, "energy_s": 20.0})
    metering.begin()
    end = time.monotonic() + 20
    while metering._recording is None or metering._recording.problem is None:
        assert time.monotonic() < end
        time.sleep(0.005)
    found = metering.finish({})
    assert found is not None
    assert "is it plugged in?" in str(reading(of_meter(found), RUN, 0.0))
    assert trouble(board(GOOD), NONE, stop) == []


def test_an_interrupt_leaves_no_thread() -> None:
    metering = Metering(board(GOOD), NONE, threading.Event(), {"idle_s": 1.0, "energy_s": 20.0})
    metering.begin()
    metering.close()
    metering.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("meter")]


def test_what_no_instrument_should_do_is_its_problem_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def open(self) -> None:
            raise ZeroDivisionError("a bug of a driver")

        def close(self) -> None:
            pass

    monkeypatch.setattr("orchestrator.session.metering.meter_of", lambda *_: Broken())
    (told,) = trouble(board(GOOD), NONE, threading.Event())
    assert "ZeroDivisionError: a bug of a driver" in told
    recording = Recording("scpi", Broken())  # type: ignore[arg-type]
    recording.stop()
    assert recording.readings() is None
    assert recording.problem == "ZeroDivisionError: a bug of a driver"
    assert meter_of(board(GOOD).meter, lambda: 1 / 0) is not None  # type: ignore[arg-type]


class Says:
    """An instrument that gives these readings and no more."""

    def __init__(self, *readings: Reading, limits: Limits = UNKNOWN) -> None:
        self.said, self.limits, self.done = readings, limits, threading.Event()

    def open(self) -> Instrument:
        return Instrument("scpi:pm", "board_dc_in", None, self.limits)

    def readings(self, stop: threading.Event) -> Iterator[Reading]:
        yield from self.said
        self.done.set()
        stop.wait()

    def ended(self) -> Ended:
        return Ended()

    def close(self) -> None:
        pass


def test_what_is_no_number_is_no_reading_and_the_rest_can_be_kept() -> None:
    nan, inf = math.nan, math.inf
    odd = [Reading(nan, 5), Reading(inf, 5), Reading(1, nan), Reading(1, 5, nan)]
    meter = Says(*odd, Reading(2, 5), Reading(math.nextafter(2, 3), 5))
    recording = Recording("scpi", meter)
    assert meter.done.wait(20)
    recording.stop()
    found = recording.readings()
    assert found is not None
    assert (len(found.points), found.missed) == (2, 4)
    json.dumps(found.to_json(), allow_nan=False)


def test_a_probe_ends_whatever_the_instrument_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.meters.recording.PROBE_S", 0.05)
    with pytest.raises(MeterError, match="gave no reading"):
        probe(Says())  # waits until it is stopped
    stop = threading.Event()
    stop.set()
    monkeypatch.setattr("orchestrator.meters.recording.PROBE_S", 60.0)
    with pytest.raises(MeterError, match="gave no reading"):
        probe(Says(), stop)


def test_what_does_not_end_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.meters.recording.PATIENCE_S", 0.01)
    release = threading.Event()

    class Deaf(Says):
        def ended(self) -> Ended:
            release.wait(20)
            return Ended()

    meter = Deaf(Reading(1, 5))
    recording = Recording("scpi", meter)
    assert meter.done.wait(20)
    recording.stop()
    found = recording.readings()
    release.set()
    recording._thread.join(20)
    assert found is not None
    assert "did not end" in str(found.invalid)
    assert "did not end" in str(recording.ended.invalid)  # also when it does at last


@pytest.mark.parametrize(("kind", "more"), [("shelly", {}), ("tasmota", {"rate_hz": 5.0}), ("scpi", {"lag_s": 2.0})])
def test_windows_of_the_plan_are_enough_for_the_slowest_answers(kind: str, more: dict[str, Any]) -> None:
    meter = Meter(kind, "there", scope="wall_ac", **more)
    rate_hz, limits = meter.rate_hz or usual.RATES_HZ[kind], usual.limits(meter)
    doubt_s, step_s = 0.999 * most_doubt_s(rate_hz, limits.lag_s), LONGEST_INTERVAL / rate_hz
    least_s = shortest_s(meter)
    said = Says(*(Reading(step_s * n, 5.0, doubt_s) for n in range(math.ceil(least_s / step_s) + 1)), limits=limits)
    recording = Recording(kind, said)
    assert said.done.wait(20)
    recording.stop()
    found = recording.readings()
    assert found is not None
    trace = replace(of_meter(replace(found, rate_hz=rate_hz)), invalid=None)
    window = {"begin_s": 0.0, "end_s": least_s, "inferences": 1, "group": 1, "invoke_ns": [1]}
    got = reading(trace, {"idle": [], "windows": [window]}, 0.0)
    assert not isinstance(got, str), got


def test_windows_that_are_too_short_for_the_meter_leave_it_alone_and_say_so() -> None:
    metering = Metering(board(GOOD, lag_s=2.0), NONE, threading.Event(), {"idle_s": 1.0, "energy_s": 3.0})
    metering.begin()
    got = metering.finish({})
    assert got is not None and got.points == ()
    assert got.invalid == "windows of 3 s are too short for it (scenario.energy_s=4 or more)"
    for part in ({"idle_s": 1.0, "energy_s": 0.0}, {"idle_s": 1.0, "energy_s": 20.0}):  # no pass; one that never came
        assert Metering(board(GOOD), NONE, threading.Event(), part).finish({}) is None


def test_a_session_tells_its_metering_of_a_lost_link(monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[Any] = [ConnectionFailed("lost"), contract.ENERGY, contract.FINISHED]
    told: list[str] = []

    class Talk(Supervisor):
        def next_event(self, _: float) -> dict[str, Any]:
            if isinstance(event := events.pop(0), Exception):
                raise event
            return {"run_id": "run", "event": {"event": event}}

        def request(self, op: str, **_: Any) -> dict[str, Any]:
            return {}

    class Told:
        def __getattr__(self, name: str) -> Any:
            return lambda *_, **__: told.append(name)

    link = Link(board(GOOD), Workshop(NONE, Path("none"), "sweep"), threading.Event())
    monkeypatch.setattr(link, "talk", Talk)
    monkeypatch.setattr(link, "reconnect", lambda *_: told.append("back"))
    follow(link, "run", 60.0, Told(), lambda _: None)  # type: ignore[arg-type]
    assert [name for name in told if name != "sight"] == ["away", "back", "begin"]
