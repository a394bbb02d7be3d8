"""From the energy pass of a cell to what is published about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from orchestrator import stats
from orchestrator.device import Calibration
from orchestrator.energy.battery import NO_IDLE
from orchestrator.energy.beside import foreign_use
from orchestrator.energy.meter import MeterReadings
from orchestrator.energy.reading import COVERAGE_FACTOR, Reading, reading
from orchestrator.energy.rules import judged
from orchestrator.energy.trace import Trace, calibrated, of_board, of_meter
from orchestrator.sheet import Sheet
from orchestrator.stats import Interval
from remote.contract import SCOPES

Json = Mapping[str, Any]

NAMES = (
    *("per_inference_mj", "uncertainty_mj", "repeatability_mj", "mean_power_w", "power_uncertainty_w"),
    *("idle_power_w", "idle_drift"),
    *("net_per_inference_mj", "net_uncertainty_mj", "coverage", "windows", "window_spread", "latency_shift"),
)


def traces(energy: Json, meter: MeterReadings | None, calibrations: Mapping[str, Calibration]) -> list[Trace]:
    """Everything that read power during the pass, the first choice first: an instrument that somebody put there, then
    what includes most of the board; a calibrated sensor before itself."""
    run = energy["pass"]
    own = [of_board(trace) for trace in run["traces"]] if run else []
    readers = Counter(trace.reader for trace in own)  # a line is of one sensor: of two, nobody knows which
    lines = [calibrated(t, calibrations[t.reader]) for t in own if t.reader in calibrations and readers[t.reader] == 1]
    sensors = sorted([*lines, *own], key=lambda trace: -SCOPES.index(trace.scope))
    return [*([of_meter(meter)] if meter else []), *sensors]


def measured(
    sheet: Sheet,
    energy: Json,
    processes: Sequence[Json],
    meter: MeterReadings | None = None,
    calibrations: Mapping[str, Calibration] | None = None,
    samples: Sequence[Json] = (),
) -> None:
    """Measured energy only; an estimate never enters these fields. ``samples`` are those of the board's state: what
    other programs take, a sensor of the whole board counts as the model's."""
    run = energy["pass"]
    if run is None:
        why = "; ".join(filter(None, [f"{meter.source}: {meter.invalid}" if meter else None, energy["reason"]]))
        return sheet.lacks(why or "no sensor was read", *(f"energy/{name}" for name in NAMES))
    spread = _spread(processes)
    found = [reading(trace, run, spread) for trace in traces(energy, meter, calibrations or {})]
    good = [one for one in found if isinstance(one, Reading)]
    bad = [one for one in found if isinstance(one, str)]
    if not good:
        why = "; ".join(filter(None, [*bad, energy["reason"]]))
        return sheet.lacks(why or "no sensor was read", *(f"energy/{name}" for name in NAMES))
    if isinstance(found[0], str):
        sheet.warnings.append(f"energy is that of {good[0].trace.source}, since {found[0]}")
    _publish(sheet, good[0], run, samples)
    if others := "; ".join(_words(one) for one in good[1:]):
        sheet.tags["energy.also"] = others
    return None


def _publish(sheet: Sheet, got: Reading, run: Json, samples: Sequence[Json]) -> None:
    gross_mj = got.per_inference_j * 1e3
    sheet.put("energy/per_inference_mj", gross_mj)
    expanded_mj = COVERAGE_FACTOR * got.uncertainty * gross_mj
    sheet.put("energy/uncertainty_mj", expanded_mj)
    sheet.put("energy/repeatability_mj", COVERAGE_FACTOR * got.apart * gross_mj)
    sheet.put("energy/mean_power_w", got.power_w)
    sheet.put("energy/power_uncertainty_w", COVERAGE_FACTOR * got.power_error_w)
    sheet.put("energy/coverage", got.coverage)
    sheet.put("energy/windows", len(got.windows))
    sheet.put("energy/window_spread", stats.spread(got.windows))
    method = f"k=2: {', '.join(f'{name} {part:.2%}' for name, part in got.parts.items())}"
    sheet.uncertainty["energy/per_inference_mj"] = Interval(
        max(0.0, gross_mj - expanded_mj), gross_mj + expanded_mj, len(got.windows), method
    )
    _net(sheet, got, bool(run["idle"]))
    trace = got.trace
    sheet.tags.update({"energy.source": trace.source, "energy.scope": trace.scope, "energy.kind": trace.kind})
    sheet.tags.update({"energy.uncertainty": method, "energy.rate_hz": f"{trace.rate_hz:g}"})
    if trace.external:
        late = "" if got.lag_s is None else f"; by the edges of the load {got.lag_s:.2f} s"
        sheet.tags["energy.clock"] = (
            f"within {trace.clock_bound_s * 1e3:.1f} ms of the board's; "
            f"readings trail by up to {trace.limits.lag_s:.3g} s{late}"
        )
    _shift(sheet, run)
    m = sheet.metrics
    uses = [foreign_use(samples, span) for span in (*run["windows"], *run["idle"])]
    foreign = [use for use in uses if use is not None]
    evidence = {
        "windows": len(got.windows),
        "inferences": min(window["inferences"] for window in run["windows"]),
        "relative_uncertainty": expanded_mj / gross_mj,
        "window_spread": m["energy/window_spread"],
        "idle_drift": _size(m.get("energy/idle_drift")),
        "latency_shift": _size(m.get("energy/latency_shift")),
        "foreign_use": max(foreign, default=None),
    }
    verdict = judged(evidence)
    sheet.tags["energy.verdict"] = verdict.level
    if verdict.reasons:
        sheet.tags["energy.verdict.reasons"] = "; ".join(verdict.reasons)


def _size(value: float | None) -> float | None:
    return None if value is None else abs(value)


def _shift(sheet: Sheet, run: Json) -> None:
    """By how much the model took longer than in the latency pass, which nothing but the clock looked at."""
    calls = [ns / window["group"] for window in run["windows"] for ns in window["invoke_ns"]]
    if calls:
        sheet.put("energy/latency_shift", stats.median(calls) / 1e6 / sheet.metrics["latency/median_ms"] - 1)
    else:
        sheet.lacks("the pass holds no duration", "energy/latency_shift")


def _net(sheet: Sheet, got: Reading, idle_asked: bool) -> None:
    """Above idle, only where idle was measured by the same sensor and the difference is no noise."""
    names = ("energy/net_per_inference_mj", "energy/net_uncertainty_mj")
    if got.idle is None or got.above_idle_error_w is None:
        why = "idle was not asked for: idle_s is 0" if not idle_asked else f"{got.trace.source} read too little of it"
        return sheet.lacks(f"{NO_IDLE}{why}", "energy/idle_power_w", "energy/idle_drift", *names)
    idle, error_w = got.idle, got.above_idle_error_w
    sheet.put("energy/idle_power_w", idle.power_w)
    drift = idle.drift_w / idle.power_w if idle.drift_w is not None and idle.power_w > 0 else None
    sheet.put("energy/idle_drift", drift, "idle power was measured once")
    above_w, per_w = got.power_w - idle.power_w, got.per_inference_j / got.power_w * 1e3
    if above_w <= 3 * error_w:
        return sheet.lacks(f"{above_w:.3g} W above idle is within 3 u ({3 * error_w:.3g} W)", *names)
    sheet.put("energy/net_per_inference_mj", above_w * per_w)
    sheet.put("energy/net_uncertainty_mj", COVERAGE_FACTOR * error_w * per_w)
    return None


def _words(got: Reading) -> str:
    trace = got.trace
    return f"{got.per_inference_j * 1e3:.4g} mJ by {trace.source} ({trace.scope}, {trace.kind})"


def _spread(processes: Sequence[Json]) -> float:
    """Of the medians of the latency processes, as a share: the energy pass is one more process like them."""
    medians = [stats.median(p["invoke_ns"]) / p["group"] for p in processes]
    if len(medians) < 2 or min(medians) <= 0:
        return 0.0
    return float(np.std(np.log(medians), ddof=1))
