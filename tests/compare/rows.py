"""Rows of a comparison by hand, for tests of what reads them."""

from __future__ import annotations

from typing import Any

NO_DIFFERENCE = "no difference at all from the float model"


def row(optimization: str, ms: float, drop: float | None = None, half: float = 0.004, **more: Any) -> dict[str, Any]:
    """A cell of ``digits`` on ``pi4`` with intervals of ±1 % and, where the drop is known, ±``half``."""
    known: dict[str, Any] = {"quality_drop": drop, "quality_source": "test images", "quality_samples": 360.0}
    if drop is not None:
        right = 0.95 - drop
        known |= {"quality_top1": right, "quality_top1_low": right - 0.02, "quality_top1_high": right + 0.02}
        known |= {"quality_drop_low": drop - half, "quality_drop_high": drop + half}
    plain: dict[str, Any] = {
        "status": "done",
        "verdict": "valid",
        "verdict_reasons": "",
        "sweep": "s",
        "device": "pi4",
        "model": "digits",
        "batch_size": "1",
        "mode": "single_stream",
        "runtime_name": "litert",
        "runtime_asked": "litert",
        "threads": "1",
        "input_size": "8",
        "width": "native",
        "scenario": "quick",
        "optimization": optimization,
        "latency_ms": ms,
        "latency_low_ms": ms * 0.99,
        "latency_high_ms": ms * 1.01,
        "size_bytes": 100_000.0,
        "energy_mj": None,
        "energy_uncertainty_mj": None,
        "energy_scope": "soc",
        "energy_kind": "sampled",
        "change_ratio": ms / 10,
        "change_low": ms / 10.1,
        "change_high": ms / 9.9,
        "change_significant": ms != 10,
        "change_outcome": "differs",
        "is_baseline": optimization == "none",
        "gate": None,
        "gate_why": None,
    }
    return {**plain, **known, **more}


def random(optimization: str, ms: float, sqnr_db: float | None, **more: Any) -> dict[str, Any]:
    """One of a model with random weights: only the distance from float is known; None: there is none."""
    why = {"quality_reason": "its weights are random", "quality_sqnr_db": sqnr_db}
    return row(optimization, ms, **{**why, "quality_sqnr_reason": None if sqnr_db else NO_DIFFERENCE, **more})
