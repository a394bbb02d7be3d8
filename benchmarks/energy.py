"""Is the energy within its stated uncertainty? Known powers, read as a sensor does, through the lines that decide.

``within``: percent of the tries in which the energy is no further from the truth than the stated (expanded, k=2)
uncertainty. ``stated_over_rms``: the stated one over the RMS error; 2 is what k=2 means. No clock runs: time stamps are
drawn as the sampler draws them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from benchmarks import waveforms
from benchmarks.waveforms import Measured, Wave, measured
from orchestrator.energy import LIMITS, Limits
from orchestrator.energy.reading import COVERAGE_FACTOR, Reading, reading

Make = Callable[[np.random.Generator, float], Wave]

EXACT = Limits(0.0)
SETTINGS: Mapping[str, tuple[Limits, float, dict[str, Any]]] = {
    "INA3221, standard (20 s)": (LIMITS["ina3221"], 20.0, {}),
    "INA3221, quick (3 s)": (LIMITS["ina3221"], 3.0, {}),
    "no sensor error, standard (20 s)": (EXACT, 20.0, {}),
    "no sensor error, quick (3 s)": (EXACT, 3.0, {}),
    "Shelly at 1 Hz, 1 s late, standard (20 s)": (LIMITS["shelly"], 20.0, {"rate_hz": 1.0, "late_s": 1.0}),
    "Shelly at 1 Hz, 1 s late, publish (60 s)": (LIMITS["shelly"], 60.0, {"rate_hz": 1.0, "late_s": 1.0}),
}
"""Limits of error, seconds of a window, how it is read."""
GAPS_S = (0.25, 0.15)
FEWEST = 50
"""Tries with an energy, for rates of a shape by itself."""


def shapes() -> dict[str, tuple[Make, float, tuple[float, ...]]]:
    """What is measured: the power, the time of an inference in s, gaps in the readings in s."""
    found: dict[str, tuple[Make, float, tuple[float, ...]]] = {
        "constant": (lambda rng, _: waveforms.constant(rng), 0.04, ()),
        "ramp": (waveforms.ramp, 0.04, ()),
    }
    for period_s in (0.01, 0.04, 0.1, 0.15, 0.3, 0.7, 2.0):
        found[f"square, {period_s * 1e3:g} ms"] = (_square(period_s), period_s, ())
    for correlated_s in (0.02, 0.1, 0.5, 2.0):
        found[f"noise, {correlated_s * 1e3:g} ms"] = (_noise(correlated_s), 0.04, ())
    found["square, 40 ms, with gaps"] = (_square(0.04), 0.04, GAPS_S)
    found["noise, 100 ms, with gaps"] = (_noise(0.1), 0.04, GAPS_S)
    return found


def _square(period_s: float) -> Make:
    return lambda rng, _: waveforms.square(rng, period_s)


def _noise(correlated_s: float) -> Make:
    return lambda rng, length_s: waveforms.noise(rng, correlated_s, length_s)


def run(tries: int = 1000) -> dict[str, Any]:
    """All shapes by sensor and window, each and all of them as one; what a fixed rate would do; constant power."""
    found: dict[str, Any] = {}
    for name, (limits, window_s, how) in SETTINGS.items():
        each = {shape: errors(shape, limits, window_s, tries, **how) for shape in shapes()}
        known = {shape: rates(rows) for shape, rows in each.items() if len(rows) >= FEWEST}
        found[name] = {
            "all": rates(np.concatenate(list(each.values()))),
            "each": known,
            "withheld_percent": round(100 - 100 * sum(map(len, each.values())) / (tries * len(each)), 1),
        }
    return {
        "tries_each": tries,
        **found,
        "bootstrap_of_1_s_blocks": bootstrap(min(tries, 300)),
        "fixed_rate": fixed_rate(tries),
        "constant_error_percent": constant(),
    }


def errors(shape: str, limits: Limits, window_s: float, tries: int, **how: Any) -> np.ndarray[Any, Any]:
    """Rows of relative error and stated uncertainty; tries whose coverage is too low give none."""
    make, call_s, gaps_s = shapes()[shape]
    rng = np.random.default_rng(np.random.SeedSequence([tries, *shape.encode()]))
    rows = []
    for _ in range(tries):
        one = measured(rng, make, call_s=call_s, window_s=window_s, limits=limits, gaps_s=gaps_s, **how)
        if (row := error(one)) is not None:
            rows.append(row)
    return np.asarray(rows).reshape(-1, 2)


def error(one: Measured) -> tuple[float, float] | None:
    """Relative error and stated uncertainty of one pass."""
    got = reading(one.trace, one.run, 0.0)
    if not isinstance(got, Reading):
        return None
    return got.per_inference_j / one.true_j - 1, COVERAGE_FACTOR * got.uncertainty


def rates(rows: np.ndarray[Any, Any]) -> Mapping[str, float | None]:
    """How often the error is within what is stated, and how large either is."""
    off, stated = rows[:, 0], rows[:, 1]
    rms, mean = math.sqrt(float(np.mean(off**2))), math.sqrt(float(np.mean(stated**2)))
    exact = rms < 1e-9  # floating point alone
    return {
        "tries": len(rows),
        "within": round(100 * float(np.mean(np.abs(off) <= stated + 1e-9)), 1),
        "rms_percent": round(100 * rms, 3),
        "stated_percent": round(100 * mean, 3),
        "stated_over_rms": None if exact else round(mean / rms, 2),
    }


def bootstrap(tries: int) -> dict[str, Any]:
    """The sampling error by a bootstrap of 1 s blocks (Kuensch 1989) beside that by batches, without sensor error."""
    found = {}
    for shape in ("square, 10 ms", "square, 300 ms", "square, 700 ms", "square, 2000 ms", "noise, 500 ms"):
        make, call_s, _ = shapes()[shape]
        rng = np.random.default_rng(4)
        passes = [measured(rng, make, call_s=call_s, window_s=20.0, limits=EXACT) for _ in range(tries)]
        batches = [row for one in passes if (row := error(one)) is not None]
        blocks = [_by_blocks(one, call_s, rng) for one in passes]
        found[shape] = {"blocks": rates(np.asarray(blocks)), "batches": rates(np.asarray(batches))}
    return found


def _by_blocks(one: Measured, call_s: float, rng: np.random.Generator) -> tuple[float, float]:
    """Relative error of the mean of the windows, and twice its bootstrapped standard error."""
    means, errors_w = [], []
    for window in one.run["windows"]:
        seen = (one.trace.t_s >= window["begin_s"]) & (one.trace.t_s <= window["end_s"])
        t_s, watts = one.trace.t_s[seen], one.trace.values[seen]
        joules, block = np.diff(t_s) * (watts[1:] + watts[:-1]) / 2, (t_s[:-1] - t_s[0]).astype(int)
        energy_j, length_s = np.bincount(block, joules), np.bincount(block, np.diff(t_s))
        drawn = rng.integers(0, energy_j.size, size=(1000, energy_j.size))
        means.append(float(joules.sum() / (t_s[-1] - t_s[0])))
        errors_w.append(float((energy_j[drawn].sum(1) / length_s[drawn].sum(1)).std(ddof=1)))
    true_w = one.true_j / call_s
    return float(np.mean(means)) / true_w - 1, COVERAGE_FACTOR * math.hypot(*errors_w) / len(means) / true_w


def fixed_rate(tries: int) -> dict[str, float]:
    """The largest error in percent where the readings keep step with the inferences, against jittered ones."""
    worst = {}
    for name, jitter in (("10 Hz exactly", 0.0), ("10 Hz jittered", 0.5)):
        rows = errors("square, 100 ms", Limits(0.0), 20.0, min(tries, 200), jitter=jitter)
        worst[name] = round(100 * float(np.max(np.abs(rows[:, 0]))), 1)
    return worst


def constant() -> float:
    """The largest error of a constant power by a sensor with a step of 40 mW, without gain error, in percent."""
    rows = errors("constant", Limits(0.0, resolution_w=0.04), 3.0, 200)
    return round(100 * float(np.max(np.abs(rows[:, 0]))), 2)
