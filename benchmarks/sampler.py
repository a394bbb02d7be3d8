"""Does watching the board cost latency? One long process of the board program, watched once a second in half of it.

Pairs of neighbouring blocks of two seconds, one with the sampler and one without it, in random order: what drifts in a
longer time is the same for both. The board's ``/sys`` is a tree with a file for everything that the sampler can read.
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

PAIRS, BLOCK_S = 40, 2.0
CONFIDENCE, ALLOWED_PERCENT = 0.95, 1.0
CELL = (
    *("model=mobilenetv2", f"scenario.window_s={(PAIRS + 1) * 2 * BLOCK_S}", "scenario.processes=1"),
    *("scenario.end_to_end_s=0", "scenario.energy_s=0"),
)
RUNNER = """
import json, sys, time
sys.path.insert(0, {program!r})
sys.argv[0] = {program!r}
from remote.board import State
order = json.loads({order!r})
def watched(t):
    block = int(t // {block_s})
    return order[block // 2 % len(order)] == block % 2
def fire(self, whole=False, once=State.fire):
    once(self, whole)
    due = int(time.monotonic()) + 0.5
    while due <= time.monotonic() or not watched(due):
        due += 1.0
    self.next_s = due
State.fire = fire
from remote import benchmark
sys.exit(benchmark.main(sys.argv[1:]))
"""
"""The runner, whose sampler looks in the middle of each second of the blocks that ``order`` chooses."""


def run() -> dict[str, Any]:
    """The difference of the medians in percent with its 95 % interval (Student t on the log ratios of pairs)."""
    from scipy import stats

    order = [random.randrange(2) for _ in range(1000)]
    with deployed(*CELL) as bench, tempfile.TemporaryDirectory() as folder:
        record = measured(bench, Path(folder), order)
    ratios = log_ratios(record["processes"][0], order)
    middle, spread = statistics.mean(ratios), statistics.stdev(ratios) / math.sqrt(len(ratios))
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(ratios) - 1)) * spread
    low, high = (100 * math.expm1(middle - half), 100 * math.expm1(middle + half))
    return {
        "pairs": len(ratios),
        "samples": len(record["state"]["samples"]),
        "with_against_without_percent": round(100 * math.expm1(middle), 3),
        "interval_percent": [round(low, 3), round(high, 3)],
        "allowed_percent": ALLOWED_PERCENT,
        "meets": low > -ALLOWED_PERCENT and high < ALLOWED_PERCENT,
    }


def log_ratios(process: dict[str, Any], order: list[int]) -> list[float]:
    """Of each pair of whole blocks: the median call with the sampler over that without."""
    spent_ns = itertools.accumulate(process["invoke_ns"])
    stretch = process["window_ns"] / sum(process["invoke_ns"]) / 1e9
    blocks: dict[int, list[int]] = {}
    for call_ns, end_ns in zip(process["invoke_ns"], spent_ns, strict=True):
        blocks.setdefault(int((process["begin_s"] + end_ns * stretch) // BLOCK_S), []).append(call_ns)
    whole = set(sorted(blocks)[1:-1])
    medians = {block: statistics.median(calls) for block, calls in blocks.items() if block in whole}
    pairs = sorted({block // 2 for block in whole if {block // 2 * 2, block // 2 * 2 + 1} <= whole})
    with_it = {pair: 2 * pair + order[pair % len(order)] for pair in pairs}
    return [math.log(medians[one] / medians[one ^ 1]) for one in with_it.values()]


def measured(bench: Bench, folder: Path, order: list[int]) -> dict[str, Any]:
    """The record of one job, run by that runner in the board's work folder."""
    program, tree = folder / "program.pyz", folder / "sys"
    bundle.write(program)
    everything(tree)
    workdir, run_id = bench.environment.parent.parent, f"sampler-{os.getpid()}"
    runtime, environment = bench.session.provision(bench.cell, bench.artifact.format, lambda _: None)
    job = job_of(bench.cell, bench.artifact, Part.whole(bench.cell, run_id), runtime, environment, os.cpu_count() or 1)
    (workdir / "jobs" / run_id).mkdir()
    (workdir / "jobs" / run_id / "job.json").write_text(json.dumps(job))
    code = RUNNER.format(program=str(program), order=json.dumps(order), block_s=BLOCK_S)
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
