"""The temperature gate against a sensor file whose board cools as we say, on a clock of our own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from remote import gate
from remote.board import State
from tests.remote.boards import Board
from tests.remote.test_benchmark import run_benchmark
from tests.remote.test_board import write


class Room:
    """A clock that only the gate's sleeping moves, and a board whose temperature is a function of it."""

    def __init__(self, root: Path, celsius: Callable[[float], float]) -> None:
        self.workdir = str(root)
        self.now, self._celsius = 0.0, celsius
        self._sensor = root / "class/thermal/thermal_zone0/temp"
        write(root / "class/thermal/thermal_zone0/type", "cpu-thermal")
        self.sleep(0.0)
        self.state = State(str(root))
        self.said: list[dict[str, Any]] = []

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        write(self._sensor, round(1000 * self._celsius(self.now)))

    def gate(self, limit_c: float, patience_s: float) -> gate.Gate:
        return gate.Gate(
            limit_c, patience_s, self.state, gate.Coldest(self.workdir, 1), lambda **how: self.said.append(how)
        )


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[float], float]], Room]:
    def made(celsius: Callable[[float], float]) -> Room:
        found = Room(tmp_path, celsius)
        monkeypatch.setattr(gate, "time", SimpleNamespace(monotonic=lambda: found.now, sleep=found.sleep))
        return found

    return made


def test_it_waits_until_the_board_is_cool(room: Any) -> None:
    cooling = room(lambda now: 70.0 - now)
    waiting = cooling.gate(55.0, 60.0)
    waiting.wait(1)
    (outcome,) = waiting.outcomes
    assert outcome == pytest.approx(
        {"number": 1, "begin_s": 0.0, "waited_s": 15.0, "limit_c": 55.0, "temperature_c": 55.0, "passed": True}
    )
    assert [round(said["temperature_c"]) for said in cooling.said] == [70, 65, 60]
    waiting.wait(2)
    assert waiting.outcomes[1]["waited_s"] == 0.0


def test_its_patience_ends_and_it_says_how_warm_the_board_is(room: Any) -> None:
    waiting = room(lambda now: 70.0 - now / 2).gate(55.0, 20.0)
    waiting.wait(1)
    assert waiting.outcomes[0] == pytest.approx(
        {"number": 1, "begin_s": 0.0, "waited_s": 20.0, "limit_c": 55.0, "temperature_c": 60.0, "passed": False}
    )


def test_a_limit_below_idle_does_not_cost_the_whole_patience_each_time(room: Any) -> None:
    """Idle is 58 C. Each process leaves the board at 70 C."""
    began = [0.0]
    warm = room(lambda now: max(58.0, 70.0 - (now - began[0])))
    outcomes = []
    for number in (1, 2, 3):  # each in a job of its own, as where cells take turns
        began[0] = warm.now
        warm.sleep(0.0)
        waiting = warm.gate(55.0, 300.0)
        waiting.wait(number)
        outcomes += waiting.outcomes
    first, *rest = outcomes
    assert first["waited_s"] == pytest.approx(12 + gate.STILL_S, abs=1)
    assert [later["waited_s"] for later in rest] == pytest.approx([11, 11], abs=1)
    assert [outcome["passed"] for outcome in outcomes] == [False] * 3
    assert all(58.0 <= outcome["temperature_c"] <= 59.0 for outcome in outcomes)
    assert gate.Coldest(warm.workdir, 2).celsius is None  # another session finds out for itself


def test_without_a_sensor_there_is_no_wait_and_a_reason(tmp_path: Path) -> None:
    state = State(str(tmp_path))
    waiting = gate.Gate(55.0, 60.0, state, gate.Coldest(str(tmp_path), 1), lambda **how: None)
    waiting.wait(1)
    assert waiting.outcomes == []
    assert "no temperature sensor" in state.missing["gates"]


def test_a_job_waits_before_each_process_and_measures_all_the_same(ready: Board, tmp_path: Path) -> None:
    write(tmp_path / "sys/class/thermal/thermal_zone0/type", "cpu-thermal")
    write(tmp_path / "sys/class/thermal/thermal_zone0/temp", 61000)
    record = run_benchmark(ready, tmp_path / "sys", cool_to_c=55.0, cool_down_s=0.2, processes=2, of=2, cpus=[0])
    gates = record["state"]["gates"]
    assert [(one["number"], one["passed"], one["temperature_c"]) for one in gates] == [
        (1, False, 61.0),
        (2, False, 61.0),
    ]
    assert gates[0]["waited_s"] >= 0.2
    assert [process["cpus"] for process in record["processes"]] == [[0], [0]]
