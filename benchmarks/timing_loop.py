"""What does our timing loop add to a bare loop? Interleaved pairs in one process, on real models through LiteRT.

A bare loop calls and does nothing else; ours is the window of a measurement. Both do the same number of calls, in turn,
and what is compared is the whole time of each, per call.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from itertools import repeat
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAIRS = 300
TURN_S = 0.03
MODELS = {"digits": 1, "mobilenetv2": 3}  # turns of so many times TURN_S: a call of the second takes milliseconds
LIMIT_PERCENT, LIMIT_US = 1.0, 2.0


def run() -> dict[str, Any]:
    """Median difference of the pairs with its 95 % order-statistic interval, in percent and in us a call."""
    figures: dict[str, Any] = {}
    for model, longer in MODELS.items():
        figures[model] = summary(measured(model, TURN_S * longer))
    figures["meets"] = all(found["meets"] for found in figures.values())
    return figures


def measured(model: str, turn_s: float) -> dict[str, Any]:
    """The pairs of one model, from a process as bare as a measuring one."""
    from benchmarks.board import deployed

    with deployed(f"model={model}") as bench:
        blob = bench.environment.parent.parent / "blobs" / bench.artifact.sha256
        argv = [sys.executable, "-I", "-S", __file__, str(bench.environment), str(blob), str(turn_s)]
        done = subprocess.run(argv, check=True, capture_output=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def summary(found: dict[str, Any]) -> dict[str, Any]:
    import numpy as np
    from scipy import stats

    ours, bare = np.array(found["ours_ns"]), np.array(found["bare_ns"])
    rank = int(stats.binom.ppf(0.025, len(ours), 0.5))  # of the order statistics that enclose the median
    percent, us = np.sort(100 * (ours / bare - 1)), np.sort((ours - bare) / 1e3)
    ends = [(float(values[rank - 1]), float(values[-rank])) for values in (percent, us)]
    return {
        "pairs": len(ours),
        "calls_a_value": found["group"],
        "bare_call_us": round(float(np.median(bare)) / 1e3, 2),
        "adds_percent": round(float(np.median(percent)), 3),
        "interval_percent": [round(end, 3) for end in ends[0]],
        "adds_us": round(float(np.median(us)), 3),
        "interval_us": [round(end, 3) for end in ends[1]],
        "meets": bool(ends[0][1] < LIMIT_PERCENT or ends[1][1] < LIMIT_US),
    }


def child(environment: str, model: str, turn_s: float) -> None:
    """The measuring process: ns per call of each turn."""
    sys.path[:0] = [environment, str(ROOT)]
    from remote import runtimes, timing
    from remote.inputs import seeded

    session = runtimes.library("litert").load(model, 1, "auto")
    session.set_inputs(seeded(session.input_types(), 0))
    call, clock = session.call, time.perf_counter_ns
    timing.quiet()
    warm = timing.durations(call, 1, 1.0, 10)
    group = timing.group_for(warm)
    values = max(1, int(turn_s * 1e9 / (min(warm) * group)))

    def bare_ns() -> float:
        begin = clock()
        for _ in repeat(None, values * group):
            call()
        return (clock() - begin) / (values * group)

    def ours_ns() -> float:
        window = timing.window(lambda: [timing.durations(call, group, 0.0, values)], group)
        return float(window["window_ns"]) / (len(window["invoke_ns"]) * group)

    found: dict[str, Any] = {"ours_ns": [], "bare_ns": [], "group": group}
    for number in range(PAIRS):
        for who, loop in (("ours_ns", ours_ns), ("bare_ns", bare_ns))[:: 1 if number % 2 else -1]:
            found[who].append(loop())
    print(json.dumps(found))


if __name__ == "__main__":
    child(sys.argv[1], sys.argv[2], float(sys.argv[3]))
