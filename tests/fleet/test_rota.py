"""Cells take turns on a board: in rounds, in an order drawn anew, those that are compared beside each other."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from orchestrator.cell import Cell
from orchestrator.errors import ConnectionFailed, MeasurementError
from orchestrator.fleet.desk import Desk
from orchestrator.fleet.merge import merged
from orchestrator.fleet.pool import berths_of
from orchestrator.fleet.rota import Rota, Underway
from orchestrator.session import Outcome, Part
from remote.contract import check_record
from tests.fleet import test_scheduling as model
from tests.fleet.test_pool import cell, desk_of, entries
from tests.fleet.test_pool import come as come_open
from tests.measurement.records import make_record, measured


def outcome(first: int = 1, processes: int = 1, *, median_ms: float = 41.0, **changes: Any) -> Outcome:
    record = make_record(median_ms, processes=processes, seed=first) | {"run_id": f"run-{first}", **changes}
    record["processes"] = [{**p, "number": first + i} for i, p in enumerate(record["processes"])]
    return Outcome(record, f"log {first}", "litert", "e" * 16)


def turns(seed: str, cells: int = 6, processes: int = 3) -> list[int]:
    rota, order = Rota(seed), []
    for entry in entries(*(cell(n, "a") for n in range(cells))):
        rota.add(entry)
    for _ in range(cells * processes):
        order.append(rota.next(to_the_end=True).entry.cell.number)
    return order


def test_every_round_has_every_cell_in_an_order_of_its_own_and_the_same_seed_gives_the_same() -> None:
    order = turns("0/a")
    rounds = [order[i : i + 6] for i in (0, 6, 12)]
    assert [sorted(one) for one in rounds] == [list(range(6))] * 3
    assert len({tuple(one) for one in rounds}) == 3
    assert order == turns("0/a") != turns("0/b")
    for seed in range(50):
        some = turns(str(seed), cells=2, processes=5)
        assert all(a != b for a, b in zip(some[::2], some[1::2], strict=True))
        assert not any(a == b == c for a, b, c in zip(some, some[1:], some[2:], strict=False))


def test_a_cell_that_is_alone_runs_all_its_processes_in_one_job() -> None:
    first, second = entries(cell(0, "a"), cell(1, "a"))
    rota = Rota()
    rota.add(first)
    assert rota.next(to_the_end=False).turn == 1, "others may come"
    assert rota.next(to_the_end=True).turn == 3
    rota.add(second)
    assert rota.next(to_the_end=True).turn == 1


def test_what_is_compared_is_measured_together_and_no_board_takes_more_than_its_part() -> None:
    quantizations = ("none", "int8", "float16")
    cells = [cell(n, "a", "b", quantization=quantizations[n % 3], interleave=4) for n in range(9)]
    cells = [replace(c, settings=replace(c.settings, threads=1 + c.number // 3, seed=0)) for c in cells]
    seconds = [float(10 + n % 3) for n in range(9)]  # by length alone, cells of three groups would come first
    machines = berths_of(entries(*cells, seconds=seconds))
    (berth,), _ = machines.values()
    for entry in berth.pool.unbuilt:
        berth.pool.built(entry.key)
    assert berth.pool.share == 4
    taken: list[Any] = []
    for _ in range(3):
        taken.append(berth.pool.take(taken))
    assert {entry.cell.settings.threads for entry in taken} == {1}
    assert {entry.cell.settings.optimization.name for entry in taken} == set(quantizations)
    for entry in taken:
        berth.rota.add(entry)
    assert [len(berth.pool.leave(one)) for one in berth.pool.berths] == [0, 9], "it brings back what it has begun"


def test_a_cell_begins_again_after_a_reboot_and_a_changed_runtime_ends_it() -> None:
    one = Underway(entries(cell(0, "a"))[0])
    one.add(outcome(1))
    one.add(outcome(2))
    assert (one.done, one.wanted, one.now) == (2, 3, "process 3 of 3")
    one.turn, one.extra = 2, 1
    assert one.now == "processes 3 to 4 of 4"
    one.turn, one.extra = 3, 0
    assert one.now == ""
    with pytest.raises(MeasurementError, match="runtime on the board changed"):
        one.add(outcome(3, runtime={**outcome().record["runtime"], "version": "2.9"}))
    one.add(outcome(3, boot_id="another"))
    assert one.done == 0


def test_the_turns_of_a_cell_make_one_record() -> None:
    energy = {"sensors": [], "pass": None, "reason": "in the last turn"}
    parts = [outcome(1), outcome(2, started_at=5.0), outcome(3, processes=2, energy=energy)]
    whole = merged(parts, 4)
    check_record(whole.record)
    assert [p["number"] for p in whole.record["processes"]] == [1, 2, 3, 4]
    assert whole.record["started_at"] == parts[0].record["started_at"]
    assert whole.record["energy"]["reason"] == "in the last turn"
    assert len(whole.record["state"]["samples"]) == 12
    assert [whole.log.index(f"log {n}") for n in (1, 2, 3)] == sorted(whole.log.index(f"log {n}") for n in (1, 2, 3))
    assert merged(parts[:1], 1) is parts[0]


def test_an_engine_that_the_first_turn_has_built_is_no_other_runtime() -> None:
    built = {"key": "k", "cached": False, "build_ns": 5, "size_bytes": 1}
    runtime = outcome().record["runtime"]
    parts = [outcome(n, runtime={**runtime, "engine": {**built, "cached": n > 1}}) for n in (1, 2, 3)]
    underway = Underway(entries(cell(0, "a"))[0])
    for part in parts:
        underway.add(part)
    assert underway.done == 3
    assert merged(parts, 3).record["runtime"]["engine"] == built


@pytest.mark.parametrize(
    ("turns", "pinned", "why"),
    [
        ([[1500.0, 1800.0], [1300.0, 1800.0], [1300.0, 1700.0]], [1500.0, 1800.0], None),
        ([[1500.0, 1800.0], [1500.0, None]], [1500.0, None], None),
        ([[1500.0], None, [1500.0]], None, "in 1 of 3 turns no clock was pinned"),
        ([[1500.0], [1500.0, 1500.0]], None, "the number of CPUs changed between the turns"),
        ([[1500.0, None], [None, 1500.0]], None, "no CPU's clock was pinned in all turns"),
        ([None, None], None, "as the board says"),
    ],
)
def test_the_clock_that_a_cell_was_to_keep_is_the_highest_of_its_turns(
    turns: list[Any], pinned: Any, why: str | None
) -> None:
    parts = [outcome(number) for number in range(1, len(turns) + 1)]
    for part, clocks in zip(parts, turns, strict=True):
        part.record["state"]["pinned_mhz"] = clocks
        part.record["state"]["missing"] = {} if clocks else {"pinned_mhz": "as the board says"}
    state = merged(parts, len(parts)).record["state"]
    assert (state["pinned_mhz"], state["missing"].get("pinned_mhz")) == (pinned, why)


def test_a_clock_that_is_capped_between_two_turns_is_told() -> None:
    parts = [outcome(number) for number in range(1, 6)]
    for number, part in enumerate(parts):
        state, mhz = part.record["state"], 1300.0 if number > 2 else 1500.0
        state["pinned_mhz"] = [mhz] * 4
        for sample in state["samples"]:
            sample.update(cpu_mhz=[mhz] * 4, t_s=sample["t_s"] + 1000 * number)
        for process in part.record["processes"]:
            process.update(begin_s=process["begin_s"] + 1000 * number, end_s=process["end_s"] + 1000 * number)
    verdict = measured(merged(parts, 5).record).verdict
    assert verdict.level == "invalid"
    assert any("below 95% of the pinned one" in reason for reason in verdict.reasons)


def interleaved(folder: Path, hosts: tuple[str, ...], number: int = 8) -> list[Cell]:
    return [cell(n, *hosts, interleave=4) for n in range(number)]


@pytest.mark.parametrize("lost", [False, True])
def test_cells_that_take_turns_all_come_to_a_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: bool
) -> None:
    """Also where a board is lost with cells that it has begun: the other one measures them from the beginning."""
    ran: list[tuple[str, str, Part]] = []
    world = model.World(0, reliable=True)
    sessions = model.session_class(world, set())

    def run(session: Any, of: Cell, artifact: object, part: Part, say: object) -> Outcome:
        ran.append((session.board.name, of.id + str(of.number), part))
        if lost and session.board.name == "a" and len(ran) > 5:
            session.away = True
            raise ConnectionFailed("the link is gone")
        return outcome(part.first, part.processes, run_id=part.run_id)

    opens = sessions.open  # type: ignore[attr-defined]
    built = Desk.built
    keys: set[str] = set()
    monkeypatch.setattr(Desk, "built", lambda desk, key: (built(desk, key), keys.add(key)))
    monkeypatch.setattr(model.World, "passes", lambda _: None)

    def come(session: Any, *args: object) -> None:
        while len(keys) < 8:  # all artifacts are there when the first board is
            time.sleep(0.001)
        if getattr(session, "away", False):
            session.close()
            raise ConnectionFailed("no answer")
        opens(session, *args)

    sessions.run, sessions.open = run, come  # type: ignore[attr-defined]
    monkeypatch.setattr(model, "session_class", lambda *_: sessions)
    plan = model.placed(tmp_path, *interleaved(tmp_path, ("a", "b")))
    results = model.run(world, plan, tmp_path, monkeypatch, away=set(), stop_s=None)
    assert sorted(r.number for r in results) == list(range(8))
    done = [r for r in results if r.status == "done"]
    assert len(done) == 8, [r.why for r in results]
    for result in done:
        assert result.directory is not None and result.measurement is not None
        record = json.loads((result.directory / "record.json").read_text())
        assert [p["number"] for p in record["processes"]] == [1, 2, 3]
        assert len(result.measurement.process_medians_ms) == 3
        parts = [part for board, name, part in ran if board == result.board and name.endswith(str(result.number))]
        assert [part.last for part in parts][-1]
        if not lost:
            assert not (result.directory / "turns").exists(), "what the record holds is not kept twice"
    if not lost:
        for names in ([name for board, name, _ in ran if board == b] for b in ("a", "b")):
            changes = sum(one != other for one, other in pairwise(names))
            assert changes > 6, "back to back there would be three"
        assert Counter(board for board, _, _ in ran) == {"a": 12, "b": 12}


def test_a_board_that_is_through_comes_back_for_what_a_lost_sister_had_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: Counter[str] = Counter()
    sessions = model.session_class(model.World(0, reliable=True), set())
    opens, closes = sessions.open, sessions.close  # type: ignore[attr-defined]
    home = threading.Event()

    def run(session: Any, of: Cell, artifact: object, part: Part, say: object) -> Outcome:
        ran[session.board.name] += part.processes
        if session.board.name == "a" and ran["a"] > 2:
            assert home.wait(20), "b holds its board though nothing waits for it"
            session.away = True
            raise ConnectionFailed("the link is gone")
        return outcome(part.first, part.processes, run_id=part.run_id)

    def come(session: Any, *args: object) -> None:
        if getattr(session, "away", False):
            session.close()
            raise ConnectionFailed("no answer")
        opens(session, *args)

    def close(session: Any) -> None:
        closes(session)
        if session.board.name == "b" and ran["b"] >= 6:
            home.set()

    sessions.run, sessions.open, sessions.close = run, come, close  # type: ignore[attr-defined]
    monkeypatch.setattr(model, "session_class", lambda *_: sessions)
    plan = model.placed(tmp_path, *interleaved(tmp_path, ("a", "b"), 4))
    results = model.run(model.World(0, reliable=True), plan, tmp_path, monkeypatch, away=set(), stop_s=None)
    assert Counter((r.status, r.board) for r in results) == {("done", "b"): 4}


def test_a_spared_board_is_wanted_again_when_a_sister_brings_cells_back() -> None:
    desk, machines = desk_of(entries(cell(0, "a", "b"), cell(1, "a", "b")))
    a, b = machines.values()
    first = come_open(desk, a)
    (second, _) = desk.next(b) or (None, None)  # it comes, slowly
    assert second is not None and desk.next(a) is not None and not second.stop.is_set()
    (one,) = first.rota.cells
    desk.finish(first, one)
    desk.settle(first)
    assert desk.next(a) is not None and second.stop.is_set(), "nothing waits for it"
    desk.closed(second)
    desk.leave(first)
    move = desk.next(b)
    assert move is not None and move[0] is second and not second.stop.is_set(), "it would be opened for ever, in vain"


def test_a_long_window_is_a_job_of_its_own_and_impossible_durations_decide_nothing() -> None:
    entry = entries(cell(0, "a"))[0]
    settings = entry.cell.settings
    scenario = replace(settings.scenario, window_s=3600.0)
    rota = Rota()
    rota.add(replace(entry, cell=replace(entry.cell, settings=replace(settings, scenario=scenario))))
    assert rota.next(to_the_end=True).turn == 1, "three hours of 1 ms calls are more than a record may hold"
    one = Underway(entry)
    one.add(outcome(1))
    one.parts[0].record["processes"][0]["invoke_ns"] = [0, 0]
    assert one.compared_ms == ()
    assert "interrupted after 1 of 3 processes; their records are in " in str(one.interrupted())
    assert one.ran_s == pytest.approx(12.0)
