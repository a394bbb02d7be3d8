"""One table row per cell: its columns, and their types."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from orchestrator.cell import AXES
from orchestrator.compare.baseline import asked
from orchestrator.result import DONE, Result

METRIC_COLUMNS: Mapping[str, str] = {
    "latency_ms": "latency/median_ms",
    "latency_low_ms": "latency/median_low_ms",
    "latency_high_ms": "latency/median_high_ms",
    "latency_p90_ms": "latency/p90_ms",
    "latency_p99_ms": "latency/p99_ms",
    "first_ms": "latency/first_ms",
    "end_to_end_ms": "latency/end_to_end_median_ms",
    "throughput_per_s": "throughput/inferences_per_s",
    "samples_per_s": "throughput/samples_per_s",
    "burst_ms": "sustained/burst_median_ms",
    "sustained_ms": "sustained/sustained_median_ms",
    "degradation": "sustained/degradation",
    "pipeline_ms": "pipeline/total_ms",
    "pipeline_invoke_share": "pipeline/invoke_share",
    "load_ms": "load/total_ms",
    "peak_rss_mb": "memory/peak_rss_mb",
    "size_bytes": "model/size_bytes",
    "quality_samples": "quality/samples",
    "gzip_bytes": "model/gzip_bytes",
    "quality_top1": "quality/top1",
    "quality_top1_low": "quality/top1_low",
    "quality_top1_high": "quality/top1_high",
    "quality_top5": "quality/top5",
    "quality_auc": "quality/auc",
    "quality_drop": "quality/drop",
    "quality_drop_low": "quality/drop_low",
    "quality_drop_high": "quality/drop_high",
    "quality_agreement": "quality/top1_agreement",
    "quality_sqnr_db": "quality/sqnr_db",
    "energy_mj": "energy/per_inference_mj",
    "energy_uncertainty_mj": "energy/uncertainty_mj",
    "energy_repeatability_mj": "energy/repeatability_mj",
    "energy_net_mj": "energy/net_per_inference_mj",
    "energy_net_uncertainty_mj": "energy/net_uncertainty_mj",
    "inferences_per_wh": "energy/inferences_per_wh",
    "joules_per_1000": "energy/joules_per_1000",
    "edp_mj_ms": "energy/edp_mj_ms",
    "power_w": "energy/mean_power_w",
    "idle_power_w": "energy/idle_power_w",
    "energy_estimate_mj": "energy_estimate/per_inference_mj",
    "energy_estimate_low_mj": "energy_estimate/per_inference_mj_low",
    "energy_estimate_high_mj": "energy_estimate/per_inference_mj_high",
    "temperature_max_c": "state/temperature_max_c",
}
TAG_COLUMNS: Mapping[str, str] = {
    "energy_scope": "energy.scope",
    "energy_kind": "energy.kind",
    "energy_source": "energy.source",
    "energy_verdict": "energy.verdict",
    "energy_verdict_reasons": "energy.verdict.reasons",
    "energy_estimate_scope": "energy_estimate.scope",
    "energy_estimate_source": "energy_estimate.source",
    "quality_source": "quality.source",
    "quality_reference": "quality.reference",
    "quality_task": "quality.task",
    "quality_evaluation": "quality.evaluation",
    "quality_data": "quality.data",
    "mode": "scenario.mode",
    "weights": "weights",
    "optimization_steps": "optimization.steps",
    "artifact_sha256": "artifact.sha256",
    "runtime_version": "runtime.version",
    "python": "runtime.python",
    "numpy": "runtime.numpy",
    "board_model": "board.device_tree_model",
    "board_cpu": "board.cpu_model",
    "board_os": "board.os",
    "board_kernel": "board.kernel",
    "governor": "state.governor",
}
ENERGY_CHANGE = (
    *("energy_change_ratio", "energy_change_low", "energy_change_high", "energy_change_outcome", "energy_change_note"),
    "ops_ratio",
)
BATTERY = (
    *("battery", "battery_h", "battery_low_h", "battery_high_h", "battery_note"),
    *("battery_estimate_low_h", "battery_estimate_high_h", "battery_estimate_note"),
)
COLUMNS: tuple[str, ...] = (
    *("sweep", "number", "status", "device", "board", "model", "optimization"),
    *(
        "runtime",
        "runtime_asked",
        "runtime_name",
        "accelerator",
        "processor",
        "delegate",
        "threads",
        "batch_size",
        "input_size",
        "width",
        "scenario",
    ),
    *METRIC_COLUMNS,
    *TAG_COLUMNS,
    *("verdict", "verdict_reasons", "warnings", "processes", "front", "front_of_model", "is_baseline"),
    *("change_ratio", "change_low", "change_high", "change_p", "change_p_adjusted", "change_significant"),
    *("change_outcome", "change_detectable", "change_processes", "change_note", "change_differs"),
    "slimming_note",
    *ENERGY_CHANGE,
    *BATTERY,
    *("quality_reason", "quality_sqnr_reason", "gate", "gate_why"),
    *("energy_reason", "energy_net_reason", "reason", "hint", "log", "cell_id"),
)

NUMBERS = (
    *(*METRIC_COLUMNS, "processes", "change_ratio", "change_low", "change_high", "change_p", "change_p_adjusted"),
    *("change_detectable", "change_processes"),
    *("energy_change_ratio", "energy_change_low", "energy_change_high", "ops_ratio"),
    *("battery_h", "battery_low_h", "battery_high_h", "battery_estimate_low_h", "battery_estimate_high_h"),
)
TRUTHS = ("front", "front_of_model", "is_baseline", "change_significant")
WHOLE = ("number",)
"""Columns that hold floats (NaN: not known), booleans and integers; all others hold text (None: not known)."""

PIVOT_AXES = ("sweep", *AXES)
"""What tells rows apart: an axis of the matrix (the scenario with its overrides), or the sweep."""


def row_of(result: Result, base: Result | None, change: Mapping[str, Any], alone: bool) -> dict[str, Any]:
    """``change``: its ``change_*`` columns; ``alone``: no other cell could be compared with the same baseline."""
    row: dict[str, Any] = {
        **result.axes,
        "scenario": unescaped(result.axes.get("scenario", "")),
        "runtime_asked": asked(result)["runtime"],
        "sweep": result.sweep_id,
        "number": result.number,
        "status": result.status,
        "board": result.board,
        "warnings": "; ".join((*(result.measurement.warnings if result.measurement else ()), *result.warnings)),
        "reason": result.reason or (f"{result.error.type}: {result.error.message}" if result.error else ""),
        "hint": result.error.hint if result.error else None,
        "log": result.error.log if result.error else None,
        "cell_id": result.cell_id,
        **dict.fromkeys(TRUTHS, False),
    }
    m = result.measurement
    if m is None or result.status != DONE:
        return row
    row |= {column: m.metrics.get(metric) for column, metric in METRIC_COLUMNS.items()}
    row |= {column: m.tags.get(tag) for column, tag in TAG_COLUMNS.items()}
    row |= {
        "runtime_name": runtime(result.axes.get("runtime", ""), m.tags.get("runtime.name")),
        "accelerator": " · ".join(filter(None, (m.tags.get("accelerator"), delegate(m.tags)))),
        "processor": m.tags.get("accelerator"),
        "delegate": delegate(m.tags),
        "verdict": m.verdict.level,
        "verdict_reasons": "; ".join(m.verdict.reasons),
        "processes": len(m.process_medians_ms),
        "energy_reason": m.missing.get("energy/per_inference_mj"),
        "quality_reason": m.missing.get("quality/drop"),
        "quality_sqnr_reason": m.missing.get("quality/sqnr_db"),
        "energy_net_reason": m.missing.get("energy/net_per_inference_mj"),
        "is_baseline": result is base and not alone,
    }
    return {**row, **({"change_note": "nothing beside it"} if alone and result is base else change)}


def runtime(asked: str, name: str | None) -> str | None:
    """The runtime that a board has, with the delegate and options that were asked for: ``onnxruntime+cuda``."""
    return asked if name and asked.startswith(f"{name}+") else name


def unescaped(text: str) -> str:
    """An override as it was meant: ``nets:tiny`` for Hydra's ``nets\\:tiny``."""
    return re.sub(r"\\([\\()\[\]{}:=, ])", r"\1", text)


def delegate(tags: Mapping[str, str]) -> str:
    """What took the model over, as far as it is proven: ``XNNPACK 66/66``, ``XNNPACK unproven``, ``no delegate``."""
    name = tags.get("delegate", "none")
    if name == "none":
        return "no delegate" if tags.get("delegate.state") == "absent" else "unproven"
    return f"{name} {tags.get('delegate.nodes') or tags.get('delegate.state', 'unproven')}"
