"""The energy pass: a measuring process of its own, idle, in a few windows, and idle again, while its sensors are read.

Raw readings with their time stamps and the exact edges of the windows; what they come to, the controller computes.
"""

from __future__ import annotations

import random
import time

from remote import contract
from remote.child import Worker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

    from remote.board import State
    from remote.power import Meter

RATE_HZ = 10.0


class Readings:
    """Reads a meter when due, at intervals drawn from 0.5 to 1.5 of the nominal: a fixed rate that beats with the
    inferences can be off by half, however long the window. Time stamps are the true ones."""

    def __init__(self, meter: Meter) -> None:
        self.meter = meter
        self._random = random.Random(0)
        self.points: list[list[float]] = []  # CLOCK_MONOTONIC s, W or J
        self.missed = 0
        self.problem: str | None = None
        self.next_s = 0.0

    def fire(self) -> None:
        """One reading; a sensor that does not answer leaves a gap, which lowers the coverage."""
        before = time.monotonic()
        try:
            value = self.meter.read()
        except (OSError, ValueError) as error:
            self.missed += 1
            self.problem = str(error)[:1000]
        else:
            self.points.append([(before + time.monotonic()) / 2, value])
        self.next_s = before + self._random.uniform(0.5, 1.5) / RATE_HZ

    def trace(self) -> dict[str, Any]:
        """For the record."""
        return {
            "source": self.meter.source,
            "reader": self.meter.reader,
            "scope": self.meter.scope,
            "kind": self.meter.kind,
            "rate_hz": RATE_HZ,
            "points": self.points[: contract.MAX_SAMPLES],
            "missed": self.missed,
            "problem": self.problem,
        }


def energy_pass(order: dict[str, Any], state: State, meters: list[Meter], emit: Callable[..., None]) -> dict[str, Any]:
    """The record's ``energy.pass``. Raises :class:`WorkerFailed`."""
    scenario = order["scenario"]
    windows = scenario["energy_windows"]
    expected_s = scenario["warmup_s"] + 2 * scenario["idle_s"] + windows * scenario["energy_s"]
    emit(contract.ENERGY, expected_s=expected_s)
    worker = Worker(dict(order, mode="energy"), state)
    worker.expect("ready", state)
    readings = [Readings(meter) for meter in meters]
    for one in readings:
        one.fire()
    idle = _idle(worker, state, readings, scenario["idle_s"])
    measured = []
    for _ in range(windows):
        worker.send("go")
        measured.append(_window(worker.expect("energy", state, *readings)["energy"]))
    idle += _idle(worker, state, readings, scenario["idle_s"])
    for one in readings:
        one.fire()
    worker.send("end")
    worker.close()
    return {"idle": idle, "windows": measured, "traces": [one.trace() for one in readings]}


def _idle(worker: Worker, state: State, readings: list[Readings], seconds: float) -> list[dict[str, float]]:
    """Let it be, loaded and ready."""
    if seconds <= 0:
        return []
    begin_s = time.monotonic()
    for _ in worker.messages(state, *readings, until_s=begin_s + seconds):
        pass  # it has nothing to say while it idles
    return [{"begin_s": begin_s, "end_s": time.monotonic()}]


def _window(said: dict[str, Any]) -> dict[str, Any]:
    kept = {key: said[key] for key in ("begin_s", "end_s", "group", "invoke_ns", "cpu_ns")}
    return dict(kept, inferences=said["group"] * len(said["invoke_ns"]))
