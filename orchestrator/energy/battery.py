"""How long a battery lasts: at full load, or at a number of inferences per second with the board idle between them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.cell import BATTERY
from orchestrator.errors import ConfigError

WHOLE_BOARD: Mapping[str, str] = {
    "board_dc_in": "",
    "module_in": "module alone",
    "wall_ac": "supply losses included",
}
"""Scopes that include all that a battery would feed, and what must be said with it."""


@dataclass(frozen=True, slots=True)
class Battery:
    """``per_s``: inferences per second; None: one after the other."""

    wh: float
    per_s: float | None = None

    @classmethod
    def parse(cls, text: str) -> Battery:
        """``37`` or ``37@0.5``. Raises ConfigError for anything else."""
        if not BATTERY.admits(text):
            raise ConfigError(f"battery {text!r} is no battery", hint=BATTERY.allowed)
        wh, _, per_s = text.partition("@")
        return cls(float(wh), float(per_s) if per_s else None)

    def __str__(self) -> str:
        return f"{self.wh:g} Wh" + (f" at {self.per_s:g}/s" if self.per_s else "")


@dataclass(frozen=True, slots=True)
class Hours:
    """``value`` is None where there is no such time; ``note`` says why, or what goes with the time."""

    value: float | None
    low: float | None = None
    high: float | None = None
    note: str = ""


NO_IDLE = "no idle power: "
"""What the reasons for it begin with."""


def measured_hours(
    battery: Battery, metrics: Mapping[str, float], scope: str | None, missing: Mapping[str, str] | None = None
) -> Hours:
    """With the expanded uncertainty of the power; ``missing``: why metrics are not there.

    At a rate the power lies between idle and full load, where a gain or an offset errs by no more than at full load;
    what net energy errs comes on top.
    """
    energy_mj = metrics.get("energy/per_inference_mj")
    if energy_mj is None:
        return Hours(None, note="energy was not measured")
    if refused := _refused(battery, metrics, scope):
        return Hours(None, note=refused)
    power_w = metrics["energy/mean_power_w"]
    older_w = metrics["energy/uncertainty_mj"] / energy_mj * power_w  # of results that have none of its own
    error_w = metrics.get("energy/power_uncertainty_w", older_w)
    if battery.per_s is not None:
        idle_w, net_mj = metrics.get("energy/idle_power_w"), metrics.get("energy/net_per_inference_mj")
        if idle_w is None or net_mj is None:
            return Hours(None, note=_no_rate("idle power" if idle_w is None else "net energy", missing or {}))
        power_w = idle_w + battery.per_s * net_mj / 1e3
        error_w = math.hypot(error_w, battery.per_s * metrics.get("energy/net_uncertainty_mj", 0.0) / 1e3)
    low_w = power_w - error_w
    high_h = battery.wh / low_w if low_w > 0 else None
    return Hours(battery.wh / power_w, battery.wh / (power_w + error_w), high_h, WHOLE_BOARD[scope or ""])


def estimated_hours(battery: Battery, metrics: Mapping[str, float], scope: str | None) -> Hours:
    """The range that the device's power profile leaves, no more than that: there is no value in its middle."""
    powers = [metrics.get(f"energy_estimate/mean_power_w{end}") for end in ("_high", "_low")]
    if None in powers:
        return Hours(None, note="no estimate")
    if refused := _refused(battery, metrics, scope):
        return Hours(None, note=refused)
    watts = [watt for watt in powers if watt is not None]
    if battery.per_s is not None:
        duty = battery.per_s / _most_per_s(metrics)
        idles = [metrics[f"energy_estimate/idle_power_w{end}"] for end in ("_high", "_low")]
        watts = [idle_w + duty * (load_w - idle_w) for idle_w, load_w in zip(idles, watts, strict=True)]
    low_h, high_h = (battery.wh / watt for watt in watts)
    return Hours(None, low_h, high_h, WHOLE_BOARD[scope or ""])


def _no_rate(what: str, missing: Mapping[str, str]) -> str:
    """``a rate needs net energy: 0.007 W above idle is within 3 u (2.7 W)``."""
    why = missing.get("energy/net_per_inference_mj", "it was not measured").removeprefix(NO_IDLE)
    return f"a rate needs {what}: {why}"


def _most_per_s(metrics: Mapping[str, float]) -> float:
    """Inferences per second at full load, of all streams."""
    return metrics.get("throughput/inferences_per_s", 1e3 / metrics["latency/median_ms"])


def _refused(battery: Battery, metrics: Mapping[str, float], scope: str | None) -> str:
    if scope not in WHOLE_BOARD:
        return f"scope {scope} is not the whole board"
    most_per_s = _most_per_s(metrics)
    if battery.per_s is not None and battery.per_s > most_per_s:
        return f"too fast: {most_per_s:.3g}/s at most"
    return ""
