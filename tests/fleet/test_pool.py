"""No cell is lost between the boards of a pool."""

from __future__ import annotations

import threading
from pathlib import Path

from orchestrator.fleet.plan import Entry
from orchestrator.fleet.pool import Pool
from tests.config.composing import jobs


def entries(root: Path, count: int) -> list[Entry]:
    return [Entry(job.cell) for job in jobs(root, *([f"seed={number}"] for number in range(count)))]


def test_ready_ones_go_first(tmp_path: Path) -> None:
    first, second = entries(tmp_path, 2)
    pool = Pool(1)
    pool.add(first)
    pool.add(second)
    assert pool.take(lambda entry: entry is second) is second
    assert pool.take(lambda entry: False) is first


def test_an_empty_pool_waits_for_what_is_in_hand(tmp_path: Path) -> None:
    (entry,) = entries(tmp_path, 1)
    pool, got = Pool(2), []
    pool.add(entry)
    assert pool.take(lambda _: True) is entry
    sister = threading.Thread(target=lambda: got.append(pool.take(lambda _: True)), daemon=True)
    sister.start()
    sister.join(0.2)
    assert sister.is_alive(), "it left while the only cell could still come back"
    pool.give_back(entry)
    sister.join(5)
    assert got == [entry]


def test_nobody_waits_once_everything_has_its_result(tmp_path: Path) -> None:
    (entry,) = entries(tmp_path, 1)
    pool = Pool(2)
    pool.add(entry)
    pool.take(lambda _: True)
    pool.settle()
    assert pool.take(lambda _: True) is None


def test_the_last_board_answers_for_what_is_left(tmp_path: Path) -> None:
    first, second = entries(tmp_path, 2)
    pool = Pool(2)
    pool.add(first)
    pool.add(second)
    taken = pool.take(lambda _: True)
    assert taken is not None
    pool.give_back(taken)
    assert pool.leave() == []
    assert pool.leave() == [first, second]
