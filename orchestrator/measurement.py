"""What the controller computes from a record: metrics, uncertainty, energy, verdict. Missing is a reason, never 0."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any

from orchestrator import stats
from orchestrator.device import PowerProfile, PowerRange
from orchestrator.errors import MeasurementError
from orchestrator.stats import Interval
from orchestrator.verdict import Verdict, judge

Json = Mapping[str, Any]

COVERAGE_MINIMUM = 0.95
ENERGY_SHIFT_LIMIT = 0.03
"""Beyond this difference of latency between the energy pass and the latency pass, metering disturbed the model."""

LIVE_BITS, STICKY_BITS = 0x0000F, 0xF0000  # of the Pi's get_throttled: now, and since boot

SENSOR_ERRORS: Mapping[str, tuple[float, float]] = {
    # gain error as a fraction, resolution in W. INA3221: 40 uV shunt steps on 5 mOhm at 5 V. The gain errors are
    # assumptions of this project (a 1 % shunt and its front end; a model in RAPL), said wherever they enter.
    "ina3221": (0.02, 0.040),
    "hwmon": (0.02, 0.0),
    "rapl": (0.05, 0.0),
}
UNKNOWN_SENSOR = (0.05, 0.0)

BOARD_FACTS = (
    *("device_tree_model", "cpu_model", "arch", "bits", "cores", "memory_bytes", "os", "kernel", "libc", "hostname"),
    *("python_implementation", "governor"),
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


@dataclass(slots=True)
class _Sheet:
    """A measurement while it is filled in."""

    metrics: dict[str, float] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    uncertainty: dict[str, Interval] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def put(self, name: str, value: float | None, otherwise: str = "") -> None:
        """Store a finite value, or the reason why there is none."""
        if value is not None and math.isfinite(value):
            self.metrics[name] = float(value)
        else:
            self.missing[name] = otherwise or "not a finite number"

    def lacks(self, reason: str, *names: str) -> None:
        self.missing.update(dict.fromkeys(names, reason))


def measure(
    record: Json, *, manifest: Json, power: PowerProfile, cores: int | None, facts: Mapping[str, object] | None = None
) -> Measurement:
    """Compute everything that is published about one cell from its checked record.

    ``manifest`` is the artifact's, ``power`` the device's published watts (for the estimate only), ``cores`` of the
    board, ``facts`` the board's own (BOARD_FACTS of them become tags).

    Raises MeasurementError if the record holds no measured process.
    """
    processes = record["processes"]
    if not processes or not all(p["invoke_ns"] for p in processes):
        raise MeasurementError("the record holds no timed run", hint="see log.txt of the cell")
    sheet = _Sheet()
    medians_ms = tuple(stats.median(p["invoke_ns"]) / p["group"] / 1e6 for p in processes)
    if min(medians_ms) <= 0:
        raise MeasurementError("the record holds durations of 0 ns: the clock of the board does not advance")
    _latency(sheet, processes, medians_ms)
    _load_and_memory(sheet, processes)
    _model(sheet, manifest)
    _delegate(sheet, record["runtime"])
    _state(sheet, record["state"], processes, cores)
    _energy(sheet, record["energy"], processes)
    _estimate(sheet, processes, power, cores)
    _tags(sheet, record, manifest, facts or {})
    verdict = judge(_evidence(sheet, record, processes))
    sheet.tags["verdict"] = verdict.level
    if verdict.reasons:
        sheet.tags["verdict.reasons"] = "; ".join(verdict.reasons)
    return Measurement(
        sheet.metrics, sheet.missing, sheet.uncertainty, medians_ms, verdict, sheet.tags, tuple(sheet.warnings)
    )


def _latency(sheet: _Sheet, processes: Sequence[Json], medians_ms: Sequence[float]) -> None:
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


def _load_and_memory(sheet: _Sheet, processes: Sequence[Json]) -> None:
    sheet.put("load/total_ms", stats.median([p["load_ns"] / 1e6 for p in processes]))
    sheet.put("load/import_ms", stats.median([p["import_ns"] / 1e6 for p in processes]))
    peaks = [p["peak_rss_bytes"] for p in processes if p.get("peak_rss_bytes")]
    sheet.put("memory/peak_rss_mb", max(peaks) / 1e6 if peaks else None, "the board does not tell peak memory")


def _model(sheet: _Sheet, manifest: Json) -> None:
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
        sheet.put(metric, number, f"the artifact's manifest has no {key}")


def _delegate(sheet: _Sheet, runtime: Json) -> None:
    delegate = runtime["delegate"]
    nodes, share = delegate["nodes"], delegate["delegated_nodes"]
    reason = delegate["reason"] or f"the runtime does not tell (delegate {delegate['state']})"
    sheet.put("delegate/share", share / nodes if nodes and share is not None else None, reason)
    sheet.put("delegate/partitions", delegate["partitions"], reason)


def _state(sheet: _Sheet, state: Json, processes: Sequence[Json], cores: int | None) -> None:
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


def _energy(sheet: _Sheet, energy: Json, processes: Sequence[Json]) -> None:
    """Measured energy only; an estimate never enters these fields."""
    names = ("per_inference_mj", "net_per_inference_mj", "uncertainty_mj", "mean_power_w", "idle_power_w")
    run = energy["pass"]
    reason = energy["reason"] or "no sensor was read"
    if run is not None:
        duration_s = run["end_s"] - run["begin_s"]
        if not (run["inferences"] > 0 and duration_s > 0 and run["energy_j"] > 0):
            run, reason = None, f"{energy['pass']['source']} measured no energy"
        elif run["coverage"] < COVERAGE_MINIMUM:
            reason = f"{run['source']} covered {run['coverage']:.0%} of its window, {COVERAGE_MINIMUM:.0%} needed"
            run = None
    if run is None:
        sheet.lacks(reason, *(f"energy/{name}" for name in names))
        return
    power_w, per_run = run["energy_j"] / duration_s, duration_s / run["inferences"]
    error_w, method = _power_error(run, power_w, duration_s)
    gross_mj, error_mj = power_w * per_run * 1e3, error_w * per_run * 1e3
    sheet.put("energy/per_inference_mj", gross_mj)
    sheet.put("energy/uncertainty_mj", error_mj)
    sheet.put("energy/mean_power_w", power_w)
    sheet.uncertainty["energy/per_inference_mj"] = Interval(
        max(0.0, gross_mj - 2 * error_mj), gross_mj + 2 * error_mj, 1, f"2 u: {method}"
    )
    _net(sheet, run, power_w, per_run, error_w)
    sheet.tags.update({f"energy.{key}": str(run[key]) for key in ("source", "scope", "kind")})
    sheet.tags["energy.uncertainty"] = method
    if run["invoke_ns"]:
        shift = stats.median(run["invoke_ns"]) / run["group"] / 1e6 / sheet.metrics["latency/median_ms"] - 1
        sheet.put("energy/latency_shift", shift)
        if abs(shift) > ENERGY_SHIFT_LIMIT:
            sheet.warnings.append(f"the model ran {shift:+.1%} in time while its energy was measured")


def _net(sheet: _Sheet, run: Json, power_w: float, per_run_s: float, error_w: float) -> None:
    """Above idle, only where idle was measured by the same sensor and the difference is no noise."""
    idle = run["idle"]
    if not idle or not idle["samples"]:
        sheet.lacks("idle power was not measured", "energy/net_per_inference_mj", "energy/idle_power_w")
        return
    gain, resolution_w = _sensor(run["source"])
    idle_error_w = math.hypot(gain * idle["power_w"], resolution_w / math.sqrt(12))
    error_w = math.hypot(error_w, idle_error_w)
    above_w = power_w - idle["power_w"]
    sheet.put("energy/idle_power_w", idle["power_w"])
    enough = above_w > 3 * error_w
    reason = f"{above_w:.3g} W above idle is within 3 u ({3 * error_w:.3g} W)"
    sheet.put("energy/net_per_inference_mj", above_w * per_run_s * 1e3 if enough else None, reason)
    sheet.put("energy/net_uncertainty_mj", error_w * per_run_s * 1e3 if enough else None, reason)


def _power_error(run: Json, power_w: float, duration_s: float) -> tuple[float, str]:
    """Standard uncertainty of the mean power in W, and what went into it, in words."""
    gain, resolution_w = _sensor(run["source"])
    parts = {f"sensor gain {gain:.0%} (assumed)": gain * power_w}
    if resolution_w:
        parts[f"resolution {resolution_w * 1e3:.0f} mW"] = resolution_w / math.sqrt(12)
    times, watts = [t for t, _ in run["trace"]], [w for _, w in run["trace"]]
    gap_s = max((b - a for a, b in pairwise(times)), default=None)
    if gap_s is None and run["rate_hz"]:
        gap_s = 1 / run["rate_hz"]
    if gap_s is not None:
        parts["edges"] = power_w * gap_s / duration_s
    if run["kind"] != "counter":
        sampling_w = stats.block_bootstrap_error(times, watts)
        parts["sampling (1 s block bootstrap)"] = sampling_w or 0.0
        if sampling_w is None:
            parts["sampling not known: fewer than 3 blocks of 1 s"] = parts.pop("sampling (1 s block bootstrap)")
    return math.sqrt(sum(w * w for w in parts.values())), ", ".join(parts)


def _sensor(source: str) -> tuple[float, float]:
    return SENSOR_ERRORS.get(source.partition(":")[0], UNKNOWN_SENSOR)


def _estimate(sheet: _Sheet, processes: Sequence[Json], power: PowerProfile, cores: int | None) -> None:
    """Profile x time: P = idle + u (load - idle), u = CPU time / (cores x wall), with the profile's range."""
    names = [f"energy_estimate/per_inference_mj{end}" for end in ("", "_low", "_high")]
    window_s = sum(p["window_ns"] for p in processes) / 1e9
    calls = sum(len(p["invoke_ns"]) * p["group"] for p in processes)
    if "energy/per_inference_mj" in sheet.metrics:
        return sheet.lacks("energy was measured", *names)
    if power.idle is None or power.load is None:
        return sheet.lacks("the device has no power profile (device.power)", *names)
    if not cores or window_s <= 0:
        return sheet.lacks("the number of cores of the board is not known", *names)
    use = min(1.0, max(0.0, sum(p["cpu_ns"] for p in processes) / 1e9 / (cores * window_s)))
    ends = (
        (_middle(power.idle), power.idle.low_w, power.idle.high_w),
        (_middle(power.load), power.load.low_w, power.load.high_w),
    )
    for name, idle_w, load_w in zip(names, *ends, strict=True):
        sheet.put(name, (idle_w + use * (load_w - idle_w)) * window_s / calls * 1e3)
    sheet.tags.update({"energy_estimate.kind": "estimated_profile", "energy_estimate.scope": power.scope})
    sheet.tags["energy_estimate.source"] = power.source or "the device's power profile"
    return None


def _tags(sheet: _Sheet, record: Json, manifest: Json, facts: Mapping[str, object]) -> None:
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
        "weights": manifest.get("weights"),
        "boot_id": record.get("boot_id"),
        **{f"board.{key}": _words(facts.get(key)) for key in BOARD_FACTS},
    }
    governors = sorted(set(_seen(record["state"], "governor")))
    tags["state.governor"] = ", ".join(governors) or None
    sheet.tags.update({key: str(value) for key, value in tags.items() if value not in (None, "")})


def _evidence(sheet: _Sheet, record: Json, processes: Sequence[Json]) -> dict[str, float | None]:
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


def _words(value: object) -> str | None:
    if isinstance(value, list | tuple):
        return (" " if value and isinstance(value[0], str) else ".").join(str(v) for v in value)
    return None if value is None else str(value)


def _middle(watts: PowerRange) -> float:
    return (watts.low_w + watts.high_w) / 2


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
