"""The random model of a lab with boards that go out of use, recover or do not, with budgets, homes and stops."""

from __future__ import annotations

import threading
import time
import traceback
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from orchestrator.errors import ConnectionFailed, Interrupted
from orchestrator.fleet import Builds, Fleet, Turns
from orchestrator.fleet.ward import Ward
from orchestrator.health import Book
from orchestrator.history import Estimate
from orchestrator.result import Result
from tests.fleet import test_scheduling as model
from tests.measurement.records import make_sweep


class Clinic:
    """Health checks and links as the world has them; all the rest of a ward is real."""

    def __init__(self, world: model.World, away: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.world, self.away = world, away
        for name, double in (("examine", self.examine), ("connect", self.connect)):
            monkeypatch.setattr(f"orchestrator.fleet.ward.{name}", double)
        monkeypatch.setattr("orchestrator.fleet.ward.Golden", SimpleNamespace(shipped=lambda *_: None))
        monkeypatch.setattr("orchestrator.fleet.ward.LOOK_S", 0.002)
        monkeypatch.setattr(Ward, "_is_taken", lambda *_: world.happens(0.1))

    def examine(self, board: Any, workshop: Any, stop: threading.Event, *_: Any) -> Any:
        self.world.passes()
        if stop.is_set():
            raise Interrupted("stop")
        if self.world.happens(0.15):
            return SimpleNamespace(healthy=None, why="held")
        sick = board.name in self.away or self.world.happens(0.3)
        return SimpleNamespace(healthy=not sick, why="sick" if sick else "ready")

    def connect(self, board: Any, **_: Any) -> Any:
        if board.name in self.away or self.world.happens(0.3):
            raise ConnectionFailed("no answer")
        return SimpleNamespace(__enter__=lambda *_: None, __exit__=lambda *_: None)


def flown(
    world: model.World,
    plan: Any,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    session: Any,
    stop_s: float | None = None,
    ends_s: float | None = None,
    every: bool = True,
    timeout_s: float = 60.0,
) -> list[Result]:
    """Run a plan to its end; where it hangs, every lane says where."""
    monkeypatch.setattr("orchestrator.fleet.lane.Session", session)
    monkeypatch.setattr("orchestrator.fleet.desk.OPENING_S", 0.05)
    monkeypatch.setattr("orchestrator.fleet.desk.HOME_S", 0.05)
    monkeypatch.setattr("orchestrator.fleet.pool.HOME_S", 0.05)
    monkeypatch.setattr("orchestrator.fleet.arrivals.RETRY_S", 0.002)
    monkeypatch.setattr("orchestrator.fleet.arrivals.PAUSE_S", 0.002)
    stop, turns = threading.Event(), Turns(0.01)
    results: list[Result] = []
    builds = Builds(model.ModelBuilder(world), turns, stop)  # type: ignore[arg-type]
    workshop = SimpleNamespace(local=None, holds=None)
    ward = Ward(Book(folder), workshop, model.Quiet(), stop, folder, "sweep", every)  # type: ignore[arg-type]
    fleet = Fleet(
        make_sweep(folder), None, builds, turns, model.Quiet(), lambda r: results.append(r) is None, stop,  # type: ignore[arg-type]
        ends_s=ends_s, ward=ward,
    )  # fmt: skip
    timer = threading.Timer(stop_s or 0.0, stop.set)
    if stop_s is not None:
        timer.start()
    thread = threading.Thread(target=fleet.run, args=(plan,), daemon=True)
    thread.start()
    thread.join(timeout_s)
    if thread.is_alive():
        import sys

        frames = sys._current_frames()
        lanes = [t for t in threading.enumerate() if t.name.startswith("lane")]
        where = "".join("".join(traceback.format_stack(frames[t.ident])[-4:]) for t in lanes if t.ident)
        stop.set()
        raise AssertionError(f"it hangs: {[t.name for t in lanes]}\n{where}")
    builds.close()
    return results


@pytest.mark.parametrize("seed", range(16))
def test_every_cell_comes_to_one_result_whatever_becomes_of_the_boards(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = model.World(seed)
    plan = model.matrix(tmp_path, world.chance)
    wait = {"wait_s": 0.01, "per_hour": 0}

    def at_home(entry: Any) -> Any:
        settings = entry.cell.settings
        device = replace(settings.device, recovery=replace(settings.device.recovery, **wait))
        cell = replace(entry.cell, settings=replace(settings, device=device))
        home = world.chance.choice([None, "p1", "p2", "x"])
        return replace(entry, cell=cell, estimate=Estimate(entry.estimate.seconds * 0.02), home=home)

    plan = replace(plan, entries=tuple(map(at_home, plan.entries)))
    away = {0: {"p1", "z"}, 1: {"p1", "p2", "p3"}}.get(seed % 5, set())
    Clinic(world, away, monkeypatch)
    stop_s = world.chance.random() * 0.15 if seed % 4 == 0 else None
    ends_s = time.monotonic() + world.chance.random() * 0.4 if seed % 3 == 1 else None
    results = flown(
        world, plan, tmp_path, monkeypatch,
        session=model.session_class(world, away), stop_s=stop_s, ends_s=ends_s, every=seed % 2 == 0,
    )  # fmt: skip
    assert Counter(r.number for r in results) == Counter(e.cell.number for e in plan.entries)
    assert not world.wrong and not any(world.busy.values())
    if ends_s is None:
        assert not any(r.status == "not run" for r in results)


@pytest.mark.parametrize("hosts", [("s",), ("p1", "p2")])
def test_a_cell_that_takes_its_board_down_each_time_comes_to_a_result(
    hosts: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each turn takes the board down; it does not answer twice, fails a check, and then is back, as by a watchdog."""
    world = model.World(0, reliable=True)
    down: dict[str, int] = defaultdict(int)
    turns: Counter[str] = Counter()
    checks: Counter[str] = Counter()
    session = model.session_class(world, set())
    opened = session.open

    def open_(self: Any, progress: Any, wait_s: float) -> Any:
        if down[self.board.name] > 0:
            down[self.board.name] -= 1
            raise ConnectionFailed("no answer")
        return opened(self, progress, wait_s)

    def run(self: Any, *_: Any) -> Any:
        turns[self.board.name] += 1
        down[self.board.name] = 2
        self.close()
        raise ConnectionFailed("the link was lost and did not come back")

    monkeypatch.setattr(session, "open", open_)
    monkeypatch.setattr(session, "run", run)
    clinic = Clinic(world, set(), monkeypatch)

    def examine(board: Any, workshop: Any, stop: threading.Event, *_: Any) -> Any:
        if stop.is_set():
            raise Interrupted("stop")
        checks[board.name] += 1
        return SimpleNamespace(healthy=checks[board.name] % 2 == 0, why="sick")

    monkeypatch.setattr("orchestrator.fleet.ward.examine", examine)
    monkeypatch.setattr(clinic, "away", set())
    monkeypatch.setattr(Ward, "_is_taken", lambda *_: False)
    (result,) = flown(
        world, model.placed(tmp_path, model.cell(0, *hosts)), tmp_path, monkeypatch, session=session, timeout_s=20
    )
    assert result.status == "failed" and turns.total() <= 6
