"""Powers whose energy is known exactly, and readings of them as a sensor takes them: jittered, quantised, with gaps."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from orchestrator.energy import Limits
from orchestrator.energy.trace import Trace

Array = np.ndarray[Any, np.dtype[np.float64]]

IDLE_W, IDLE_S, PAUSE_S = 2.9, 2.0, 0.02
HIGH_W, LOW_W = 6.0, 3.0


@dataclass(frozen=True, slots=True)
class Wave:
    """``power`` in W at times in s, ``energy`` in J up to a time; ``mean_w``: what a measurement is to find, where that
    is not the energy of just these windows."""

    power: Callable[[Array], Array]
    energy: Callable[[float], float]
    mean_w: float | None = None


def constant(rng: np.random.Generator) -> Wave:
    high_w = HIGH_W * rng.uniform(0.9, 1.1)
    return Wave(lambda t: np.full_like(t, high_w), lambda t: high_w * t)


def ramp(rng: np.random.Generator, length_s: float) -> Wave:
    """Up to 4 % more from the first window to the last: a board that warms up."""
    begin_w = HIGH_W * rng.uniform(0.9, 1.1)
    slope = begin_w * rng.uniform(0, 0.04) / length_s
    return Wave(lambda t: begin_w + slope * t, lambda t: begin_w * t + slope * t * t / 2)


def square(rng: np.random.Generator, period_s: float) -> Wave:
    """Two levels within each inference."""
    share, phase_s = rng.uniform(0.3, 0.7), rng.uniform(0, period_s)
    high_s = share * period_s

    def power(t: Array) -> Array:
        found: Array = np.where((t + phase_s) % period_s < high_s, HIGH_W, LOW_W)
        return found

    def energy(t: float) -> float:
        whole, rest_s = divmod(t + phase_s, period_s)
        mean_w = share * HIGH_W + (1 - share) * LOW_W
        return float(whole * period_s * mean_w + min(rest_s, high_s) * HIGH_W + max(0.0, rest_s - high_s) * LOW_W)

    return Wave(power, energy)


def noise(rng: np.random.Generator, correlated_s: float, length_s: float) -> Wave:
    """5 % of unsteady work, forgotten within ``correlated_s`` (Ornstein-Uhlenbeck); what is to be found is its mean."""
    step_s = min(0.01, correlated_s / 2)
    keep = math.exp(-step_s / correlated_s)
    steps = rng.normal(0, math.sqrt(1 - keep * keep), int(length_s / step_s) + 2)
    from scipy.signal import lfilter

    watts = HIGH_W * (1 + 0.05 * lfilter([1.0], [1.0, -keep], steps))
    at = np.arange(watts.size) * step_s
    return Wave(lambda t: np.interp(t, at, watts), lambda t: math.nan, HIGH_W)


@dataclass(frozen=True, slots=True)
class Measured:
    """Readings of one energy pass, the pass as its record has it, and the true energy per inference in J."""

    trace: Trace
    run: dict[str, Any]
    true_j: float


def measured(
    rng: np.random.Generator,
    make: Callable[[np.random.Generator, float], Wave],
    *,
    call_s: float,
    window_s: float,
    limits: Limits,
    windows: int = 3,
    rate_hz: float = 10.0,
    jitter: float = 0.5,
    gaps_s: tuple[float, ...] = (),
    late_s: float = 0.0,
    idle_s: float = IDLE_S,
) -> Measured:
    """One pass after a warm-up: idle, windows of whole inferences, idle.

    The sensor's gain and offset are drawn within their limits; ``make`` gets the length of all windows in s; readings
    fail within gaps of the given lengths.
    """
    calls = math.ceil(window_s / call_s)
    length_s = calls * call_s
    begins = [idle_s + PAUSE_S + number * (length_s + PAUSE_S) for number in range(windows)]
    end_s = begins[-1] + length_s
    wave = make(rng, end_s)
    t_s = np.cumsum(rng.uniform(1 - jitter, 1 + jitter, int(2 * (end_s + idle_s) * rate_hz)) / rate_hz)
    t_s = t_s[t_s < end_s + idle_s + 1]
    seen_s = t_s - late_s
    load = np.any([(seen_s >= begin) & (seen_s <= begin + length_s) for begin in begins], axis=0)
    load |= seen_s < 0  # the warm-up, which readings that trail still show
    watts = np.where(load, wave.power(np.maximum(seen_s, 0.0)), IDLE_W)
    watts = watts * (1 + rng.uniform(-1, 1) * limits.gain) + rng.uniform(-1, 1) * limits.offset_w
    if limits.resolution_w:
        watts = np.round(watts / limits.resolution_w) * limits.resolution_w
    for gap_s in gaps_s:
        begin_s = rng.uniform(idle_s, end_s)
        kept = (t_s < begin_s) | (t_s > begin_s + gap_s)
        t_s, watts = t_s[kept], watts[kept]
    run = {
        "idle": [{"begin_s": 0.1, "end_s": idle_s}, {"begin_s": end_s + PAUSE_S, "end_s": end_s + idle_s}],
        "windows": [
            {
                "begin_s": begin,
                "end_s": begin + length_s,
                "inferences": calls,
                "group": 1,
                "invoke_ns": [round(call_s * 1e9)] * calls,
            }
            for begin in begins
        ],
    }
    if wave.mean_w is not None:
        true_j = wave.mean_w * call_s
    else:
        true_j = sum(wave.energy(b + length_s) - wave.energy(b) for b in begins) / (calls * windows)
    trace = Trace("simulated", "simulated", "board_dc_in", "sampled", rate_hz, limits, t_s, watts)
    return Measured(trace, run, true_j)
