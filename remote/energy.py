"""The energy pass: a measuring process of its own, idle, in a few windows, and idle again, while the sampler reads.

Raw readings with their time stamps and the exact edges of the windows; what they come to, the controller computes.
"""

from __future__ import annotations

import os
import time

from remote import contract
from remote.child import Worker, WorkerFailed
from remote.readings import Readings
from remote.schema import clean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

    from remote.board import State


def measure_energy(
    job: dict[str, Any], order: dict[str, Any], state: State, sys_root: str, emit: Callable[..., None]
) -> dict[str, Any]:
    """The record's ``energy``, as the controller takes it. What goes wrong is its reason, and costs nothing else.
    ``order`` is that of the measuring process. Without a sensor there is a pass only for an instrument beside the
    board."""
    if job["scenario"]["energy_s"] <= 0:
        return {"sensors": [], "pass": None, "reason": "not asked for: energy_s is 0"}
    sampler = Readings(sys_root, job["sensor_scopes"], os.getpid())
    outcome: dict[str, Any] = {"sensors": sampler.sensors, "pass": None, "reason": sampler.reason}
    try:
        if sampler.traces or job["meter"]:
            outcome["pass"] = energy_pass(order, state, sampler, emit)
            outcome["reason"] = None if sampler.traces else sampler.reason  # beside an instrument there may be none
        contract.check_energy(outcome)
    except WorkerFailed as failed:
        outcome["reason"] = clean("the energy pass failed: %s" % failed, 2000)
    except contract.ContractError as error:  # such as less than nothing; the latencies beside it are good
        outcome["pass"], outcome["reason"] = None, clean("the readings cannot be: %s" % error, 2000)
    finally:
        sampler.close()
    return outcome


def energy_pass(order: dict[str, Any], state: State, sampler: Readings, emit: Callable[..., None]) -> dict[str, Any]:
    """The record's ``energy.pass``. Raises :class:`WorkerFailed`."""
    scenario = order["scenario"]
    windows = scenario["energy_windows"]
    expected_s = scenario["warmup_s"] + 2 * scenario["idle_s"] + windows * scenario["energy_s"]
    emit(contract.ENERGY, expected_s=expected_s)
    worker = Worker(dict(order, mode="energy"), state, beside=[sampler])
    worker.expect("ready", state)
    sampler.go()
    _cover(worker, state, sampler)
    idle = _idle(worker, state, scenario["idle_s"])
    measured = []
    for _ in range(windows):
        worker.send("go")
        measured.append(_window(worker.expect("energy", state)["energy"]))
    idle += _idle(worker, state, scenario["idle_s"])
    _cover(worker, state, sampler)
    worker.send("end")
    worker.close()
    sampler.close()
    return {"idle": idle, "windows": measured, "traces": sampler.traces}


def _cover(worker: Worker, state: State, sampler: Readings) -> None:
    """Go on until every trace has a reading from now on, or it is clear that there will be none: before everything,
    and after."""
    now = time.monotonic()
    for _ in worker.messages(state, until_s=now + sampler.patience_s(), enough=lambda: sampler.heard_since(now)):
        pass


def _idle(worker: Worker, state: State, seconds: float) -> list[dict[str, float]]:
    """Let it be, loaded and ready."""
    if seconds <= 0:
        return []
    begin_s = time.monotonic()
    for _ in worker.messages(state, until_s=begin_s + seconds):
        pass  # it has nothing to say while it idles
    return [{"begin_s": begin_s, "end_s": time.monotonic()}]


def _window(said: dict[str, Any]) -> dict[str, Any]:
    kept = {key: said[key] for key in ("begin_s", "end_s", "group", "invoke_ns", "cpu_ns")}
    return dict(kept, inferences=said["group"] * len(said["invoke_ns"]))
