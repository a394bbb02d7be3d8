"""Does another tool say the same? Interleaved pairs of processes: ours against Google's ``litert-benchmark``.

Both take the same file, the same version of LiteRT and one thread. Theirs, as it comes: 5 warm-up calls, then 50 of a
CompiledModel, each with the registration of its buffers, whose median it rounds to 0.01 ms. Ours: the invocation of an
Interpreter for 0.4 s, about as long as theirs takes, since many short pairs see the same neighbours. Neither copies an
input or an output in between.
"""

from __future__ import annotations

import json
import math
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import uv

from benchmarks.board import Bench, deployed
from benchmarks.invoke_pairs import CONFIDENCE, ONE_PROCESS, ours_ns

PAIRS = 60
LIMIT_PERCENT = 3.0
SHORT = ("scenario.warmup_s=0.1", "scenario.window_s=0.4")
OPTIMIZATIONS = ("none", "int8")


def run() -> dict[str, Any]:
    """Per optimization of MobileNetV2: ours against theirs in percent: the median over pairs with its 95 % interval."""
    return {name: compared(name) for name in OPTIMIZATIONS}


def compared(optimization: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        with deployed("model=mobilenetv2", f"optimization={optimization}", *ONE_PROCESS, *SHORT) as bench:
            tool = theirs(Path(folder), bench)
            pairs = [pair(bench, tool, Path(folder)) for _ in range(PAIRS)]
    low, middle, high = interval([math.log(ours / other) for ours, other in pairs])
    return {
        "pairs": PAIRS,
        "ours_ms": round(statistics.median(ours for ours, _ in pairs), 3),
        "litert_benchmark_ms": round(statistics.median(other for _, other in pairs), 3),
        "ours_against_theirs_percent": round(middle, 2),
        "interval_percent": [round(low, 2), round(high, 2)],
        "meets": low >= -LIMIT_PERCENT and high <= LIMIT_PERCENT,
    }


def theirs(folder: Path, bench: Bench) -> list[str]:
    """The tool with the whole wheel of the version that the board has: the board gets it without the tools."""
    (found,) = metadata.distributions(name="ai-edge-litert", path=[str(bench.environment)])
    target = folder / "packages"
    install = [uv.find_uv_bin(), "pip", "install", "-q", "--target", str(target), "--python", sys.executable]
    packages = [f"ai-edge-litert=={found.version}", "ml-dtypes"]
    subprocess.run([*install, "--no-deps", "--only-binary", ":all:", *packages], check=True)
    for name in ("numpy", "numpy.libs"):
        (target / name).symlink_to(bench.environment / name)
    start = f"import sys; sys.path.insert(0, {str(target)!r}); "
    start += "from ai_edge_litert.tools.benchmark_litert_model import main; main()"
    blob = bench.environment.parent.parent / "blobs" / bench.artifact.sha256
    return ["python3", "-I", "-S", "-c", start, "--model", str(blob), "--num_threads", "1"]


def pair(bench: Bench, tool: Sequence[str], folder: Path) -> tuple[float, float]:
    """Medians in milliseconds of a process of ours and one of theirs, in random order."""
    told = folder / "result.json"
    found: dict[str, float] = {}
    for who in random.sample(["ours", "theirs"], 2):
        if who == "ours":
            found[who] = ours_ns(bench) / 1e6
        else:
            subprocess.run([*tool, "--result_json", str(told)], check=True, capture_output=True)
            found[who] = float(json.loads(told.read_text())["latency"]["median_ms"])
    return found["ours"], found["theirs"]


def interval(logs: Sequence[float]) -> tuple[float, float, float]:
    """Lower end, median and upper end in percent. By ranks, since a neighbour on a shared machine hits single pairs."""
    from scipy import stats

    ordered = sorted(logs)
    rank = int(stats.binom.ppf((1 - CONFIDENCE) / 2, len(ordered), 0.5))  # so many at either end are left out
    ends = ordered[rank - 1], statistics.median(ordered), ordered[len(ordered) - rank]
    low, middle, high = (100 * math.expm1(value) for value in ends)
    return low, middle, high
