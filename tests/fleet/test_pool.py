"""Who gets which cell: the longest first, and no cell waits for a board that does not come."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import pytest

from orchestrator.cell import Cell
from orchestrator.fleet.desk import OPENING_S, Desk
from orchestrator.fleet.forecast import forecast
from orchestrator.fleet.order import build_order
from orchestrator.fleet.plan import Entry, Plan, plan
from orchestrator.fleet.pool import Berth, berths_of, pools_of
from orchestrator.history import Estimate
from tests.config.composing import jobs


@cache
def digits() -> Cell:
    """Composing takes a while, so once."""
    return jobs(Path("/nonexistent"), ["model=digits"])[0].cell


def cell(number: int, *hosts: str, machine: str | None = None, quantization: str = "none", interleave: int = 1) -> Cell:
    settings = digits().settings
    device = replace(settings.device, name=hosts[0], hosts=list(hosts), machine=machine)
    optimization = replace(
        settings.optimization, name=quantization, steps=[] if quantization == "none" else [quantization]
    )
    return replace(
        digits(),
        number=number,
        settings=replace(settings, device=device, optimization=optimization, seed=number, interleave=interleave),
    )


def entries(*cells: Cell, seconds: Sequence[float] = ()) -> list[Entry]:
    made = list(plan(cells).entries)
    return [replace(e, estimate=Estimate(s)) for e, s in zip(made, seconds or [10.0] * len(made), strict=True)]


def desk_of(all_entries: list[Entry], built: bool = True) -> tuple[Desk, dict[str, list[Berth]]]:
    machines = berths_of(all_entries)
    desk = Desk(machines)
    for entry in all_entries if built else []:
        desk.built(entry.key)
    return desk, machines


def come(desk: Desk, lane: list[Berth]) -> Berth:
    """The lane's next move is to open a board; it succeeds."""
    move = desk.next(lane)
    assert move is not None and move[1] is None, move
    desk.opened(move[0])
    return move[0]


def take(desk: Desk, lane: list[Berth]) -> Entry:
    move = desk.next(lane)
    assert move is not None and move[1] is not None, move
    return move[1].entry


def through(desk: Desk, berth: Berth) -> None:
    """The cell whose turn it was has its result."""
    (one,) = berth.rota.cells
    desk.finish(berth, one)
    desk.settle(berth)


def in_background(desk: Desk, lane: list[Berth]) -> tuple[threading.Thread, list[object]]:
    got: list[object] = []
    thread = threading.Thread(target=lambda: got.append(desk.next(lane)), daemon=True)
    thread.start()
    thread.join(0.2)
    return thread, got


def test_the_longest_first_then_the_order_of_the_matrix() -> None:
    all_entries = entries(*(cell(n, "a") for n in range(4)), seconds=[5, 20, 10, 20])
    desk, machines = desk_of(all_entries)
    (lane,) = machines.values()
    berth, numbers = come(desk, lane), []
    for _ in all_entries:
        numbers.append(take(desk, lane).cell.number)
        through(desk, berth)
    assert numbers == [1, 3, 2, 0]
    assert desk.next(lane) is None


def test_a_lane_goes_on_with_whatever_is_built_first() -> None:
    """Two devices on one machine: the build of the one does not keep the other."""
    first, second = entries(cell(0, "a", machine="m"), cell(1, "b", machine="m"))
    desk, machines = desk_of([first, second], built=False)
    (lane,) = machines.values()
    assert come(desk, lane).board.name == "a"  # ahead of its artifact
    thread, got = in_background(desk, lane)
    assert thread.is_alive()
    desk.built(second.key)
    thread.join(5)
    assert [(berth.board.name, entry) for berth, entry in got] == [("b", None)]  # type: ignore[misc]


def test_an_open_session_is_kept_while_its_board_has_something_to_do() -> None:
    all_entries = entries(*(cell(n, "ab"[n % 2], machine="m") for n in range(4)), seconds=[25, 30, 10, 20])
    desk, machines = desk_of(all_entries)
    (lane,) = machines.values()
    berth, numbers = come(desk, lane), []
    assert berth.board.name == "b"
    for _ in range(2):
        numbers.append(take(desk, lane).cell.number)
        through(desk, berth)
    assert numbers == [1, 3]
    desk.closed(berth)
    assert come(desk, lane).board.name == "a"


def test_no_more_boards_are_opened_than_cells_wait() -> None:
    desk, machines = desk_of(entries(cell(0, "a", "b")))
    a, b = machines.values()
    berth = come(desk, a)
    thread, got = in_background(desk, b)
    assert thread.is_alive()
    take(desk, a)
    assert berth.state == "busy" and thread.is_alive(), "a's cell may come back"
    through(desk, berth)
    thread.join(5)
    assert got == [None]


def test_a_board_that_does_not_come_keeps_no_cell_and_is_spared_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.fleet.desk.OPENING_S", 0.3)
    desk, machines = desk_of(entries(cell(0, "a", "b")))
    a, b = machines.values()
    move = desk.next(a)  # it waits for somebody else's hold
    assert move is not None and move[0].board.name == "a"
    assert come(desk, b).board.name == "b"
    assert take(desk, b).cell.number == 0
    assert move[0].stop.is_set(), "it would wait for nothing"
    assert OPENING_S > 1


def test_a_failed_attempt_lets_a_sister_try_at_once() -> None:
    desk, machines = desk_of(entries(cell(0, "a", "b")))
    a, b = machines.values()
    move = desk.next(a)
    assert move is not None
    desk.closed(move[0], wait_s=60)
    begin = time.monotonic()
    assert come(desk, b).board.name == "b"
    assert time.monotonic() - begin < 1


def test_a_time_that_passes_while_a_lane_looks_is_not_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    desk, machines = desk_of(entries(cell(0, "a")))
    (lane,) = machines.values()
    times = iter([0.0, 1.0, 4.99])  # closed, the first look, the look before the wait; then it is past 5
    monkeypatch.setattr("orchestrator.fleet.desk.time", SimpleNamespace(monotonic=lambda: next(times, 5.01)))
    desk.closed(lane[0], wait_s=5)
    thread, got = in_background(desk, lane)
    thread.join(5)
    assert got == [(lane[0], None)], "it sleeps for good"


def test_the_last_board_answers_for_what_is_left() -> None:
    all_entries = entries(cell(0, "a", "b"), cell(1, "a", "b"))
    desk, machines = desk_of(all_entries)
    (a,), (b,) = machines.values()
    assert desk.leave(a) == []
    assert desk.leave(b) == all_entries
    assert desk.leave(b) == []


def test_a_stop_wakes_who_waits() -> None:
    desk, machines = desk_of(entries(cell(0, "a")), built=False)
    (lane,) = machines.values()
    come(desk, lane)
    thread, got = in_background(desk, lane)
    assert thread.is_alive()
    desk.stop()
    thread.join(5)
    assert got == [None]


def test_builds_go_round_by_round_and_the_variants_of_a_model_in_a_row() -> None:
    kinds = ("none", "int8")
    rack = [cell(n, "r1", "r2", quantization=kinds[n % 2]) for n in range(4)]
    rack = [replace(c, settings=replace(c.settings, seed=c.number // 2)) for c in rack]  # two models
    single = [cell(n, "s") for n in (10, 11, 12)]
    all_entries = entries(*rack, *single, seconds=[20, 20, 30, 30, 5, 9, 7])
    pools = pools_of(berths_of(all_entries))
    number = {entry.key: entry.cell.number for entry in all_entries}
    assert [number[key] for key in build_order(pools, lambda _: False)] == [2, 3, 11, 0, 1, 12, 10]
    assert [number[key] for key in build_order(pools, lambda e: e.cell.number in (0, 2))] == [2, 0, 11, 3, 1, 12, 10]


def test_a_forecast_follows_the_same_rules() -> None:
    """A pool of two, and a machine that two devices share: four long cells side by side, the turns in a row."""
    pool = [cell(n, "a", "b") for n in range(3)]
    shared = [cell(3, "c", machine="m"), cell(4, "d", machine="m")]
    made = Plan(tuple(entries(*pool, *shared, seconds=[10, 20, 10, 6, 7])), {})
    cast = forecast(made)
    assert [(s.board.name, s.cells, s.seconds) for s in cast.shares] == [
        ("a", 1, 20.0),
        ("b", 2, 20.0),
        ("c", 1, 6.0),
        ("d", 1, 7.0),
    ]
    assert cast.seconds == 20


def test_a_cell_that_would_not_end_within_the_budget_is_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 25 s two cells of 10 s are begun; what is left over is told once, and the lane comes to its end."""
    some = entries(*(cell(number, "a") for number in range(4)))
    machines = berths_of(some)
    now = time.monotonic()
    desk = Desk(machines, now + 25.0)
    for entry in some:
        desk.built(entry.key)
    (lane,) = machines.values()
    begun, clock = [], now
    monkeypatch.setattr(time, "monotonic", lambda: clock)
    desk.opened(come(desk, lane))
    while (move := desk.next(lane)) is not None and move[1] is not None:
        begun.append(move[1].entry.cell.number)
        clock += 10.0
        desk.finish(move[0], move[1])
        desk.settle(move[0])
    assert begun == [0, 1]
    assert [entry.cell.number for entry in desk.late()] == [2, 3]
    assert desk.late() == []


def test_cells_that_come_first_run_before_longer_ones_and_a_board_leaves_to_another_what_that_one_ran_before() -> None:
    made = entries(*(cell(number, "a", "b") for number in range(4)), seconds=[40.0, 30.0, 20.0, 10.0])
    last = replace(made[0], cell=replace(made[0].cell, place=1))
    some = [last, replace(made[1], home="a"), *made[2:]]
    pool = pools_of(berths_of(some))[0]
    for entry in some:
        pool.built(entry.key)
    taken = [pool.take(board=board) for board in ("b", "a", "b", "b")]
    assert [entry.cell.number for entry in taken if entry] == [2, 1, 3, 0]
    assert pool.take(board="a") is None
