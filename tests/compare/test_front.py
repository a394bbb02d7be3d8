"""The Pareto front: what beats what, what noise cannot decide, and when energy counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from orchestrator.compare import compare
from orchestrator.compare.front import candidates, front
from orchestrator.compare.measures import DROP, ENERGY, LATENCY, SIZE, SQNR, TOP1, Measure
from orchestrator.report.columns import sheet
from orchestrator.report.remarks import front_note
from orchestrator.result import Result
from orchestrator.verdict import Verdict
from tests.compare import rows
from tests.compare.rows import random
from tests.measurement.records import make_result, make_sweep


def row(name: str, ms: float, size: float, energy: float | None = None, noise: float = 0.001) -> dict[str, Any]:
    low, high = ms * (1 - noise), ms * (1 + noise)
    uncertain = {"energy_mj": energy, "energy_uncertainty_mj": 1.0}
    return rows.row(name, ms, size_bytes=size, latency_low_ms=low, latency_high_ms=high, **uncertain)


def names(some: Sequence[Mapping[str, Any]], *more: Measure) -> str:
    return "".join(one["optimization"] for one in front(some, (LATENCY, SIZE, *more)))


def test_who_is_beaten() -> None:
    fast, small, both, worst = row("f", 10, 9), row("s", 30, 3), row("b", 20, 5), row("w", 30, 9)
    assert names([fast, small, both, worst]) == "fsb"
    assert names([row("a", 10, 5), row("b", 10, 5)]) == "ab"  # equals do not beat each other
    assert names([row("a", 10, 5)]) == "a" and names([]) == ""


def test_noise_decides_nothing() -> None:
    assert names([row("a", 10, 5), row("b", 10.1, 5)]) == "ab"  # less than 2 %
    assert names([row("a", 10, 5), row("b", 10.3, 5)]) == "a"
    assert names([row("a", 10, 5, noise=0.2), row("b", 12, 5)]) == "ab"  # overlapping intervals
    assert names([row("a", 10, 5), row("b", 10.1, 4)]) == "b"  # a tie in latency, and smaller


def test_energy_is_a_third_dimension() -> None:
    some = [row("a", 10, 5, 100), row("b", 11, 6, 80), row("c", 11, 6, 99)]
    assert names(some) == "a" and names(some, ENERGY) == "ab"


def test_a_vague_cell_beats_no_sharp_one() -> None:
    """Its interval reaches down to the fastest one's, and it is the smallest."""
    vague = {**row("v", 9, 1), "latency_low_ms": 1.0, "latency_high_ms": 80.0}
    assert names([row("s", 4, 5), vague]) == "sv"
    assert names([row("s", 4, 5), {**vague, "latency_ms": 4.05}]) == "v"


def test_a_ring_leaves_somebody_on_the_front() -> None:
    """Each of a, b and c is beaten by the one before, and has a range in which the next one's value lies."""
    a, b, c = (
        rows.row("a", 10, 0.02, half=0.001),
        rows.row("b", 10, 0.01, half=0.02),
        rows.row("c", 15, 0.01, half=0.001),
    )
    a |= {"energy_mj": 100.0, "energy_uncertainty_mj": 1.0, "latency_high_ms": 20.0}
    b |= {"energy_mj": 120.0, "energy_uncertainty_mj": 1.0}
    c |= {"energy_mj": 100.0, "energy_uncertainty_mj": 30.0}
    d = {**rows.row("d", 30, 0.3), "energy_mj": 200.0, "energy_uncertainty_mj": 1.0}
    assert names([a, b], ENERGY, DROP) == "a" and names([b, c], ENERGY, DROP) == "b"
    assert names([c, a], ENERGY, DROP) == "c" and names([a, b, c, d], ENERGY, DROP) == "abc"


def test_energy_counts_only_where_all_have_it_in_one_scope() -> None:
    (both,) = candidates([row("a", 1, 1, 5), row("b", 1, 1, 6)])
    assert both.energy and "energy" not in both.without
    (one,) = candidates([row("a", 1, 1, 5), row("b", 1, 1, float("nan"))])
    assert not one.energy and one.without["energy"] == "1 of 2 have no measured energy"
    (mixed,) = candidates([row("a", 1, 1, 5), {**row("b", 1, 1, 6), "energy_scope": "cpu_package"}])
    assert not mixed.energy and "different scopes (cpu_package, soc)" in mixed.without["energy"]
    (mixed,) = candidates([row("a", 1, 1, 5), {**row("b", 1, 1, 6), "energy_kind": "counter"}])
    assert not mixed.energy and "different kinds (counter, sampled)" in mixed.without["energy"]


def fronts(*some: dict[str, Any]) -> list[list[str]]:
    return [[one["optimization"] for one in front(group.allowed, group.measures)] for group in candidates(some)]


def test_quality_is_a_dimension_where_all_have_it() -> None:
    """What was lost, by its interval; what cannot be told apart is a tie, so that the faster one wins."""
    none, int8 = rows.row("none", 10.0, 0.0), rows.row("int8", 4.0, 0.05)
    (group,) = candidates([none, int8])
    assert group.quality is DROP and fronts(none, int8) == [["none", "int8"]]
    assert fronts(none, rows.row("int8", 4.0, 0.003)) == [["int8"]]
    (group,) = candidates([none, {**int8, "quality_source": "others"}])
    assert group.quality is None
    assert group.without["quality"] == "cells answered different data (others, test images)"
    (group,) = candidates([none, {**int8, "quality_drop": None}])
    assert group.quality is None and group.without["quality"] == "quality is not known of 1 of 2"
    assert fronts(none, {**int8, "quality_drop": None}) == [["int8"]]


def test_the_distance_from_float_counts_where_it_is_all_that_is_known() -> None:
    some = [random("none", 10.0, None), random("float16", 8.0, 60.0), random("a", 4.0, 15.0), random("b", 4.5, 15.5)]
    (group,) = candidates(some)
    assert group.quality is SQNR
    assert fronts(*some) == [["none", "float16", "a"]], "half a decibel is a tie, and no noise at all is the best"
    (group,) = candidates([*some[1:], random("c", 4.0, None, quality_sqnr_reason="it was not asked")])
    assert group.quality is None


def test_between_models_only_top1_itself_counts() -> None:
    """A bad model may lose nothing by being quantized."""
    large, small = rows.row("large", 10.0, 0.01, model="large"), rows.row("small", 4.0, 0.0, model="small")
    small |= {"quality_top1": 0.6, "quality_top1_low": 0.55, "quality_top1_high": 0.65}
    (group,) = candidates([large, small])
    assert group.quality is TOP1 and fronts(large, small) == [["large", "small"]]
    assert group.of_model("small").quality is DROP
    (group,) = candidates([large, {**small, "quality_source": "others"}])
    assert group.quality is None and group.without["quality"] == "models answered different data (others, test images)"
    assert fronts(large, {**small, "quality_source": "others"}) == [["small"]]


def test_a_limit_keeps_cells_from_the_front_and_lets_others_onto_it() -> None:
    none, int8, pruned = rows.row("none", 10.0, 0.0), rows.row("int8", 4.0, 0.004), rows.row("pruned", 3.9, 0.004)
    assert fronts(none, int8, pruned) == [["pruned"]]
    assert fronts(none, int8, {**pruned, "gate": "broken"}) == [["int8"]]
    assert fronts(none, {**int8, "gate": "not known"}, {**pruned, "gate": "broken"}) == [["none"]]
    assert fronts(none, {**int8, "gate": "not certain"}, {**pruned, "gate": "broken"}) == [["int8"]]
    (group,) = candidates([{**none, "gate": "broken"}, {**int8, "gate": "broken"}])
    assert group.allowed == () == group.measures and len(group.rows) == 2


def test_modes_are_not_held_against_each_other() -> None:
    streams = {**row("b", 9, 5), "mode": "offline"}
    assert [(group.mode, names(group.rows)) for group in candidates([row("a", 10, 5), streams, row("c", 11, 5)])] == [
        ("single_stream", "a"),
        ("offline", "b"),
    ]


def sized(at: Path, n: int, ms: float, size: float, **axes: str) -> Result:
    made = make_result(at, n, ms, write=False, **axes)
    assert made.measurement is not None
    metrics = {**made.measurement.metrics, "model/size_bytes": size}
    return replace(made, measurement=replace(made.measurement, metrics=metrics))


def test_per_device_and_per_model_without_the_invalid(tmp_path: Path) -> None:
    results = [
        sized(tmp_path, 0, 40, 9e6),
        sized(tmp_path, 1, 20, 3e6, optimization="int8"),
        sized(tmp_path, 2, 1, 1e5, model="digits"),
        sized(tmp_path, 3, 0.5, 1e4, model="digits", optimization="int8"),
        sized(tmp_path, 4, 80, 9e6, device="pi3"),
        sized(tmp_path, 5, 8, 9e6, batch_size="8"),
    ]
    broken = results[3].measurement
    assert broken is not None
    results[3] = replace(results[3], measurement=replace(broken, verdict=Verdict("invalid", ("x",))))
    made = compare(make_sweep(tmp_path), results)
    frame = made.frame.set_index("number").sort_index()
    assert list(frame["front"]) == [False, False, True, False, True, True]
    assert list(frame["front_of_model"]) == [False, True, True, False, True, True]
    assert frame["energy_estimate_mj"].notna().all()  # which is no part of it
    assert "latency and size and better" in front_note(sheet(made))
