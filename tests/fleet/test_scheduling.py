"""A model of scheduling: sessions and builds that take no time and fail at random. Boards themselves are tested on
real servers (tests/sweeps); here thousands of courses of events are tried, and every cell comes to one result."""

from __future__ import annotations

import random
import sys
import threading
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.artifact import Artifact
from orchestrator.builder import Recipe
from orchestrator.cell import Cell
from orchestrator.device import Board
from orchestrator.errors import BoardBusy, BoardNotReady, BuildError, ConnectionFailed, HoldLost, Interrupted, JobLost
from orchestrator.fleet import Builds, Fleet, Turns
from orchestrator.fleet.plan import Entry, Plan
from orchestrator.result import Result
from orchestrator.session import Left, Waiting
from orchestrator.session.following import Outcome
from tests.fleet.test_pool import cell, entries
from tests.measurement.records import make_sweep

RAN = {"type": "Ran", "message": "to its end", "phase": "measure", "traceback": ""}


class World:
    """What happens, by chance; and what must never happen."""

    def __init__(self, seed: int, reliable: bool = False) -> None:
        self.chance = random.Random(seed)
        self.reliable = reliable
        self.lock = threading.Lock()
        self.busy: Counter[str] = Counter()  # sessions by machine
        self.wrong: list[str] = []
        self.together: threading.Barrier | None = None

    def happens(self, probability: float) -> bool:
        with self.lock:
            return not self.reliable and self.chance.random() < probability

    def passes(self) -> None:
        with self.lock:
            wait_s = self.chance.random() * 0.004
        time.sleep(wait_s)


class ModelBuilder:
    def __init__(self, world: World) -> None:
        self.world = world

    def has(self, recipe: Recipe) -> bool:
        return self.cached(recipe) is not None

    def cached(self, recipe: Recipe) -> Artifact | None:
        return artifact(recipe) if int(recipe.key[:2], 16) < 100 else None

    def build(self, recipe: Recipe, cancelled: Any) -> Artifact:
        self.world.passes()
        if self.world.happens(0.1):
            raise BuildError("it cannot be built")
        return artifact(recipe)

    def close(self) -> None:
        pass


def artifact(recipe: Recipe) -> Artifact:
    return Artifact(recipe.key, Path("/nonexistent"), recipe.key, 1, {"format": "tflite"})


def session_class(world: World, away: set[str]) -> type:
    class ModelSession:
        facts = None

        def __init__(self, board: Board, workshop: object, stop: threading.Event) -> None:
            self.board, self.stop, self.opened = board, stop, False
            self.ended_by: HoldLost | None = None

        def open(self, progress: object, wait_s: float) -> None:
            world.passes()
            if self.ended_by is not None:
                world.wrong.append(f"{self.board.name} was taken again from who has ended our hold")
            if not self.opened:
                with world.lock:
                    world.busy[self.board.machine] += 1
                    if world.busy[self.board.machine] > 1:
                        world.wrong.append(f"two sessions on {self.board.machine}")
            try:
                if self.board.name in away or world.happens(0.2):
                    raise ConnectionFailed("no answer")
                if world.happens(0.05):
                    raise BoardBusy("somebody else's")
                if world.happens(0.1):  # somebody else's for long
                    if self.stop.wait(0.15):
                        raise Interrupted("not wanted any more")
                    raise BoardBusy("still somebody else's")
            except BaseException:
                self.gone()
                raise
            self.opened = True

        def gone(self) -> None:
            with world.lock:
                world.busy[self.board.machine] -= 1
            self.opened = False

        def close(self) -> None:
            if self.opened:
                self.gone()

        def news(self) -> list[str]:
            return []

        def left(self, prefix: str) -> list[Left]:
            return []

        def waiting(self) -> Waiting | None:
            return Waiting(1) if world.happens(0.1) else None

        def taken(self, run_ids: list[str]) -> None:
            pass

        def lacks(self, *_: object) -> bool:
            return False

        def equip(self, *_: object) -> None:
            pass

        def deploy(self, *_: object) -> None:
            if world.happens(0.05):
                raise BoardNotReady("its disk is full")

        def run(self, *_: object) -> Outcome:
            if not self.opened:
                world.wrong.append(f"a cell on {self.board.name}, which is not open")
            world.passes()
            if world.together is not None:
                world.together.wait(20)
            if world.happens(0.05):
                raise ConnectionFailed("the link is gone")
            if world.happens(0.03):
                raise JobLost("the board restarted")
            if world.happens(0.02):
                raise HoldLost("somebody wants the board")
            if world.happens(0.03):
                raise KeyError("a bug")
            return Outcome({"error": RAN, "run_id": "run-1"}, "", "litert", None)

    return ModelSession


class Quiet:
    def at(self, *_: object) -> None: ...

    def told(self, *_: object) -> None: ...

    def done(self, *_: object) -> None: ...


def run(
    world: World, plan: Plan, folder: Path, monkeypatch: pytest.MonkeyPatch, *, away: set[str], stop_s: float | None
) -> list[Result]:
    monkeypatch.setattr("orchestrator.fleet.lane.Session", session_class(world, away))
    monkeypatch.setattr("orchestrator.fleet.desk.OPENING_S", 0.05)
    monkeypatch.setattr("orchestrator.fleet.arrivals.RETRY_S", 0.002)
    stop, turns, results = threading.Event(), Turns(0.01), []
    builds = Builds(ModelBuilder(world), turns, stop)  # type: ignore[arg-type]
    sweep = make_sweep(folder)
    fleet = Fleet(sweep, None, builds, turns, Quiet(), lambda r: results.append(r) is None, stop)  # type: ignore[arg-type]
    if stop_s is not None:
        threading.Timer(stop_s, stop.set).start()
    fleet.run(plan)
    builds.close()
    return results


def matrix(folder: Path, chance: random.Random) -> Plan:
    """Pools, single boards, two devices of one machine, and the controller's own."""
    devices: list[tuple[tuple[str, ...], str | None]] = [
        (("p1", "p2", "p3"), None),
        (("s",), None),
        (("x", "y"), "shared"),
        (("z",), "shared"),
        (("me",), "controller"),
    ]
    cells = []
    for number in range(24):
        hosts, machine = chance.choice(devices)
        cells.append(cell(number, *hosts, machine=machine))
    made: list[Entry] = entries(*cells, seconds=[chance.choice([1.0, 2.0, 3.0]) for _ in cells])
    return Plan(tuple(replace(e, cell=replace(e.cell, directory=folder / str(e.cell.number))) for e in made), {})


@pytest.mark.parametrize("seed", range(20))
def test_every_cell_comes_to_exactly_one_result(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(seed)
    plan = matrix(tmp_path, world.chance)
    stop_s = world.chance.random() * 0.1 if seed % 4 == 0 else None
    away = {"p1", "z"} if seed % 3 == 0 else set()
    results = run(world, plan, tmp_path, monkeypatch, away=away, stop_s=stop_s)
    assert sorted(r.number for r in results) == [e.cell.number for e in plan.entries]
    assert not world.wrong
    assert not any(world.busy.values()), "a session was left open"
    if stop_s is None:
        assert {r.status for r in results} == {"failed"}, [r.why for r in results if r.status != "failed"]


def placed(folder: Path, *cells: Cell) -> Plan:
    """A plan whose cells have a folder of their own."""
    made = entries(*cells)
    return Plan(tuple(replace(e, cell=replace(e.cell, directory=folder / str(e.cell.number))) for e in made), {})


def test_all_boards_of_a_pool_work_at_once_and_evenly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hosts = [f"r{n}" for n in range(8)]
    world = World(0, reliable=True)
    world.together = threading.Barrier(len(hosts))  # no cell ends before every board has one
    results = run(
        world, placed(tmp_path, *(cell(n, *hosts) for n in range(64))), tmp_path, monkeypatch, away=set(), stop_s=None
    )
    assert {r.error.type for r in results if r.error} == {"Ran"}
    assert Counter(r.board for r in results) == dict.fromkeys(hosts, 8)


def test_a_build_that_times_out_by_itself_fails_its_cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a network folder: it is no interruption, and nobody waits for it any more."""

    def build(*_: object, **__: object) -> Artifact:
        raise TimeoutError(110, "Connection timed out")

    monkeypatch.setattr(ModelBuilder, "build", build)
    monkeypatch.setattr(ModelBuilder, "cached", lambda *_: None)
    results = run(
        World(0, reliable=True), placed(tmp_path, cell(0, "a")), tmp_path, monkeypatch, away=set(), stop_s=None
    )
    assert [(r.status, "timed out" in r.why) for r in results] == [("failed", True)]


def test_what_nobody_waits_for_is_not_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, lost, built = threading.Event(), threading.Event(), []

    def build(builder: ModelBuilder, recipe: Recipe, cancelled: object) -> Artifact:
        begun.set()
        assert lost.wait(20), "the board is never given up"
        built.append(recipe.key)
        return artifact(recipe)

    monkeypatch.setattr(ModelBuilder, "build", build)
    monkeypatch.setattr(ModelBuilder, "cached", lambda *_: None)
    keep = Builds.keep
    monkeypatch.setattr(Builds, "keep", lambda *a: (begun.wait(20), keep(*a), lost.set()))
    plan = placed(tmp_path, *(cell(n, "gone") for n in range(5)), cell(0, "here"), cell(9, "here"))
    results = run(World(0, reliable=True), plan, tmp_path, monkeypatch, away={"gone"}, stop_s=None)
    assert Counter(r.board for r in results) == {"gone": 5, "here": 2}
    assert {e.key for e in plan.entries if e.cell.settings.device.name == "here"} <= set(built)
    assert len(built) <= 3, "the one that had begun, and what somebody waits for"


def test_a_board_that_waits_for_a_hold_lets_the_machines_other_board_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.fleet.arrivals.SLICE_S", 0.01)
    monkeypatch.setattr("orchestrator.fleet.arrivals.PAUSE_S", 0.05)
    world, waits = World(0, reliable=True), []
    model = session_class(world, set())
    opens = model.open  # type: ignore[attr-defined]

    def held(session: Any, progress: object, wait_s: float) -> None:
        if session.board.name == "held":
            waits.append(wait_s)
            raise BoardBusy("somebody else's")
        opens(session, progress, wait_s)

    model.open = held  # type: ignore[attr-defined]
    monkeypatch.setattr(sys.modules[__name__], "session_class", lambda *_: model)
    made = [cell(0, "held", machine="m"), cell(1, "free", machine="m")]
    waiting = replace(made[0].settings, device=replace(made[0].settings.device, wait_for_hold_s=60.0))
    plan = placed(tmp_path, replace(made[0], settings=waiting), made[1])
    results = run(world, plan, tmp_path, monkeypatch, away=set(), stop_s=None)
    assert [r.board for r in results] == ["free", "held"]
    assert waits[0] == 0.01 and sum(waits) == pytest.approx(60)
