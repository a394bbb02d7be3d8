"""Does watching the board cost latency? One long process of the board program, watched once a second.

One half of each second, drawn for each, has the sampler's look in its middle, the other has none. The median call of
the whole second over that of the half without is what looking once a second does to a published median: whatever a
look costs falls into its own half, and what drifts in a longer time is the same for both. The board's ``/sys`` is a
tree with a file for everything that the sampler can read.
"""

from __future__ import annotations

import itertools
import json
import math
import os
import random
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.board import Bench, deployed
from orchestrator.session.job import Part, job_of
from remote import bundle

PAIRS = 160
HALF_S = 0.5
CONFIDENCE, ALLOWED_PERCENT = 0.95, 1.0
CELL = (
    *("model=mobilenetv2", f"scenario.window_s={PAIRS + 2}", "scenario.processes=1"),
    *("scenario.end_to_end_s=0", "scenario.energy_s=0"),
)
RUNNER = """
import json, sys, time
sys.path.insert(0, {program!r})
sys.argv[0] = {program!r}
from remote.board import State
order = json.loads({order!r})
def fire(self, whole=False, once=State.fire):
    once(self, whole)
    second = int(time.monotonic()) + 1
    self.next_s = second + {half_s} * (order[second % len(order)] + 0.5)
State.fire = fire
from remote import benchmark
sys.exit(benchmark.main(sys.argv[1:]))
"""
"""The runner, whose sampler looks in the middle of that half of each second which ``order`` chooses."""


def run() -> dict[str, Any]:
    """The shift of the median in percent with its 95 % interval: the median of the pairs' ratios and its order
    statistics, since the machine may be shared and some pairs are far out."""
    from scipy import stats

    order = [random.randrange(2) for _ in range(1000)]
    with deployed(*CELL) as bench, tempfile.TemporaryDirectory() as folder:
        record = measured(bench, Path(folder), order)
    ratios = log_ratios(record["processes"][0], order)
    ratios.sort()
    rank = int(stats.binom.ppf((1 - CONFIDENCE) / 2, len(ratios), 0.5))  # 0-based: that many lie below
    middle, low, high = statistics.median(ratios), ratios[rank - 1], ratios[len(ratios) - rank]
    return {
        "pairs": len(ratios),
        "looks": len(record["state"]["samples"]),
        "with_against_without_percent": percent(middle),
        "interval_percent": [percent(low), percent(high)],
        "allowed_percent": ALLOWED_PERCENT,
        "meets": percent(low) > -ALLOWED_PERCENT and percent(high) < ALLOWED_PERCENT,
    }


def percent(log_ratio: float) -> float:
    return round(100 * math.expm1(log_ratio), 3)


def log_ratios(process: dict[str, Any], order: list[int]) -> list[float]:
    """Of each whole second: its median call over that of the half without a look."""
    spent_ns = itertools.accumulate(process["invoke_ns"])
    stretch = process["window_ns"] / sum(process["invoke_ns"]) / 1e9
    halves: dict[int, list[int]] = {}
    for call_ns, end_ns in zip(process["invoke_ns"], spent_ns, strict=True):
        halves.setdefault(int((process["begin_s"] + end_ns * stretch) // HALF_S), []).append(call_ns)
    seconds = sorted({half // 2 for half in halves})[1:-1]
    pairs = [
        (halves.get(2 * s + order[s % len(order)]), halves.get(2 * s + 1 - order[s % len(order)])) for s in seconds
    ]
    median = statistics.median
    return [math.log(median([*looked, *alone]) / median(alone)) for looked, alone in pairs if looked and alone]


def measured(bench: Bench, folder: Path, order: list[int]) -> dict[str, Any]:
    """The record of one job, run by that runner in the board's work folder."""
    program, tree = folder / "program.pyz", folder / "sys"
    bundle.write(program)
    everything(tree)
    workdir, run_id = bench.environment.parent.parent, f"sampler-{os.getpid()}"
    runtime, environment = bench.session.provision(bench.cell, bench.artifact.format, lambda _: None)
    part, cores = Part.whole(bench.cell, run_id), os.cpu_count() or 1
    job = job_of(bench.cell, bench.session.board, bench.artifact, part, runtime, environment, cores)
    (workdir / "jobs" / run_id).mkdir()
    (workdir / "jobs" / run_id / "job.json").write_text(json.dumps(job))
    code = RUNNER.format(program=str(program), order=json.dumps(order), half_s=HALF_S)
    command = [sys.executable, "-I", "-S", "-c", code, "--workdir", str(workdir), "--run-id", run_id]
    command += ["--parent", str(os.getpid()), "--sys-root", str(tree)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    record: dict[str, Any] = json.loads((workdir / "jobs" / run_id / "record.json").read_text())
    return record


def everything(root: Path) -> None:
    """A board with eight cores that tells whatever a board can tell."""
    files: dict[str, object] = {
        "class/thermal/thermal_zone0/type": "cpu-thermal",
        "class/thermal/thermal_zone0/temp": 48686,
        "devices/platform/soc/soc:firmware/get_throttled": 0,
        "class/devfreq/17000000.gpu/cur_freq": 624750000,
        "class/hwmon/hwmon0/name": "pwm_tach",
        "class/hwmon/hwmon0/rpm": 2890,
        "class/hwmon/hwmon1/name": "soctherm_oc",
        **{f"class/hwmon/hwmon1/oc{alarm}_event_cnt": 0 for alarm in (1, 2, 3)},
    }
    for cpu in range(8):
        folder = f"devices/system/cpu/cpu{cpu}"
        files |= {f"{folder}/cpufreq/scaling_cur_freq": 1500000, f"{folder}/cpufreq/scaling_governor": "performance"}
        files |= {f"{folder}/thermal_throttle/{kind}_throttle_count": 0 for kind in ("core", "package")}
    for name, value in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{value}\n")
