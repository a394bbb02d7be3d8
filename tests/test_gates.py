"""Limits that a cell has to keep to be recommended: kept, broken, not known, not certain, and in which words."""

from __future__ import annotations

import pytest

from orchestrator.gates import BROKEN, KEPT, UNCERTAIN, UNKNOWN, Gates

METRICS = {
    "latency/median_ms": 10.0,
    "latency/median_low_ms": 9.0,
    "latency/median_high_ms": 11.0,
    "model/size_bytes": 2e6,
    "quality/drop": 0.02,
    "quality/drop_low": 0.01,
    "quality/drop_high": 0.03,
    "quality/sqnr_db": 25.0,
}


@pytest.mark.parametrize(
    ("limits", "outcome", "says"),
    [
        ({}, KEPT, ""),
        ({"max_drop": 0.05}, KEPT, ""),
        ({"max_drop": 0.02}, UNCERTAIN, "drop up to 3 points > 2 allowed: not certain"),
        ({"max_drop": 0.015}, BROKEN, "drop 2 points > 1.5 allowed, not certain: 1 to 3"),
        ({"max_drop": 0.005}, BROKEN, "drop 2 points > 0.5 allowed"),
        ({"latency_ms": 9.5}, BROKEN, "latency 10 ms > 9.5 allowed, not certain: 9 to 11"),
        ({"latency_ms": 9.9999}, BROKEN, "latency 10 ms > 9.9999 allowed, not certain: 9 to 11"),
        ({"latency_ms": 10.5}, UNCERTAIN, "latency up to 11 ms > 10.5 allowed: not certain"),
        ({"size_mb": 1.9}, BROKEN, "size 2 MB > 1.9 allowed"),
        ({"size_mb": 2.0}, KEPT, ""),
        ({"min_sqnr_db": 25.0}, KEPT, ""),
        ({"min_sqnr_db": 30.0}, BROKEN, "SQNR 25 dB < 30 asked for"),
        ({"energy_mj": 5.0}, UNKNOWN, "energy is not known: no sensor"),
        ({"energy_mj": 5.0, "max_drop": 0.005}, BROKEN, "drop 2 points > 0.5 allowed; energy is not known: no sensor"),
    ],
)
def test_a_limit_is_kept_broken_or_not_known(limits: dict[str, float], outcome: str, says: str) -> None:
    judged = Gates(**limits).judged(METRICS, {"energy/per_inference_mj": "no sensor"})
    assert judged.outcome == outcome and "; ".join(judged.reasons) == says
    assert judged.recommendable == (outcome in (KEPT, UNCERTAIN))
    assert (judged.excess > 0) == (outcome == BROKEN)


def test_the_ends_of_energy_are_its_uncertainty() -> None:
    metrics = {"energy/per_inference_mj": 9.0, "energy/uncertainty_mj": 2.0}
    assert Gates(energy_mj=10).judged(metrics, {}).reasons == ("energy up to 11 mJ > 10 allowed: not certain",)
    assert Gates(energy_mj=11).judged(metrics, {}).outcome == KEPT
    assert Gates(energy_mj=8).judged(metrics, {}).reasons == ("energy 9 mJ > 8 allowed, not certain: 7 to 11",)


def test_what_is_identical_keeps_any_distance() -> None:
    missing = {"quality/sqnr_db": "no difference at all from the float model"}
    assert Gates(min_sqnr_db=60.0).judged({}, missing).outcome == KEPT
    assert Gates(min_sqnr_db=60.0).judged({}, {}).outcome == UNKNOWN


def test_a_share_that_is_the_limit_keeps_it() -> None:
    """1 - 0.99 is a little more than 0.01."""
    assert 1 - 0.99 > 0.01
    assert Gates(max_drop=0.01).judged({"quality/drop": 1 - 0.99}, {}).outcome == KEPT


def test_the_more_a_limit_is_broken_the_more_its_excess() -> None:
    def excess(drop: float, **limits: float) -> float:
        return Gates(max_drop=0.01, **limits).judged({**METRICS, "quality/drop": drop}, {}).excess

    assert 0 == excess(0.01) < excess(0.011) < excess(0.5) < excess(0.5, size_mb=1)
    none_allowed = [Gates(max_drop=0.0).judged({"quality/drop": drop}, {}).excess for drop in (0.0, 0.01, 0.02)]
    assert none_allowed == pytest.approx([0, 1, 2])


def test_limits_survive_the_disk_and_can_be_replaced() -> None:
    gates = Gates.from_json(Gates(max_drop=0.01, size_mb=3.0).to_json())
    assert gates == Gates(max_drop=0.01, size_mb=3.0)
    assert gates.changed(max_drop=0.5, latency_ms=None) == Gates(max_drop=0.5, size_mb=3.0)
    assert not Gates() and Gates(latency_ms=1.0)
    assert gates.words == "drop ≤ 1 point, size ≤ 3 MB" and Gates(min_sqnr_db=20).words == "SQNR ≥ 20 dB"
