"""A sensor on another host: the protocol of the board program's verb ``power``, with clocks that differ."""

from __future__ import annotations

import itertools
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orchestrator.device import Meter
from orchestrator.errors import ConnectionFailed, MeterError
from orchestrator.meters import Missed, Reading, Recording, Sight, offset, sight
from orchestrator.meters.host import Host
from orchestrator.provisioning import Program
from orchestrator.session.metering import HostLink
from remote.__main__ import VERBS
from tests.meters.servers import FakeTime
from tests.sshd import Sshd, home, start_sshd

__all__ = ["home", "start_sshd"]

SENSORS = [
    {"source": "rapl:/sys/class/powercap/intel-rapl:0", "reader": "rapl", "rail": "package-0", "kind": "counter"},
    {"source": "hwmon:ina219 /sys/class/hwmon/hwmon1/power1_input", "reader": "hwmon", "rail": "a[1]"},
    {"source": "hwmon:ina219 /sys/class/hwmon/hwmon2/power1_input", "reader": "hwmon", "rail": "b"},
]


class There:
    """The program over there, as its docstring says it talks. Each way takes its time; its clock drifts."""

    def __init__(self, fake: FakeTime, alone: int | None = None) -> None:
        self.fake, self.alone = fake, alone
        self.ahead_s, self.there_s, self.back_s = 500.0, 0.010, 0.010
        self.orders: list[dict[str, Any]] = []
        self.said: list[dict[str, Any]] = []
        self.going = self.lost = False
        self.opened = 0

    def link(self) -> There:
        self.opened += 1
        self.going, self.said = False, []
        return self

    def send(self, message: Any) -> None:
        if self.lost:
            raise ConnectionFailed("the link to the meter's host was lost")
        self.fake.now_s += self.there_s
        if message == "go":
            self.going = True
        elif "clock" in message:
            self.said.append({"clock": [message["clock"], self.fake.now_s + self.ahead_s]})
        else:
            self.orders.append(message)
            self.said.append({"found": self.found(message["sensor_scopes"])})

    def found(self, scopes: list[dict[str, str]]) -> dict[str, Any]:
        match = {"ina219/a[[]1]": 1, "ina219/b": 2}.get(scopes[0]["match"]) if scopes else self.alone
        one = SENSORS[match] if match else None
        traces = [{"source": "rapl:/sys", "reader": "rapl", "scope": "cpu_package", "kind": "counter", "rate_hz": 10}]
        traces += [{**one, "scope": "board_dc_in", "kind": "sampled", "rate_hz": 10.0}] if one else []
        self.index = len(traces) - 1
        plain = {"kind": "sampled", "used": False, "reason": "several supply monitors", "details": {"shunt": "100000"}}
        return {"sensors": [{**plain, **sensor} for sensor in SENSORS], "traces": traces, "reason": None}

    def receive(self, timeout_s: float) -> dict[str, Any] | None:
        if self.lost:
            raise ConnectionFailed("the link to the meter's host was lost")
        self.fake.now_s += self.back_s
        if self.said:
            return self.said.pop(0)
        return {"p": [self.index, self.fake.now_s - self.back_s + self.ahead_s, 4.5]} if self.going else None

    def close(self) -> None:
        pass


def made(program: There, channel: int = 0) -> Host:
    settings = Meter("host", "pi@ina-host", channel=channel, scope="board_dc_in")
    return Host(settings, program.link, program.fake.clocks)


@pytest.mark.parametrize(("channel", "alone", "opened"), [(0, None, 2), (1, None, 2), (1, 2, 1)])
def test_one_power_monitor_is_read_and_no_sum(channel: int, alone: int | None, opened: int) -> None:
    program = There(FakeTime(), alone)
    meter = made(program, channel)
    instrument = meter.open()
    assert SENSORS[channel + 1]["source"] in instrument.source
    assert f"{channel}: {instrument.details['sensor']}" in instrument.details["channels"]
    assert (instrument.scope, instrument.rate_hz, program.opened) == ("board_dc_in", 10.0, opened)
    stop = threading.Event()
    readings = meter.readings(stop)
    points = [item for item in itertools.islice(readings, 3) if isinstance(item, Reading)]
    truth = program.fake.now_s - program.back_s
    assert [p.watts for p in points] == [4.5] * 3
    assert points[-1].t_s == pytest.approx(truth, abs=1e-9)
    program.ahead_s += 0.004
    stop.set()
    assert not list(readings)
    ended = meter.ended()
    assert ended.invalid is None
    assert (ended.clock_bound_s, ended.clock_drift_s) == pytest.approx((0.010, 0.004))


def test_what_cannot_be_read() -> None:
    with pytest.raises(MeterError, match=r"no sensor 2 \(device\.meter\.channel\), but 0: hwmon:ina219"):
        made(There(FakeTime()), 2).open()
    program = There(FakeTime())
    meter = made(program)
    meter.open()
    readings = meter.readings(threading.Event())
    next(readings)
    program.lost = True
    with pytest.raises(MeterError, match="was lost"):
        next(readings)
    invalid = str(meter.ended().invalid)
    assert "the link to the meter's host was lost; so how far" in invalid
    assert "was not measured at the end" in invalid


def test_a_host_that_sends_no_reading_is_missed_whatever_else_it_says() -> None:
    program = There(FakeTime())
    meter = made(program)
    meter.open()
    program.said = [{"p": [program.index + 1, 1.0, 4.5]}, {"tick": 1}] * 1000
    found = next(meter.readings(threading.Event()))
    assert isinstance(found, Missed)
    assert "sent no reading for 3.0 s" in found.why


def test_what_has_no_time_is_no_reading_and_a_clock_without_one_is_none() -> None:
    program = There(FakeTime())
    meter = made(program)
    meter.open()
    readings = meter.readings(threading.Event())
    next(readings)
    program.said.append({"p": [program.index, float("nan"), 4.5]})
    assert isinstance(next(readings), Missed)
    program.ahead_s = float("nan")
    with pytest.raises(MeterError, match="clock makes no sense"):
        made(program).open()


def test_the_shortest_round_trip_bounds_the_offset_however_unlike_its_ways_are() -> None:
    """The mean of all trips, or the last one, would be wrong by up to a second and say nothing of it."""
    fake, ways = FakeTime(), itertools.cycle([(0.003, 0.001), (0.5, 0.001), (0.001, 2.0)])

    def ask() -> float:
        there, back = next(ways)
        fake.now_s += there
        theirs = fake.now_s - 123.0
        fake.now_s += back
        return theirs

    found = sight(ask, fake.clocks.monotonic)
    assert found.bound_s == pytest.approx(0.002)
    assert abs(found.offset_s + 123.0) <= found.bound_s
    assert found.round_trips == 20
    after = Sight(found.offset_s + 0.006, 0.001, 20)
    both = offset(found, after, bound_s=0.01, drift_s=-0.002)
    assert (both.offset_s, both.bound_s) == pytest.approx((found.offset_s + 0.003, 0.012))
    assert (both.drift_s, both.round_trips) == (pytest.approx(0.008), 40)


@pytest.mark.skipif("power" not in VERBS, reason="needs the board program's verb power")
@pytest.mark.usefixtures("home")
def test_over_ssh_with_the_program_itself(tmp_path: Path, start_sshd: Callable[..., Sshd]) -> None:
    for number, (label, watts) in enumerate((("in", 3.5), ("board-b", 4.5))):
        folder = tmp_path / "sys" / "class" / "hwmon" / f"hwmon{number}"
        folder.mkdir(parents=True)
        for name, text in (("name", "ina219"), ("power1_label", label), ("power1_input", f"{watts * 1e6:.0f}")):
            (folder / name).write_text(text + "\n")
    server = start_sshd(extra=f"SetEnv HOME={tmp_path}")
    board = server.board()
    settings = Meter("host", board.host, channel=1, scope="board_dc_in", python=sys.executable)
    program = Program.built(tmp_path / "cache")
    link = Host(settings, lambda: HostLink(board, settings, program), sys_root=str(tmp_path / "sys"))
    recording, end = Recording("host", link), time.monotonic() + 30
    while len(recording._points) < 3:
        assert time.monotonic() < end, recording.problem
        time.sleep(0.01)
    recording.stop()
    found = recording.readings()
    assert found is not None
    assert found.invalid is None
    assert {watts for _, watts in found.points} == {4.5}
    assert abs(found.points[-1][0] - time.monotonic()) < 30  # on our clock, which is theirs here
    assert 0 < recording.ended.clock_bound_s < 0.05
    assert (tmp_path / ".cache" / "edge-orchestrator").is_dir()
