"""Limits that a cell has to keep, and what is recommended in words."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.compare.front import candidates, front
from orchestrator.compare.recommend import recommendations
from orchestrator.gates import BROKEN, KEPT, UNCERTAIN, UNKNOWN, Gates

METRICS = {
    "latency/median_ms": 10.0,
    "latency/median_low_ms": 9.0,
    "latency/median_high_ms": 11.0,
    "model/size_bytes": 2e6,
    "quality/drop": 0.02,
    "quality/drop_low": 0.01,
    "quality/drop_high": 0.03,
}


@pytest.mark.parametrize(
    ("limits", "outcome", "says"),
    [
        ({}, KEPT, ""),
        ({"max_drop": 0.05}, KEPT, ""),
        ({"max_drop": 0.025}, UNCERTAIN, "quality/drop may be beyond 0.025 (95 %: 0.01 to 0.03)"),
        ({"max_drop": 0.01}, BROKEN, "quality drops by 0.02, allowed is 0.01"),
        ({"latency_ms": 9.5}, BROKEN, "takes 10 ms, allowed is 9.5"),
        ({"latency_ms": 10.5}, UNCERTAIN, "latency/median_ms may be beyond 10.5"),
        ({"size_mb": 1.9}, BROKEN, "has 2 MB, allowed is 1.9"),
        ({"size_mb": 2.0}, KEPT, ""),
        ({"energy_mj": 5.0}, UNKNOWN, "energy_mj: no sensor"),
        ({"min_sqnr_db": 20.0}, UNKNOWN, "min_sqnr_db: not measured"),
        ({"energy_mj": 5.0, "max_drop": 0.01}, BROKEN, "; energy_mj: no sensor"),
    ],
)
def test_a_limit_is_kept_broken_or_not_known(limits: dict[str, float], outcome: str, says: str) -> None:
    judged = Gates(**limits).judged(METRICS, {"energy/per_inference_mj": "no sensor"})
    assert judged.outcome == outcome
    assert says in "; ".join(judged.reasons) or not limits
    assert judged.recommendable == (outcome in (KEPT, UNCERTAIN))
    assert (judged.excess > 0) == (outcome in (BROKEN, UNKNOWN))


def test_what_is_identical_keeps_any_distance() -> None:
    missing = {"quality/sqnr_db": "no difference at all from the float model"}
    assert Gates(min_sqnr_db=60.0).judged({}, missing).outcome == KEPT
    assert Gates(min_sqnr_db=20.0).judged({"quality/sqnr_db": 12.0}, {}).outcome == BROKEN


def test_limits_survive_the_disk_and_can_be_replaced() -> None:
    gates = Gates.from_json(Gates(max_drop=0.01, size_mb=3.0).to_json())
    assert gates == Gates(max_drop=0.01, size_mb=3.0)
    assert gates.changed(max_drop=0.5, latency_ms=None) == Gates(max_drop=0.5, size_mb=3.0)
    assert not Gates() and Gates(latency_ms=1.0)


def row(optimization: str, ms: float, drop: float | None = None, **more: Any) -> dict[str, Any]:
    known: dict[str, Any] = {"quality_drop": drop, "quality_source": "test images"}
    if drop is not None:
        known |= {"quality_top1": 0.9 - drop, "quality_drop_low": drop - 0.004, "quality_drop_high": drop + 0.004}
    plain: dict[str, Any] = {
        "status": "done",
        "verdict": "valid",
        "sweep": "s",
        "device": "pi4",
        "batch_size": "1",
        "mode": None,
        "model": "digits",
        "runtime": "litert",
        "threads": "1",
        "optimization": optimization,
        "latency_ms": ms,
        "latency_low_ms": ms * 0.99,
        "latency_high_ms": ms * 1.01,
        "size_bytes": 100_000.0,
        "energy_mj": None,
        "energy_uncertainty_mj": None,
        "energy_scope": None,
        "energy_kind": None,
        "change_ratio": ms / 10,
        "change_significant": True,
        "is_baseline": optimization == "none",
    }
    return {**plain, **known, **more}


def test_the_fastest_that_keeps_the_limits_and_what_others_are_better_in() -> None:
    rows = [
        row("none", 10.0, 0.0),
        row("int8", 4.0, 0.006, size_bytes=30_000.0),
        row("pruned", 2.0, 0.3, gate=BROKEN, gate_why="quality drops by 0.3, allowed is 0.01"),
        row("clustered", 9.0, 0.005, size_bytes=10_000.0),
    ]
    (said,) = recommendations(rows, gated=True)
    assert said.startswith(
        "pi4, digits: recommended is int8: 4 ms, 2.50× faster than the baseline, 0.03 MB, top-1 89.4 %"
    )
    assert "0.6 points lost against float (95 %: 0.2 to 1.0)" in said
    assert "The one that answers best is none: nothing lost" in said
    assert "The smallest is clustered: 0.01 MB, 9 ms." in said
    assert said.endswith("Not considered: pruned: quality drops by 0.3, allowed is 0.01.")


def test_ties_doubts_and_unknown_quality_are_said() -> None:
    rows = [
        row("none", 10.0, quality_reason="its weights are random"),
        row("int8", 4.0, verdict="suspect", quality_reason="its weights are random"),
        row("float16", 4.05, quality_reason="its weights are random"),
    ]
    (said,) = recommendations(rows, gated=False)
    assert "the fastest is int8" in said and "recommended" not in said
    assert "As fast, within what was measured: float16." in said
    assert "Its latency is suspect." in said
    assert "How well it answers is not known: its weights are random." in said


def test_nothing_is_recommended_where_nothing_keeps_the_limits() -> None:
    rows = [row(name, 1.0, gate=UNKNOWN, gate_why="energy_mj: no sensor") for name in ("none", "int8")]
    (said,) = recommendations(rows, gated=True)
    assert "nothing is recommended" in said and "none, int8: energy_mj: no sensor" in said


def test_a_cell_alone_and_an_invalid_one_are_no_choice() -> None:
    assert recommendations([row("none", 1.0), row("int8", 0.5, verdict="invalid")], gated=False) == []


def test_what_differs_is_named() -> None:
    rows = [row("int8", 4.0, threads="4"), row("int8", 9.0), row("none", 20.0)]
    (said,) = recommendations(rows, gated=False)
    assert "the fastest is int8 (threads 4)" in said


def test_accuracy_is_part_of_the_front_where_all_have_answered_the_same() -> None:
    rows = [row("none", 10.0, 0.0), row("int8", 4.0, 0.05)]
    (group,) = candidates(rows)
    assert group.quality
    assert [r["optimization"] for r in front(rows, False)] == ["int8"]
    assert [r["optimization"] for r in front(rows, False, quality=True)] == ["none", "int8"]
    within = [row("none", 10.0, 0.0), row("int8", 4.0, 0.003)]  # intervals overlap: a tie
    assert [r["optimization"] for r in front(within, False, quality=True)] == ["int8"]
    for other in ({"quality_source": "others"}, {"quality_drop": None}):
        (group,) = candidates([rows[0], {**rows[1], **other}])
        assert not group.quality
