"""One table row per cell, and how each compares with the baseline optimization under the same controls."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator import stats
from orchestrator.errors import ConfigError
from orchestrator.result import DONE, FAILED, INTERRUPTED, SKIPPED, Result, Sweep, find_sweep, load_sweep
from orchestrator.verdict import INVALID

if TYPE_CHECKING:
    import pandas as pd

CONTROLS = ("device", "model", "runtime", "threads", "batch_size", "input_size", "scenario")
"""What a cell shares with its baseline; they differ in the optimization only."""

METRIC_COLUMNS: Mapping[str, str] = {
    "latency_ms": "latency/median_ms",
    "latency_low_ms": "latency/median_low_ms",
    "latency_high_ms": "latency/median_high_ms",
    "latency_p90_ms": "latency/p90_ms",
    "latency_p99_ms": "latency/p99_ms",
    "first_ms": "latency/first_ms",
    "end_to_end_ms": "latency/end_to_end_median_ms",
    "throughput_per_s": "throughput/inferences_per_s",
    "load_ms": "load/total_ms",
    "peak_rss_mb": "memory/peak_rss_mb",
    "size_bytes": "model/size_bytes",
    "energy_mj": "energy/per_inference_mj",
    "energy_uncertainty_mj": "energy/uncertainty_mj",
    "energy_net_mj": "energy/net_per_inference_mj",
    "power_w": "energy/mean_power_w",
    "energy_estimate_mj": "energy_estimate/per_inference_mj",
    "energy_estimate_low_mj": "energy_estimate/per_inference_mj_low",
    "energy_estimate_high_mj": "energy_estimate/per_inference_mj_high",
    "temperature_max_c": "state/temperature_max_c",
}
TAG_COLUMNS: Mapping[str, str] = {
    "energy_scope": "energy.scope",
    "energy_kind": "energy.kind",
    "energy_source": "energy.source",
    "energy_estimate_scope": "energy_estimate.scope",
    "energy_estimate_source": "energy_estimate.source",
    "weights": "weights",
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
IDENTITY = ("sweep", "number", "status", "device", "board", "model", "optimization", "runtime", "runtime_name")
COLUMNS: tuple[str, ...] = (
    *IDENTITY,
    *("accelerator", "processor", "delegate", "threads", "batch_size", "input_size", "scenario"),
    *METRIC_COLUMNS,
    *TAG_COLUMNS,
    *("verdict", "verdict_reasons", "warnings", "processes", "is_baseline"),
    *("change_ratio", "change_low", "change_high", "change_p", "change_significant", "change_note"),
    *("energy_reason", "reason", "hint", "log", "cell_id"),
)

ORDER = {DONE: 0, FAILED: 1, INTERRUPTED: 2, SKIPPED: 3}


@dataclass(frozen=True, slots=True)
class Comparison:
    """``frame`` has the columns COLUMNS, cells with numbers first, then failed, interrupted and skipped ones.

    ``results`` are those of the rows, in their order.
    """

    sweeps: tuple[Sweep, ...]
    baselines: Mapping[str, str]  # of each sweep, by its id
    frame: pd.DataFrame
    results: tuple[Result, ...]

    @property
    def done(self) -> pd.DataFrame:
        return self.frame[self.frame["status"] == DONE]

    @property
    def others(self) -> pd.DataFrame:
        """Cells without a number, each with its reason."""
        return self.frame[self.frame["status"] != DONE]

    @property
    def baseline(self) -> str:
        """The optimization that others are compared with; several where sweeps brought their own."""
        return ", ".join(dict.fromkeys(self.baselines.values()))

    @property
    def title(self) -> str:
        names = ", ".join(sweep.id for sweep in self.sweeps)
        return f"Sweep {names}" if len(self.sweeps) == 1 else f"Sweeps {names}"


def compare(sweep: Sweep, results: Sequence[Result], baseline: str | None = None) -> Comparison:
    """The cells of one sweep side by side; ``baseline`` is the optimization to compare with, None the sweep's own."""
    return _comparison((sweep,), results, baseline)


def compare_sweeps(root: Path, names: Sequence[str], baseline: str | None = None) -> Comparison:
    """Stored sweeps, called by id, path or ``last`` (also where none is named); ``baseline`` as in ``compare``.

    Raises ConfigError for a sweep that is not there, MeasurementError for one that cannot be read.
    """
    loaded = [
        load_sweep(directory) for directory in dict.fromkeys(find_sweep(root, name) for name in names or ("last",))
    ]
    results = [result for _, some in loaded for result in some]
    if not results:
        raise ConfigError(
            f"no cell of {', '.join(names or ('last',))} has a result yet", hint="let the sweep go on first"
        )
    return _comparison(tuple(sweep for sweep, _ in loaded), results, baseline)


def _comparison(sweeps: tuple[Sweep, ...], results: Sequence[Result], baseline: str | None) -> Comparison:
    import pandas as pd  # half a second, which planning and measuring need not wait for

    names = {sweep.id: sweep.baseline if baseline is None else baseline for sweep in sweeps}
    bases = {_controls(r): r for r in results if r.status == DONE and _is_base(r, names)}
    ranked = sorted(results, key=_order(sweeps, results, names))
    rows = [_row(result, bases.get(_controls(result)), names.get(result.sweep_id, "")) for result in ranked]
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    numeric = [*METRIC_COLUMNS, "processes", "change_ratio", "change_low", "change_high", "change_p"]
    frame[numeric] = frame[numeric].astype("float64")
    return Comparison(sweeps, names, frame, tuple(ranked))


def _is_base(result: Result, baselines: Mapping[str, str]) -> bool:
    return result.axes.get("optimization") == baselines.get(result.sweep_id)


def _order(
    sweeps: tuple[Sweep, ...], results: Sequence[Result], baselines: Mapping[str, str]
) -> Callable[[Result], tuple[Any, ...]]:
    """Cells to be compared stand together, the baseline first; words in the order asked for, numbers by size."""
    position = {sweep.id: i for i, sweep in enumerate(sweeps)}
    asked = sorted(results, key=lambda r: (position.get(r.sweep_id, 0), r.number))
    seen = {axis: {r.axes.get(axis, ""): i for i, r in reversed(list(enumerate(asked)))} for axis in CONTROLS}

    def place(axis: str, value: str) -> tuple[int, int]:
        return (0, int(value)) if value.isdecimal() else (1, seen[axis][value])

    def key(result: Result) -> tuple[Any, ...]:
        axes = [place(axis, result.axes.get(axis, "")) for axis in CONTROLS]
        other = not _is_base(result, baselines)
        return (ORDER[result.status], axes, position.get(result.sweep_id, 0), other, result.number)

    return key


def _controls(result: Result) -> tuple[str, ...]:
    extras = "/".join(result.cell_id.split("/")[8:])  # overrides that are no axis stand at the end of the id
    return (result.sweep_id, extras, *(result.axes.get(control, "") for control in CONTROLS))


def _row(result: Result, base: Result | None, baseline: str) -> dict[str, Any]:
    row: dict[str, Any] = {
        **result.axes,
        "sweep": result.sweep_id,
        "number": result.number,
        "status": result.status,
        "board": result.board,
        "warnings": "; ".join((*(result.measurement.warnings if result.measurement else ()), *result.warnings)),
        "is_baseline": result is base,
        "reason": result.reason or (f"{result.error.type}: {result.error.message}" if result.error else ""),
        "hint": result.error.hint if result.error else None,
        "log": result.error.log if result.error else None,
        "cell_id": result.cell_id,
        "change_significant": False,
    }
    m = result.measurement
    if m is None or result.status != DONE:
        return row
    row |= {column: m.metrics.get(metric) for column, metric in METRIC_COLUMNS.items()}
    row |= {column: m.tags.get(tag) for column, tag in TAG_COLUMNS.items()}
    row |= {
        "runtime_name": m.tags.get("runtime.name"),
        "accelerator": " · ".join(filter(None, (m.tags.get("accelerator"), delegate(m.tags)))),
        "processor": m.tags.get("accelerator"),
        "delegate": delegate(m.tags),
        "verdict": m.verdict.level,
        "verdict_reasons": "; ".join(m.verdict.reasons),
        "processes": len(m.process_medians_ms),
        "energy_reason": m.missing.get("energy/per_inference_mj"),
    }
    return row | _change(result, base, baseline)


def delegate(tags: Mapping[str, str]) -> str:
    """What took the model over, as far as it is proven: ``XNNPACK 66/66``, ``XNNPACK unproven``, ``no delegate``."""
    name = tags.get("delegate", "none")
    if name == "none":
        return "no delegate" if tags.get("delegate.state") == "absent" else "unproven"
    return f"{name} {tags.get('delegate.nodes') or tags.get('delegate.state', 'unproven')}"


def _change(result: Result, base: Result | None, baseline: str) -> dict[str, Any]:
    """Latency against the baseline; no number without ground, but then a note."""
    if result is base:
        sound = result.measurement is not None and result.measurement.verdict.level != INVALID
        return {"change_note": "baseline" if sound else "no baseline: it is invalid"}
    if base is None or base.measurement is None or result.measurement is None:
        return {"change_note": f"no '{baseline}' beside it"}
    for one, what in ((base, "the baseline"), (result, "it")):
        if one.measurement is not None and one.measurement.verdict.level == INVALID:
            return {"change_note": f"{what} is invalid"}
    if (ours := result.measurement.tags.get("runtime.name")) != (its := base.measurement.tags.get("runtime.name")):
        return {"change_note": f"another runtime ({ours}, baseline {its})"}
    note = f"baseline on another board ({base.board})" if base.board != result.board else ""
    change = stats.compare(result.measurement.process_medians_ms, base.measurement.process_medians_ms)
    return {
        "change_ratio": change.ratio,
        "change_low": change.low,
        "change_high": change.high,
        "change_p": change.p,
        "change_significant": change.significant,
        "change_note": "; ".join(
            filter(None, (change.note or ("" if change.significant else "no significant difference"), note))
        ),
    }
