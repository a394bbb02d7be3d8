"""Records, results and sweeps as they come out of a real run, made without a board, for tests of what reads them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from orchestrator.cell import Scenario
from orchestrator.device import PowerProfile, PowerRange
from orchestrator.measurement import Measurement, measure
from orchestrator.result import DONE, FAILED, SKIPPED, Failure, Result, Sweep

PI4_POWER = PowerProfile(idle=PowerRange(2.7, 3.4), load=PowerRange(6.1, 6.8), scope="board_dc_in", source="published")
MANIFEST = {
    "weights": "random",
    "parameters": 3_504_872,
    "macs": 300_774_272,
    "macs_uncounted": [],
    "macs_by_arithmetic": {"float32": 300_774_272},
    "weight_bytes": 13_951_720,
    "activation_bytes": 57_000_000,
    "size_bytes": 14_028_000,
    "gzip_bytes": 12_980_000,
    "sparsity": 0.0,
}
FACTS = {
    "device_tree_model": "Raspberry Pi 4 Model B Rev 1.4",
    "cpu_model": "Cortex-A72",
    "arch": "aarch64",
    "cores": 4,
    "memory_bytes": 3_977_000_000,
    "os": "Debian GNU/Linux 12 (bookworm)",
    "kernel": "6.6.31+rpt-rpi-v8",
    "libc": ["glibc", "2.36"],
    "blobs": [],
}


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def make_process(
    median_ms: float,
    rng: np.random.Generator,
    *,
    runs: int = 120,
    group: int = 1,
    output: str = "same",
    noise: float = 0.01,
) -> dict[str, Any]:
    """One measuring process: raw nanoseconds around ``median_ms`` with a long right tail."""
    values = median_ms * 1e6 * group * (1 + np.abs(rng.normal(0, noise, runs)))
    window_ns = int(values.sum() * 1.001)
    return {
        "number": 1,
        "cpus": [0, 1, 2, 3],
        "streams": 1,
        "import_ns": 180_000_000,
        "load_ns": int(31e6 * rng.uniform(0.97, 1.03)),
        "first_ns": int(median_ms * 1.6e6),
        "warmup_runs": 12,
        "warmup_ns": 520_000_000,
        "group": group,
        "invoke_ns": [int(v) for v in values],
        "stream_values": [runs],
        "window_ns": window_ns,
        "cpu_ns": int(window_ns * 0.995),
        "end_to_end_ns": [int(v * 1.02) for v in values[:20]],
        "end_to_end_group": group,
        "pipeline": None,
        "pipeline_reason": "not asked for: pipeline_s is 0",
        "clock_ns": 210,
        "peak_rss_bytes": 96_400_000,
        "rss_loaded_bytes": 88_000_000,
        "rss_start_bytes": 41_000_000,
        "voluntary_switches": 3,
        "involuntary_switches": 1,
        "output_sha256": digest(output),
        "output_finite": True,
        "begin_s": 1000.0,
        "end_s": 1000.0 + window_ns / 1e9,
    }


def make_energy_pass(
    power_w: float = 6.2,
    idle_w: float = 2.9,
    call_ms: float = 41.0,
    seconds: float = 5.0,
    windows: int = 3,
    idle_s: float = 2.0,
    **trace: Any,
) -> dict[str, Any]:
    """A sampled pass at a jittered 10 Hz, as an INA3221 gives it: idle, windows, idle."""
    rng = np.random.default_rng(7)
    begin_s = 2000.0
    spans = [(begin_s, begin_s + idle_s)]
    for _ in range(windows + 1):
        last = spans[-1][1] + 0.02
        spans.append((last, last + (seconds if len(spans) <= windows else idle_s)))
    times = begin_s - 0.1 + np.cumsum(rng.uniform(0.05, 0.15, int((spans[-1][1] - begin_s) * 10) + 10))
    load = [any(begin <= t <= end for begin, end in spans[1:-1]) for t in times]
    watts = np.where(load, power_w, idle_w) * (1 + rng.normal(0, 0.01, times.size))
    calls = max(1, int(seconds * 1e3 / call_ms))
    call_ns = int(call_ms * 1e6)
    usual = {
        "source": "ina3221:/sys/class/hwmon/hwmon3",
        "reader": "ina3221",
        "scope": "module_in",
        "kind": "sampled",
        "rate_hz": 10.0,
        "points": [[float(t), float(w)] for t, w in zip(times, watts, strict=True)],
        "missed": 0,
        "problem": None,
    }
    return {
        "idle": [{"begin_s": begin, "end_s": end} for begin, end in (spans[0], spans[-1]) if end > begin],
        "windows": [
            {
                "begin_s": begin,
                "end_s": end,
                "inferences": calls,
                "group": 1,
                "invoke_ns": [call_ns] * calls,
                "cpu_ns": call_ns * calls,
            }
            for begin, end in spans[1:-1]
        ],
        "traces": [{**usual, **trace}],
    }


def make_record(
    median_ms: float = 41.0,
    *,
    processes: int = 3,
    runs: int = 120,
    group: int = 1,
    spread: float = 0.004,
    seed: int = 0,
    energy: dict[str, Any] | None = None,
    throttled: Sequence[int] | None = (0, 0, 0, 0),
) -> dict[str, Any]:
    """A whole record of contract version 3; ``spread`` is how far per-process medians scatter (relative)."""
    rng = np.random.default_rng(seed)
    medians = median_ms * (1 + spread * rng.uniform(-0.5, 0.5, processes))
    bits: Sequence[int | None] = throttled if throttled is not None else (None,) * 4
    samples = [
        {
            "t_s": 1000.0 + i,
            "temperature_c": 51.0 + i,
            "cpu_mhz": [1500.0] * 4,
            "throttled": b,
            "governor": "ondemand",
            "gpu_mhz": None,
            "fan_rpm": None,
            "over_current": None,
            "throttle_events": None,
            "involuntary_switches": 1,
            "cpu_busy": 0.27,
            "own_busy": 0.25,
        }
        for i, b in enumerate(bits)
    ]
    tensor = {"name": "serving_default_input:0", "shape": [1, 224, 224, 3], "dtype": "float32"}
    return {
        "version": 5,
        "run_id": "run-1",
        "cell_id": "pi4/mobilenetv2/none/litert/t1/b1/snative/quick",
        "artifact_sha256": digest("artifact"),
        "started_at": 1_767_000_000.0,
        "finished_at": 1_767_000_012.0,
        "boot_id": "5f0d7a52-0000-4000-8000-000000000000",
        "runtime": {
            "name": "litert",
            "version": "2.1.0",
            "numpy": "2.2.1",
            "python": "3.11.2",
            "pillow": None,
            "processor": None,
            "engine": None,
            "threads": 1,
            "delegate": {
                "requested": "auto",
                "name": "XNNPACK",
                "state": "engaged",
                "partitions": 1,
                "nodes": 66,
                "delegated_nodes": 66,
                "placement": [{"provider": "XNNPACK", "nodes": 66}],
                "reason": None,
            },
        },
        "inputs": [tensor],
        "outputs": [{**tensor, "shape": [1, 1000]}],
        "processes": [
            {**make_process(float(m), rng, runs=runs, group=group), "number": number}
            for number, m in enumerate(medians, 1)
        ],
        "state": {
            "samples": samples,
            "missing": {} if throttled is not None else {"throttled": "no vcgencmd"},
            "pinned_mhz": None,
            "gates": [],
            "tuning": [],
        },
        "energy": {
            "sensors": [],
            "pass": energy,
            "reason": None if energy else "no sensor answered: no INA3221, no hwmon power, no RAPL",
        },
        "profile": None,
        "quality": None,
        "quality_reason": "not asked for",
        "profile_reason": "not asked for: profile_runs is 0",
        "error": None,
    }


def make_pipeline(invoke_ms: float = 41.0, passes: int = 20, decode_ms: float = 12.0) -> dict[str, list[int]]:
    """Steps of photographs; a little slower from pass to pass."""
    usual = {"resize": 3.0, "normalize": 0.5, "set": 0.02, "invoke": invoke_ms, "get": 0.01, "postprocess": 0.1}
    return {
        step: [int(ms * 1e6 * (1 + number / 1000)) for number in range(passes)]
        for step, ms in {"decode": decode_ms, **usual}.items()
    }


def measured(record: dict[str, Any], scenario: Scenario | None = None, batch_size: int = 1) -> Measurement:
    return measure(
        record, manifest=MANIFEST, power=PI4_POWER, cores=4, facts=FACTS, scenario=scenario, batch_size=batch_size
    )


def make_measurement(median_ms: float = 41.0, *, scenario: Scenario | None = None, **record: Any) -> Measurement:
    return measured(make_record(median_ms, **record), scenario)


def make_axes(**axes: str) -> dict[str, str]:
    usual = {"device": "pi4", "model": "mobilenetv2", "optimization": "none", "runtime": "auto", "threads": "1"}
    return {**usual, "batch_size": "1", "input_size": "224", "width": "native", "scenario": "quick", **axes}


def id_of(axes: dict[str, str]) -> str:
    """As a cell is called: without a width that is the model's own."""
    words = {axis: f"w{value}" if axis == "width" else value for axis, value in axes.items()}
    return "/".join(word for word in words.values() if word != "wnative")


def make_result(
    directory: Path,
    number: int = 0,
    median_ms: float = 41.0,
    *,
    write: bool = True,
    sweep_id: str = "sweep-1",
    **axes: str,
) -> Result:
    """A cell that is done, with the files a session leaves in its directory."""
    where = directory / str(number)
    record = make_record(median_ms, seed=number)
    all_axes = make_axes(**axes)
    result = Result(
        number=number,
        sweep_id=sweep_id,
        cell_id=id_of(all_axes),
        status=DONE,
        axes=all_axes,
        started_s=1_767_000_000.0 + 20 * number,
        ended_s=1_767_000_015.0 + 20 * number,
        board="pi4-01",
        measurement=measure(record, manifest=MANIFEST, power=PI4_POWER, cores=4, facts=FACTS),
        directory=where,
    )
    if write:
        result.write(where)
        (where / "record.json").write_text(json.dumps(record))
        (where / "log.txt").write_text("loaded\nmeasured\n")
        (where / "config.yaml").write_text("threads: 1\n")
    return result


def make_failed(directory: Path, number: int, *, sweep_id: str = "sweep-1", **axes: str) -> Result:
    where = directory / str(number)
    all_axes = make_axes(**axes)
    error = Failure("ConnectionFailed", "pi4-01 does not answer on port 22", "is it switched on?", "log.txt")
    result = Result(
        number,
        sweep_id,
        id_of(all_axes),
        FAILED,
        all_axes,
        1.0,
        2.0,
        "pi4-01",
        error=error,
        directory=where,
    )
    result.write(where)
    (where / "log.txt").write_text("connecting\n")
    return result


def make_skipped(directory: Path, number: int, reason: str, *, sweep_id: str = "sweep-1", **axes: str) -> Result:
    where = directory / str(number)
    all_axes = make_axes(**axes)
    result = Result(number, sweep_id, id_of(all_axes), SKIPPED, all_axes, 1.0, 1.0, reason=reason, directory=where)
    result.write(where)
    return result


def make_sweep(directory: Path, *, id: str = "sweep-1", started_s: float = 1_767_000_000.0) -> Sweep:
    facts = {"orchestrator": "0.1.0", "python": "3.11.2", "user": "ada"}
    sweep = Sweep(id, directory, started_s, command="python -m orchestrator -m device=pi4", facts=facts)
    sweep.write()
    return sweep
