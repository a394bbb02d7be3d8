"""What the controller computes from a record: metrics, uncertainty, verdict. Missing is a reason, never 0."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from orchestrator import energy, stats
from orchestrator.device import PowerProfile
from orchestrator.errors import MeasurementError
from orchestrator.sheet import Sheet
from orchestrator.stats import Interval
from orchestrator.verdict import Verdict, judge

Json = Mapping[str, Any]

LIVE_BITS, STICKY_BITS = 0x0000F, 0xF0000  # of the Pi's get_throttled: now, and since boot

BOARD_FACTS = (
    *("device_tree_model", "cpu_model", "arch", "bits", "cores", "memory_bytes", "os", "kernel", "libc", "hostname"),
    *("python_implementation", "governor", "tags"),
)
"""What is kept of a board's facts as ``board.*`` tags."""

ACCELERATORS: Mapping[str | None, str] = {None: "CPU", "XNNPACK": "CPU"}


@dataclass(frozen=True, slots=True)
class Measurement:
    """Metrics by their tracking names, what is missing and why, and what vouches for them.

    ``process_medians_ms`` is kept because comparisons replicate over processes. ``uncertainty`` is an interval of the
    metric of that name; the words in its ``method`` say what went into it.
    """

    metrics: dict[str, float]
    missing: dict[str, str]
    uncertainty: dict[str, Interval]
    process_medians_ms: tuple[float, ...]
    verdict: Verdict
    tags: dict[str, str]
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Json) -> Measurement:
        verdict = data["verdict"]
        return cls(
            metrics=dict(data["metrics"]),
            missing=dict(data["missing"]),
            uncertainty={name: Interval(**value) for name, value in data["uncertainty"].items()},
            process_medians_ms=tuple(data["process_medians_ms"]),
            verdict=Verdict(verdict["level"], tuple(verdict["reasons"]), tuple(verdict["unchecked"])),
            tags=dict(data["tags"]),
            warnings=tuple(data["warnings"]),
        )


def measure(
    record: Json,
    *,
    manifest: Json,
    power: PowerProfile,
    cores: int | None,
    facts: Mapping[str, object] | None = None,
    mismatches: Sequence[str] = (),
) -> Measurement:
    """Compute everything that is published about one cell from its checked record.

    ``manifest`` is the artifact's, ``power`` the device's published watts (for the estimate only), ``cores`` of the
    board, ``facts`` the board's own (BOARD_FACTS of them become tags), ``mismatches`` what they say against the
    inventory (see ``declared``).

    Raises MeasurementError if the record holds no measured process.
    """
    processes = record["processes"]
    if not processes or not all(p["invoke_ns"] for p in processes):
        raise MeasurementError("the record holds no timed run", hint="see log.txt of the cell")
    sheet = Sheet()
    medians_ms = tuple(stats.median(p["invoke_ns"]) / p["group"] / 1e6 for p in processes)
    if min(medians_ms) <= 0:
        raise MeasurementError("the record holds durations of 0 ns: the clock of the board does not advance")
    _latency(sheet, processes, medians_ms)
    _load_and_memory(sheet, processes)
    _model(sheet, manifest)
    _delegate(sheet, record["runtime"])
    _state(sheet, record["state"], processes, cores)
    energy.measured(sheet, record["energy"], processes)
    energy.estimated(sheet, processes, power, cores)
    _tags(sheet, record, manifest, facts or {})
    sheet.warnings.extend(mismatches)
    verdict = judge(_evidence(sheet, record, processes) | {"mismatches": len(mismatches)})
    sheet.tags["verdict"] = verdict.level
    if verdict.reasons:
        sheet.tags["verdict.reasons"] = "; ".join(verdict.reasons)
    return Measurement(
        sheet.metrics, sheet.missing, sheet.uncertainty, medians_ms, verdict, sheet.tags, tuple(sheet.warnings)
    )


def _latency(sheet: Sheet, processes: Sequence[Json], medians_ms: Sequence[float]) -> None:
    group = max(p["group"] for p in processes)
    sheet.put("latency/median_ms", stats.median(medians_ms))
    sheet.put("latency/mean_ms", _mean([_mean(p["invoke_ns"]) / p["group"] / 1e6 for p in processes]))
    calls_ms = [ns / 1e6 for p in processes for ns in p["invoke_ns"]]
    if group > 1:
        reason = f"calls under 1 ms were timed in groups of {group}; single calls are not known"
        names = ("p90_ms", "p95_ms", "p99_ms", "min_ms", "max_ms", "cv")
        sheet.lacks(reason, *(f"latency/{name}" for name in names))
    else:
        for p, needed in stats.PERCENTILE_MINIMUM.items():
            sheet.put(f"latency/p{p}_ms", stats.percentile(calls_ms, p), f"{len(calls_ms)} runs, {needed} needed")
        sheet.put("latency/min_ms", min(calls_ms))
        sheet.put("latency/max_ms", max(calls_ms))
        sheet.put("latency/cv", _cv(processes))
        sheet.put("latency/outliers", sum(stats.outliers(p["invoke_ns"]) for p in processes))
    sheet.put("latency/runs", sum(len(p["invoke_ns"]) * p["group"] for p in processes))
    sheet.put("latency/first_ms", stats.median([p["first_ns"] / 1e6 for p in processes]))
    ends = [stats.median(p["end_to_end_ns"]) / p["end_to_end_group"] / 1e6 for p in processes if p["end_to_end_ns"]]
    sheet.put(
        "latency/end_to_end_median_ms", stats.median(ends) if ends else None, "no end-to-end pass in this scenario"
    )
    rates = [len(p["invoke_ns"]) * p["group"] / p["window_ns"] * 1e9 for p in processes if p["window_ns"] > 0]
    sheet.put("throughput/inferences_per_s", stats.median(rates) if rates else None, "no window was timed")
    interval = stats.between_processes(medians_ms)
    if interval:
        sheet.uncertainty["latency/median_ms"] = interval
        sheet.put("latency/median_low_ms", interval.low)
        sheet.put("latency/median_high_ms", interval.high)
    else:
        sheet.lacks("one process: no interval between processes", "latency/median_low_ms", "latency/median_high_ms")


def _load_and_memory(sheet: Sheet, processes: Sequence[Json]) -> None:
    sheet.put("load/total_ms", stats.median([p["load_ns"] / 1e6 for p in processes]))
    sheet.put("load/import_ms", stats.median([p["import_ns"] / 1e6 for p in processes]))
    peaks = [p["peak_rss_bytes"] for p in processes if p.get("peak_rss_bytes")]
    sheet.put("memory/peak_rss_mb", max(peaks) / 1e6 if peaks else None, "the board does not tell peak memory")


def _model(sheet: Sheet, manifest: Json) -> None:
    names = {
        "model/size_bytes": "size_bytes",
        "model/gzip_bytes": "gzip_bytes",
        "model/macs": "macs",
        "model/params": "parameters",
        "model/sparsity": "sparsity",
    }
    for metric, key in names.items():
        value = manifest.get(key)
        number = float(value) if isinstance(value, int | float) else None
        sheet.put(metric, number, manifest.get(f"{key}_reason") or f"the artifact's manifest has no {key}")


def _delegate(sheet: Sheet, runtime: Json) -> None:
    delegate = runtime["delegate"]
    nodes, share = delegate["nodes"], delegate["delegated_nodes"]
    reason = delegate["reason"] or f"the runtime does not tell (delegate {delegate['state']})"
    sheet.put("delegate/share", share / nodes if nodes and share is not None else None, reason)
    sheet.put("delegate/partitions", delegate["partitions"], reason)


def _state(sheet: Sheet, state: Json, processes: Sequence[Json], cores: int | None) -> None:
    missing = state.get("missing", {})
    temperatures = list(_seen(state, "temperature_c"))
    reason = missing.get("temperature_c", "no sample of board state")
    sheet.put("state/temperature_max_c", max(temperatures, default=None), reason)
    sheet.put("state/temperature_start_c", temperatures[0] if temperatures else None, reason)
    clocks = [_mean(mhz) for mhz in _seen(state, "cpu_mhz") if mhz]
    sheet.put(
        "state/cpu_mean_mhz", _mean(clocks) if clocks else None, missing.get("cpu_mhz", "no sample of board state")
    )
    shares = [
        max(0.0, s["cpu_busy"] - s["own_busy"])
        for s in state["samples"]
        if s.get("cpu_busy") is not None and s.get("own_busy") is not None
    ]
    foreign = _mean(shares) * cores if shares and cores else None
    sheet.put(
        "state/foreign_cpu_cores", foreign, missing.get("cpu_busy", "no sample of CPU use, or number of cores unknown")
    )
    window_s = sum(p["window_ns"] for p in processes) / 1e9
    switches = [p["involuntary_switches"] for p in processes if p.get("involuntary_switches") is not None]
    rate = sum(switches) / window_s if len(switches) == len(processes) and window_s > 0 else None
    sheet.put("state/involuntary_switches_per_s", rate, "the board does not count context switches")


def _tags(sheet: Sheet, record: Json, manifest: Json, facts: Mapping[str, object]) -> None:
    runtime, delegate = record["runtime"], record["runtime"]["delegate"]
    name = delegate["name"]
    tags: dict[str, object] = {
        "runtime.name": runtime["name"],
        "runtime.version": runtime["version"],
        "runtime.numpy": runtime["numpy"],
        "runtime.python": _words(runtime["python"]),
        "runtime.threads": runtime["threads"],
        "delegate": name or "none",
        "delegate.state": delegate["state"],
        "delegate.requested": delegate["requested"],
        "delegate.nodes": f"{delegate['delegated_nodes']}/{delegate['nodes']}" if _told(delegate) else None,
        "delegate.reason": delegate["reason"],
        "accelerator": ACCELERATORS.get(name, name),
        "artifact.sha256": record["artifact_sha256"],
        "artifact.calibration": _calibration(manifest.get("calibration")),
        "artifact.notes": "; ".join(manifest.get("notes") or ()),
        "weights": manifest.get("weights"),
        "boot_id": record.get("boot_id"),
        **{f"board.{key}": _words(facts.get(key)) for key in BOARD_FACTS},
    }
    governors = sorted(set(_seen(record["state"], "governor")))
    tags["state.governor"] = ", ".join(governors) or None
    sheet.tags.update({key: str(value) for key, value in tags.items() if value not in (None, "")})


def _evidence(sheet: Sheet, record: Json, processes: Sequence[Json]) -> dict[str, float | None]:
    """What the rules of the verdict look at; None where the board does not tell."""
    throttled = list(_seen(record["state"], "throttled"))
    hashes = {p["output_sha256"] for p in processes if p["output_sha256"]}
    medians = [stats.median(p["invoke_ns"]) / p["group"] for p in processes]
    drifts = [d for p in processes if (d := stats.drift(p["invoke_ns"])) is not None]
    stability = {
        "process_spread": stats.spread(medians) if len(medians) > 1 else None,
        "cv": _cv(processes),
        "drift": stats.median(drifts) if drifts else None,
    }
    for name, value in stability.items():
        sheet.put(f"stability/{name}", value, "too few processes or runs")
    stability["drift"] = abs(stability["drift"]) if stability["drift"] is not None else None
    sticky = throttled[-1] & STICKY_BITS if throttled else 0
    return {
        **stability,
        "output_variants": len(hashes) or None,
        "not_finite_outputs": sum(not p["output_finite"] for p in processes),
        "live_throttle_samples": sum(bool(bits & LIVE_BITS) for bits in throttled) if throttled else None,
        "sticky_throttle_bits": sticky.bit_count() if throttled else None,
        "processes": len(processes),
        "runs": min(len(p["invoke_ns"]) * p["group"] for p in processes),
        "involuntary_switches_per_s": sheet.metrics.get("state/involuntary_switches_per_s"),
        "foreign_cpu_cores": sheet.metrics.get("state/foreign_cpu_cores"),
    }


def _cv(processes: Sequence[Json]) -> float:
    """Within a process, so that a difference between processes does not count twice. Grouped calls: of the groups."""
    return stats.median([stats.cv(p["invoke_ns"]) for p in processes])


def _seen(state: Json, key: str) -> Iterator[Any]:
    return (s[key] for s in state["samples"] if s.get(key) is not None)


def _told(delegate: Json) -> bool:
    return delegate["nodes"] is not None and delegate["delegated_nodes"] is not None


def _calibration(calibration: Json | None) -> str | None:
    """On what integer quantization has chosen its ranges."""
    return f"{calibration['samples']} samples: {calibration['source']}" if calibration else None


def _words(value: object) -> str | None:
    if isinstance(value, list | tuple):
        return (" " if value and isinstance(value[0], str) else ".").join(str(v) for v in value)
    return None if value is None else str(value)


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
