"""The journal: whole or not at all, readable again, found by the names people use."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator.errors import BenchmarkFailed, ConfigError, MeasurementError
from orchestrator.result import Failure, Result, Sweep, find_sweep, load_sweep, write_json
from tests.measurement.records import make_failed, make_result, make_skipped, make_sweep


def test_a_sweep_comes_back_as_it_was(tmp_path: Path) -> None:
    sweep = make_sweep(tmp_path)
    results = [
        make_result(tmp_path, 0),
        make_failed(tmp_path, 1, optimization="int8"),
        make_skipped(tmp_path, 10, "no wheels for armv6", device="zero"),
    ]
    again, loaded = load_sweep(tmp_path)
    assert again == sweep
    assert loaded == results
    assert loaded[1].why == "ConnectionFailed: pi4-01 does not answer on port 22 (is it switched on?)"
    assert loaded[0].short == "pi4/mobilenetv2/none"


def test_a_moved_sweep_is_still_whole(tmp_path: Path) -> None:
    make_sweep(tmp_path / "a")
    make_result(tmp_path / "a", 0)
    (tmp_path / "a").rename(tmp_path / "b")
    sweep, (result,) = load_sweep(tmp_path / "b")
    assert sweep.directory == tmp_path / "b" and result.directory == tmp_path / "b" / "0"


def test_a_write_that_fails_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    path = write_json(tmp_path / "x.json", {"a": 1})
    with pytest.raises(ValueError):
        write_json(path, {"a": float("nan")})
    with pytest.raises(UnicodeEncodeError):
        write_json(path, {"a": "\ud800"})
    assert json.loads(path.read_text()) == {"a": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["x.json"]


def test_results_make_sense_or_are_refused() -> None:
    with pytest.raises(ValueError, match="status 'fine'"):
        Result(0, "s", "c", "fine", {}, 0, 0)
    with pytest.raises(ValueError, match="has a measurement"):
        Result(0, "s", "c", "done", {}, 0, 0)


def test_a_failure_of_a_benchmark_is_called_as_the_board_called_it() -> None:
    failure = Failure.of(BenchmarkFailed("bad model", kind="RuntimeError", trace="Traceback ..."))
    assert (failure.type, failure.traceback) == ("RuntimeError", "Traceback ...")


def place(root: Path, day: str, time: str, id: str, started_s: float) -> Path:
    at = root / "multirun" / day / time
    Sweep(id, at, started_s).write()
    return at


def test_sweeps_are_found(tmp_path: Path) -> None:
    old = place(tmp_path, "2026-01-01", "10-00-00-aa", "20260101-100000-aa", 100.0)
    new = place(tmp_path, "2026-01-02", "09-00-00-bb", "20260102-090000-bb", 200.0)
    assert find_sweep(tmp_path, "last") == new
    assert find_sweep(tmp_path, "20260101-100000-aa") == old
    assert find_sweep(tmp_path, "20260101") == old
    assert find_sweep(tmp_path, "10-00-00-aa") == old
    assert find_sweep(tmp_path, str(old)) == old
    assert find_sweep(tmp_path, "multirun/2026-01-01/10-00-00-aa") == old
    with pytest.raises(ConfigError, match="2 sweeps start with"):
        find_sweep(tmp_path, "2026")
    with pytest.raises(ConfigError, match=r"no sweep 'x'.*20260102-090000-bb"):
        find_sweep(tmp_path, "x")


def test_no_sweep_at_all_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no sweep under"):
        find_sweep(tmp_path, "last")
    with pytest.raises(ConfigError, match="is no sweep"):
        load_sweep(tmp_path)


@pytest.mark.parametrize("text", ["{", "[]", '{"version": 1}', "\x00"])
def test_a_damaged_result_is_named(tmp_path: Path, text: str) -> None:
    make_sweep(tmp_path)
    make_result(tmp_path, 0)
    (tmp_path / "0" / "result.json").write_text(text)
    with pytest.raises(MeasurementError, match=r"0/result\.json cannot be read"):
        load_sweep(tmp_path)
