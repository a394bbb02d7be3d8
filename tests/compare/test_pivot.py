"""Pivots and filters: nothing averaged, nothing dropped silently, bad words answered with the good ones."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.compare import Comparison, Filter, compare, is_filter, pivots, value_called
from orchestrator.compare.pivot import VALUES
from orchestrator.errors import ConfigError
from orchestrator.report import grid
from orchestrator.report.columns import sheet
from tests.measurement.records import make_failed, make_result, make_skipped, make_sweep


@pytest.fixture
def matrix(tmp_path: Path) -> Comparison:
    results, n = [], 0
    for device, k in (("pi4", 1.0), ("pi5", 0.5)):
        for model, ms in (("mobilenetv2", 40.0), ("digits", 2.0)):
            for name, gain in (("none", 1.0), ("int8", 0.5)):
                axes = {"device": device, "model": model, "optimization": name}
                if (device, model, name) == ("pi5", "digits", "int8"):
                    results.append(make_failed(tmp_path, n, **axes))
                else:
                    results.append(make_result(tmp_path, n, ms * k * gain, write=False, **axes))
                n += 1
    results.append(make_skipped(tmp_path, n, "no wheels", device="pi4", model="digits", optimization="float16"))
    return compare(make_sweep(tmp_path), results)


def rows(comparison: Comparison) -> list[dict[str, Any]]:
    return [{str(k): v for k, v in row.items()} for row in comparison.frame.to_dict(orient="records")]


def test_the_usual_pivots_are_per_device(matrix: Comparison) -> None:
    pi4, pi5 = pivots(rows(matrix))
    assert (pi4.rows, pi4.columns, dict(pi4.fixed)) == ("model", "optimization", {"device": "pi4"})
    assert pi4.row_values == ("mobilenetv2", "digits") and pi4.column_values == ("none", "int8", "float16")
    assert ("mobilenetv2", "float16") not in pi4.cells and pi4.cells["digits", "float16"]["status"] == "skipped"
    assert pi5.cells["digits", "int8"]["status"] == "failed" and len(pi5.cells) == 4


def test_a_cell_stands_beside_its_baseline_and_skipped_rows_go(tmp_path: Path) -> None:
    results = [
        make_result(tmp_path, 6 * k + 2 * n + m, write=False, optimization=o, threads=t, model=model)
        for k, o in enumerate(("none", "int8"))
        for n, t in enumerate("124")
        for m, model in enumerate(("mobilenetv2", "digits"))
    ]
    results += [make_skipped(tmp_path, 20, "no wheels", threads="8", model="digits", optimization=o) for o in ("none",)]
    shown = sheet(compare(make_sweep(tmp_path), results))
    found = grid.tables(shown, grid.View())
    assert {(p.rows, p.columns, p.column_values) for p in found} == {("threads", "optimization", ("none", "int8"))}
    assert all(p.row_values == ("1", "2", "4") for p in found) and len(found) == 2
    assert "skipped cells are left out" in grid.legend(found, value_called("latency"))


def test_any_two_axes_and_every_cell_once(matrix: Comparison) -> None:
    all_rows = rows(matrix)
    for axes in (("device", "optimization"), ("optimization", "model"), ("threads", "device")):
        found = pivots(all_rows, axes)
        assert sorted(r["number"] for p in found for r in p.cells.values()) == list(range(9))
        for pivot in found:
            assert set(pivot.fixed) == {"device", "model", "optimization"} - set(axes)


def test_a_cell_that_was_measured_twice_is_two(tmp_path: Path) -> None:
    results = [make_result(tmp_path, n, ms, write=False) for n, ms in enumerate((40.0, 44.0))]
    first, second = pivots(rows(compare(make_sweep(tmp_path), results)), ("model", "optimization"))
    assert dict(first.fixed) == {} and dict(second.fixed) == {"repeat": "2"}
    assert second.cells["mobilenetv2", "none"]["number"] == 1


def test_numbers_are_in_order(tmp_path: Path) -> None:
    results = [make_result(tmp_path, n, write=False, threads=t) for n, t in enumerate(("10", "2", "4"))]
    (pivot,) = pivots(rows(compare(make_sweep(tmp_path), results)))
    assert (pivot.rows, pivot.columns, pivot.column_values) == ("model", "threads", ("2", "4", "10"))
    assert pivots(rows(compare(make_sweep(tmp_path), results[:1]))) == []


@pytest.mark.parametrize(
    ("axes", "says"),
    [(("modle", "device"), "no axis 'modle'.*model"), (("model", "model"), "both 'model'")],
)
def test_bad_axes(matrix: Comparison, axes: tuple[str, str], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        pivots(rows(matrix), axes)


def test_every_value_is_in_the_documentation() -> None:
    text = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text(encoding="utf-8")
    listed = text.partition("`--value` is one of")[2].partition("or a column of numbers")[0]
    assert re.findall(r"`(\w+)`", listed) == list(VALUES)


def test_values_by_word_and_by_column(matrix: Comparison) -> None:
    by_number = {row["number"]: row for row in rows(matrix)}
    assert value_called("speedup").of(by_number[1]) == pytest.approx(2, rel=0.02)
    assert value_called("size").of(by_number[1]) == pytest.approx(14.028)
    assert value_called("first_ms").of(by_number[1]) == by_number[1]["first_ms"]
    assert value_called("energy").of(by_number[1]) is None  # estimated only
    with pytest.raises(ConfigError, match=r"no value 'latencyy'.*did you mean 'latency'"):
        value_called("latencyy")
    with pytest.raises(ConfigError, match="no value 'verdict'"):
        value_called("verdict")


def test_what_stands_in_a_place(matrix: Comparison) -> None:
    by_number = {row["number"]: row for row in rows(matrix)}
    letters = {id(by_number[7]): "a"}
    latency, speedup, energy = (value_called(word) for word in ("latency", "speedup", "energy"))
    assert grid.text(by_number[0], latency, {}) == "40.2"
    assert [grid.text(by_number[n], speedup, {}) for n in (0, 1)] == ["baseline", "2.00×"]
    same = {**by_number[1], "change_significant": False, "change_differs": "kernel"}
    assert grid.text(same, speedup, {}) == "~*"
    assert grid.text(by_number[7], latency, letters) == "failed a"
    assert grid.text({**by_number[0], "verdict": "suspect"}, latency, {}) == "40.2 ?"
    assert grid.text(by_number[0], energy, {}) == "–" and grid.text(None, energy, {}) == ""


def test_filters(matrix: Comparison) -> None:
    def kept(*words: str) -> list[int]:
        return sorted(matrix.only([Filter.parse(word) for word in words]).frame["number"])

    assert kept("device=pi4", "optimization=none,int8") == [0, 1, 2, 3]
    assert kept("model=mob*", "device=pi?") == [0, 1, 4, 5]
    assert kept("status=failed,skipped") == [7, 8]
    assert kept("is_baseline=true") == [0, 2, 4, 6]
    assert kept() == list(range(9))
    filtered = matrix.only([Filter.parse("optimization=int8")])
    assert [r.number for r in filtered.results] == list(filtered.frame["number"])
    assert filtered.frame["change_ratio"].notna().sum() == 3  # of baselines that are not among them
    assert filtered.notes[-1] == (
        "Only cells with optimization=int8: 4 of 9. Baselines that are not among them still count."
    )
    assert filtered.frame["front"].sum() == 2 and not matrix.frame.set_index("number").loc[1, "front"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["devcie=pi4"], "no column 'devcie'.*did you mean 'device'"),
        (["device="], "no value"),
        (["device=pi9"], r"no cell has device=pi9 \(device is pi4, pi5\)"),
        (["device=pi5", "optimization=float16"], "among the cells that the filters before it leave.*none, int8"),
        (["energy_scope=x"], "known of no cell"),
        (["device=pi4,nope"], r"no cell has device=nope \(device is pi4, pi5\)"),
    ],
)
def test_bad_filters(matrix: Comparison, words: list[str], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        matrix.only([Filter.parse(word) for word in words])


def test_filters_find_what_was_asked_for(tmp_path: Path) -> None:
    done = make_result(tmp_path, 0, write=False)
    results = [
        replace(done, axes={**done.axes, "runtime": "litert"}),
        make_failed(tmp_path, 1, scenario="quick (scenario.window_s=5)"),
        make_failed(tmp_path, 2, scenario="quick (a=1,b=2)"),
    ]
    made = compare(make_sweep(tmp_path), results)

    def kept(word: str) -> list[int]:
        return sorted(made.only([Filter.parse(word)]).frame["number"])

    assert kept("runtime=auto") == [0, 1, 2] and kept("runtime=litert") == [0]
    assert kept("scenario=quick") == [0, 1, 2]
    assert kept("scenario=quick (scenario.window_s=5)") == [1]
    assert kept("scenario=quick (a=1,b=2)") == [2], "commas of its own"


def test_a_path_is_no_filter() -> None:
    assert is_filter("device=pi4") and is_filter("sweep=a*")
    assert not any(map(is_filter, ("last", "./a=b", "20261124-1", "/x/device=pi4")))


def test_an_input_size_of_the_models_own_is_no_axis_to_split_by(tmp_path: Path) -> None:
    sizes = {"mobilenetv2": "224", "digits": "8"}
    results = [
        make_result(tmp_path, 2 * n + k, write=False, model=model, optimization=name, input_size=size)
        for n, (model, size) in enumerate(sizes.items())
        for k, name in enumerate(("none", "int8"))
    ]
    (one,) = pivots(rows(compare(make_sweep(tmp_path), results)))
    assert (one.rows, one.columns, len(one.cells)) == ("model", "optimization", 4)
    results.append(make_result(tmp_path, 4, write=False, input_size="96"))
    assert len(pivots(rows(compare(make_sweep(tmp_path), results)), ("model", "optimization"))) == 3


def test_a_failed_cell_stands_beside_those_that_got_their_runtime(tmp_path: Path) -> None:
    done = make_result(tmp_path, 0, write=False)
    results = [replace(done, axes={**done.axes, "runtime": "litert"}), make_failed(tmp_path, 1, optimization="int8")]
    made = compare(make_sweep(tmp_path), results)
    (one,) = pivots(rows(made))
    assert len(one.cells) == 2 and made.frame["is_baseline"][0]
