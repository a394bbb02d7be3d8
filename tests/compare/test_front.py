"""The Pareto front: what beats what, what noise cannot decide, and when energy counts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from orchestrator.compare import compare
from orchestrator.compare.front import candidates, front
from orchestrator.report.columns import sheet
from orchestrator.report.remarks import front_note
from orchestrator.result import Result
from orchestrator.verdict import Verdict
from tests.measurement.records import make_result, make_sweep


def row(name: str, ms: float, size: float, energy: float | None = None, noise: float = 0.001) -> dict[str, Any]:
    return {
        "name": name,
        "latency_ms": ms,
        "latency_low_ms": ms * (1 - noise),
        "latency_high_ms": ms * (1 + noise),
        "size_bytes": size,
        "energy_mj": energy,
        "energy_uncertainty_mj": 1.0,
        "status": "done",
        "verdict": "valid",
        "sweep": "s",
        "device": "d",
        "batch_size": "1",
        "mode": "single_stream",
        "energy_scope": "soc",
        "energy_kind": "sampled",
    }


def names(rows: list[dict[str, Any]], energy: bool = False) -> str:
    return "".join(one["name"] for one in front(rows, energy))


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
    rows = [row("a", 10, 5, 100), row("b", 11, 6, 80), row("c", 11, 6, 99)]
    assert names(rows) == "a" and names(rows, energy=True) == "ab"


def test_a_ring_leaves_somebody_on_the_front() -> None:
    """a, b, c and d are each beaten by the one before: wide intervals tie in what narrow ones would decide."""
    ring = [row("a", 10, 5, 130), row("b", 14, 5, 115), row("c", 20, 5, 100), row("d", 15, 5, 115, noise=0.45)]
    ring[1]["energy_uncertainty_mj"] = 20.0
    assert names(ring, energy=True) == "abc"
    assert names(ring[:2], energy=True) == "a"


def test_energy_counts_only_where_all_have_it_in_one_scope() -> None:
    (both,) = candidates([row("a", 1, 1, 5), row("b", 1, 1, 6)])
    assert both.energy and both.without == ""
    (one,) = candidates([row("a", 1, 1, 5), row("b", 1, 1, float("nan"))])
    assert not one.energy and one.without == "1 of 2 have no measured energy"
    (mixed,) = candidates([row("a", 1, 1, 5), {**row("b", 1, 1, 6), "energy_scope": "cpu_package"}])
    assert not mixed.energy and "different scopes (cpu_package, soc)" in mixed.without
    (mixed,) = candidates([row("a", 1, 1, 5), {**row("b", 1, 1, 6), "energy_kind": "counter"}])
    assert not mixed.energy and "different kinds (counter, sampled)" in mixed.without


def test_modes_are_not_held_against_each_other() -> None:
    streams = {**row("b", 9, 5), "mode": "offline"}
    rows = [row("a", 10, 5), streams, row("c", 11, 5)]
    assert [(group.mode, names(list(group.rows))) for group in candidates(rows)] == [
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
