"""Does being measured by us cost latency? Interleaved pairs of processes: ours against a bare invoke loop."""

from __future__ import annotations

import json
import math
import random
import statistics
import subprocess
import time
from pathlib import Path
from typing import Any

from benchmarks.board import Bench, deployed
from orchestrator.session import Part

PAIRS = 12
CONFIDENCE = 0.95
ONE_PROCESS = (
    *("scenario.processes=1", "scenario.warmup_s=0.5", "scenario.window_s=2", "scenario.end_to_end_s=0"),
    *("scenario.energy_s=0", "scenario.idle_s=0"),
)
BARE = Path(__file__).with_name("bare.py")


def run() -> dict[str, Any]:
    """The difference of the medians in percent with its 95 % interval (Student t on the log ratios of pairs)."""
    from scipy import stats

    ratios = []
    with deployed("model=mobilenetv2", *ONE_PROCESS) as bench:
        environment = bench.environment
        for _ in range(PAIRS):
            medians: dict[str, float] = {}
            order = ["ours", "bare"]
            random.shuffle(order)
            for who in order:
                medians[who] = ours_ns(bench) if who == "ours" else bare_ns(bench, environment)
            ratios.append(math.log(medians["ours"] / medians["bare"]))
    mean, spread = statistics.mean(ratios), statistics.stdev(ratios) / math.sqrt(PAIRS)
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, PAIRS - 1)) * spread
    low, high = (100 * math.expm1(mean - half), 100 * math.expm1(mean + half))
    return {
        "pairs": PAIRS,
        "ours_against_bare_percent": round(100 * math.expm1(mean), 2),
        "interval_percent": [round(low, 2), round(high, 2)],
        "meets": low <= 2.0 and high >= -2.0,
        "pairs_percent": [round(100 * math.expm1(ratio), 2) for ratio in ratios],
    }


def ours_ns(bench: Bench) -> float:
    outcome = bench.session.run(
        bench.cell, bench.artifact, Part.whole(bench.cell, f"pair-{time.time_ns()}"), lambda _: None
    )
    process = outcome.record["processes"][0]
    return float(statistics.median(process["invoke_ns"])) / float(process["group"])


def bare_ns(bench: Bench, environment: Path) -> float:
    blob = environment.parent.parent / "blobs" / bench.artifact.sha256
    argv = ["python3", "-I", "-S", str(BARE), str(environment), str(blob), "0.5", "2", "0"]
    done = subprocess.run(argv, check=True, capture_output=True)
    return float(statistics.median(json.loads(done.stdout)["invoke_ns"]))
