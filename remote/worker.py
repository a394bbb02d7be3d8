"""One measuring process: load, first inference, warm-up, then the window (``latency``) or the energy pass (``energy``).

The order comes as JSON on stdin, never by arguments or the environment: their size would move the stack, and with it
the timing. What it says goes to the runner as JSON lines, and only between phases.
"""

from __future__ import annotations

import faulthandler
import hashlib
import json
import os
import platform
import sys
import time
import traceback
from functools import partial

from remote import timing
from remote.process import die_with_parent, pinned_to, read_text
from remote.schema import clean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_LEAST_END_TO_END = 3
_END_TO_END_WARMUP_S = 0.02  # the model is warm; only set and get are new


class Voice:
    """The pipe to the runner. Stray prints of a runtime go to the log instead."""

    def __init__(self) -> None:
        self._pipe = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)

    def say(self, **message: Any) -> None:
        self._pipe.write(json.dumps(message, allow_nan=False) + "\n")
        self._pipe.flush()


def _status_bytes(key: str) -> int | None:
    """VmRSS or VmHWM; None where this kernel does not say."""
    for line in (read_text("/proc/self/status") or "").splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1]) * 1024
    return None


class _Measuring:
    """The phases in order; ``phase`` is the one that a failure happened in."""

    def __init__(self, order: dict[str, Any], voice: Voice) -> None:
        self.order = order
        self.scenario = order["scenario"]
        self.voice = voice
        self.offline = self.scenario["mode"] == "offline"
        self.phase = "import"
        self.process: dict[str, Any] = {
            "number": order.get("number", 1),
            "cpus": sorted(os.sched_getaffinity(0)),
            "streams": self.scenario["streams"] if self.offline else 1,
            "pipeline": None,
            "pipeline_reason": "not asked for: pipeline_s is 0",
            "rss_start_bytes": _status_bytes("VmRSS"),
        }

    def prepare(self) -> None:
        """Import, load, first inference."""
        order = self.order
        self.process["cpus"] = pinned_to(order["cpus"])
        if order["env"]:
            sys.path.insert(0, order["env"])
        else:
            sys.dont_write_bytecode = True  # the board's own packages: nothing is written outside of the work folder
        begin = time.perf_counter_ns()
        from remote import runtimes

        library = runtimes.library(order["runtime"])
        self.process["import_ns"] = time.perf_counter_ns() - begin
        self._enter("load")
        begin = time.perf_counter_ns()
        self.session = library.load(runtimes.asked_of(order))
        load_ns = time.perf_counter_ns() - begin
        self.process["rss_loaded_bytes"] = _status_bytes("VmRSS")
        description: dict[str, Any] = self.session.describe()
        engine = description["runtime"].get("engine")
        built_ns = engine["build_ns"] if engine and not engine["cached"] else 0  # once, and no part of loading it
        self.process["load_ns"] = max(0, load_ns - built_ns)
        import numpy

        from remote.runtimes.delegation import prove

        prove(description["runtime"]["delegate"])

        description["runtime"] = {
            "processor": None,
            "engine": None,
            "pillow": None,
            "numpy": numpy.__version__,
            "python": platform.python_version(),
            "threads": order["threads"],
            **description["runtime"],
        }
        self._enter("input")
        from remote.inputs import seeded

        self.values = seeded(self.session.input_types(), order["seed"])
        self.whole = self._whole(self.session)  # what an application pays for
        self.session.set_inputs(self.values)
        timing.quiet()
        self._enter("first inference")
        self.process["first_ns"] = timing.once(self.session.call)
        self._check_outputs(numpy)
        if self.offline:
            self._enter("load of the other streams")
            others = [self._another(library) for _ in range(self.process["streams"] - 1)]
            self.calls = [self.whole, *others]
        self.description = description

    def _another(self, library: Any) -> Any:
        """Set, invoke and get of one more session: an interpreter serves one thread only."""
        from remote.runtimes import asked_of

        return self._whole(library.load(asked_of(self.order)))

    def _whole(self, session: Any) -> Any:
        set_inputs, call, get_outputs, values = session.set_inputs, session.call, session.get_outputs, self.values

        def whole() -> None:
            set_inputs(values)
            call()
            get_outputs()

        return whole

    def _enter(self, phase: str) -> None:
        self.phase = phase

    def _check_outputs(self, numpy: Any) -> None:
        digest, finite = hashlib.sha256(), True
        for value in self.session.get_outputs():
            digest.update(value.tobytes())
            finite = finite and (value.dtype.kind not in "fc" or bool(numpy.isfinite(value).all()))
        self.process["output_sha256"] = digest.hexdigest()
        self.process["output_finite"] = finite

    def warm_up(self) -> int:
        """A fixed warm-up, nothing between it and the window; returns the group size that it suggests."""
        self.process["clock_ns"] = timing.clock_ns()
        self._enter("warm-up")
        begin = time.perf_counter_ns()
        streams = self._loop(1, self.scenario["warmup_s"], self.scenario["warmup_runs"])
        self.process["warmup_ns"] = time.perf_counter_ns() - begin
        self.process["warmup_runs"] = sum(map(len, streams))
        return timing.group_for(streams[0])

    def _loop(self, group: int, seconds: float, runs: int) -> list[list[int]]:
        """The loop of this mode: one bare call after the other, or set, invoke and get in several streams."""
        most_s = self.scenario["max_window_s"]
        if not self.offline:
            return [timing.durations(self.session.call, group, seconds, timing.values_for(runs, group), most_s)]
        least = timing.values_for(runs, group, len(self.calls))
        return timing.streams(self.calls, group, seconds, least, most_s)

    def measure(self, group: int) -> None:
        """The steady state, then end to end, then the steps of an application."""
        self._enter("window")
        scenario = self.scenario
        loop = partial(self._loop, group, scenario["window_s"], scenario["min_runs"])
        self.process.update(timing.window(loop, group))
        self._enter("end to end")
        self.process["end_to_end_ns"], self.process["end_to_end_group"] = [], 1
        if scenario["end_to_end_s"] > 0:
            again = timing.group_for(timing.durations(self.whole, 1, _END_TO_END_WARMUP_S, _LEAST_END_TO_END))
            self.process["end_to_end_group"] = again
            self.process["end_to_end_ns"] = timing.durations(
                self.whole, again, scenario["end_to_end_s"], _LEAST_END_TO_END
            )
        self.process["peak_rss_bytes"] = _status_bytes("VmHWM")
        if scenario["pipeline_s"] > 0:
            self._enter("pipeline")
            self._time_pipeline(scenario)

    def _time_pipeline(self, scenario: dict[str, Any]) -> None:
        """After everything else, the peak of memory included: a photograph is no part of the model."""
        from remote import pipeline

        steps, reason, pillow = pipeline.measured(
            self.session, scenario["image"], self.order["seed"], scenario["pipeline_s"]
        )
        self.process.update(pipeline=steps, pipeline_reason=reason)
        self.description["runtime"]["pillow"] = pillow

    def run_energy(self, group: int) -> None:
        """Ready and idle until the runner says go; then a window of the same loop, as often as it is said."""
        self._enter("idle")
        self.voice.say(ready=True)
        while True:
            said = sys.stdin.buffer.readline()
            if not said:
                raise EOFError("the runner is gone")
            if json.loads(said.decode("utf-8")) != "go":
                return
            self._enter("energy")
            self.voice.say(energy=timing.window(partial(self._loop, group, self.scenario["energy_s"], 1), group))
            self._enter("idle")


def failure(phase: str, error: BaseException) -> dict[str, Any]:
    lines = traceback.format_exception(type(error), error, error.__traceback__)
    return {
        "type": clean(type(error).__name__, 200),
        "message": clean(str(error) or repr(error), 4000),
        "traceback": clean("".join(lines))[-20_000:],
        "phase": phase,
    }


def main() -> int:
    """Do what the order says. Whatever a runtime raises goes to the runner, by the hook for what nobody caught."""
    voice = Voice()
    faulthandler.enable()
    order = json.loads(sys.stdin.buffer.readline().decode("utf-8"))
    die_with_parent(order["parent"])
    measuring = _Measuring(order, voice)
    sys.excepthook = lambda kind, error, trace: voice.say(error=failure(measuring.phase, error))
    measuring.prepare()
    voice.say(loaded={"load_ns": measuring.process["load_ns"]})
    group = measuring.warm_up()
    if order["mode"] == "energy":
        measuring.run_energy(group)
    else:
        measuring.measure(group)
        voice.say(process=measuring.process, description=measuring.description)
    sys.stderr.flush()
    os._exit(0)  # taking numpy and a model apart costs time and, with some delegates, ends in a crash
