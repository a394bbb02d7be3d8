"""Records of a cell that is under way, on disk: which of them can be gone on with."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.cell import Cell
from orchestrator.errors import MeasurementError
from orchestrator.fleet.parts import keep_part, kept_parts, numbers
from orchestrator.fleet.rota import Underway
from orchestrator.session import Outcome
from tests.fleet.test_pool import cell as cell_of
from tests.fleet.test_pool import entries
from tests.fleet.test_rota import outcome


def kept(cell: Cell, *parts: tuple[int, str], board: str = "a", **runtime: Any) -> None:
    for at, (number, boot) in enumerate(parts):
        part = outcome(number)
        part.record["boot_id"] = boot
        part.record["runtime"] = {**part.record["runtime"], **runtime}
        keep_part(cell, board, f"{boot}-{at:x}-{number}", part)


def found(cell: Cell, boot: str = "B", board: str = "a") -> list[tuple[int, str]]:
    sha256 = outcome(1).record["artifact_sha256"]
    return [(numbers(part)[0], part.record["boot_id"]) for part in kept_parts(cell, board, sha256, boot)]


def a_cell(tmp_path: Path) -> Cell:
    return replace(cell_of(0, "a"), directory=tmp_path / "0")


def test_of_several_boots_the_present_one_or_a_whole_one(tmp_path: Path) -> None:
    """What was measured before a restart and after it are not one cell."""
    cell = a_cell(tmp_path)
    kept(cell, (1, "B"), (2, "A"), (3, "B"))
    assert found(cell) == [(1, "B")], "2 is of another boot, and 3 has a gap before it"
    assert found(cell, "C") == []
    kept(cell, (1, "A"), (3, "A"))
    assert found(cell) == [(1, "A"), (2, "A"), (3, "A")], "all that it needs"


def test_another_board_or_artifact_is_another_cell(tmp_path: Path) -> None:
    cell = a_cell(tmp_path)
    kept(cell, (1, "B"), board="b")
    assert found(cell) == [] and found(cell, board="b") == [(1, "B")]
    assert kept_parts(cell, "b", "f" * 64, "B") == []


def test_another_runtime_ends_the_chain(tmp_path: Path) -> None:
    cell = a_cell(tmp_path)
    kept(cell, (1, "B"))
    kept(cell, (2, "B"), version="9.9")
    assert found(cell) == [(1, "B")]


def test_a_damaged_part_is_left_out(tmp_path: Path) -> None:
    cell = a_cell(tmp_path)
    kept(cell, (1, "B"))
    (cell.directory / "turns" / "x.json").write_text('{"version": 1, "record": {}, "meter": 5}')
    assert found(cell) == [(1, "B")]


def test_a_part_out_of_turn_is_not_taken_and_kept_ones_of_another_runtime_begin_again(tmp_path: Path) -> None:
    (entry,) = entries(a_cell(tmp_path))
    one = Underway(entry)
    one.add(outcome(2))
    assert one.done == 0
    one.add(outcome(1))
    one.from_before = True
    other: Outcome = outcome(2)
    other.record["runtime"] = {**other.record["runtime"], "version": "9.9"}
    one.add(other)
    assert one.done == 0 and not one.from_before, "somebody has installed another one meanwhile"


PART = st.tuples(st.integers(1, 4), st.sampled_from("AB"), st.sampled_from(["1.0", "2.0"]))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=st.lists(PART, max_size=8), boot=st.sampled_from("ABC"), later=st.lists(PART, max_size=6))
def test_whatever_lies_there_and_comes_later_a_cell_is_of_one_boot_and_runtime_without_gaps(
    tmp_path_factory: pytest.TempPathFactory,
    parts: list[tuple[int, str, str]],
    boot: str,
    later: list[tuple[int, str, str]],
) -> None:
    """The state of a cell that is under way, after any course of turns, restarts, installations and crashes."""
    cell = replace(cell_of(0, "a"), directory=tmp_path_factory.mktemp("cell"))
    for at, (number, of_boot, version) in enumerate(parts):
        keep_part(cell, "a", f"{at:x}-{number}", part_of(number, of_boot, version))
    (entry,) = entries(cell)
    one = Underway(entry)
    for part in kept_parts(cell, "a", outcome(1).record["artifact_sha256"], boot):
        one.add(part)
        one.from_before = True
    for number, of_boot, version in later:
        with contextlib.suppress(MeasurementError):
            one.add(part_of(number, of_boot, version))
        assert [n for part in one.parts for n in numbers(part)] == list(range(1, one.done + 1))
        assert len({(p.record["boot_id"], p.record["runtime"]["version"]) for p in one.parts}) <= 1


def part_of(number: int, boot: str, version: str) -> Outcome:
    part = outcome(number)
    part.record["boot_id"] = boot
    part.record["runtime"] = {**part.record["runtime"], "version": version}
    return part
