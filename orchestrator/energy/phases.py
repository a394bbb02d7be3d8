"""Power over the energy pass as a table: every reading of every sensor and meter, and the phase that it falls in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.energy.measured import traces
from orchestrator.energy.meter import MeterReadings
from orchestrator.energy.trace import Trace

Json = Mapping[str, Any]

IDLE, WINDOW = "idle", "window"


@dataclass(frozen=True, slots=True)
class Phase:
    """Seconds on the board's clock."""

    name: str  # 'idle before', 'window 1', 'idle after'
    kind: str
    begin_s: float
    end_s: float


def phases(run: Json) -> list[Phase]:
    """In the order of time."""
    windows = [
        Phase(f"{WINDOW} {number}", WINDOW, window["begin_s"], window["end_s"])
        for number, window in enumerate(run["windows"], 1)
    ]
    first_s = windows[0].begin_s if windows else float("inf")
    idles = [
        Phase(f"{IDLE} {'before' if span['begin_s'] < first_s else 'after'}", IDLE, span["begin_s"], span["end_s"])
        for span in run["idle"]
    ]
    return sorted([*idles, *windows], key=lambda phase: phase.begin_s)


def seen(energy: Json, meter: MeterReadings | None) -> list[Trace]:
    """The traces as they were read, before any calibration; without an instrument whose clock is not known."""
    return traces(energy, meter if meter is not None and meter.clock is not None else None, {})


def power_rows(energy: Json, meter: MeterReadings | None) -> Iterator[dict[str, Any]]:
    """``t_s`` from the begin of the pass, ``power_w``, ``source`` and ``phase``, empty between the phases."""
    found = phases(energy["pass"]) if energy["pass"] else []
    for trace in seen(energy, meter) if found else []:
        for t_s, power_w in zip(*trace.power(), strict=True):
            within = next((phase.name for phase in found if phase.begin_s <= t_s <= phase.end_s), "")
            yield {
                "t_s": float(t_s - found[0].begin_s),
                "power_w": float(power_w),
                "source": trace.source,
                "phase": within,
            }
