"""What a cell costs beyond its process starts, loads, warm-ups and windows, on the built-in board with warm caches.

Taken from a whole sweep by the command line, from the start of one cell to the start of the next: deploying,
following, collecting, computing and journalling are all in it.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.board import Bench, deployed

REPEATS = 5
WINDOWS = (
    *("scenario.warmup_s=0.2", "scenario.window_s=0.5", "scenario.end_to_end_s=0.2"),
    *("scenario.energy_s=0", "scenario.idle_s=0"),
)
PROJECT = Path(__file__).parent.parent
BARE = Path(__file__).with_name("bare.py")


def run() -> dict[str, Any]:
    """Seconds beyond the unavoidable, median of interleaved repeats, for us and for ``ssh board python3 bench.py``."""
    start_s = python_start_s()
    bare: list[float] = []
    sweep_s(start_s)  # builds what is missing
    with deployed("model=digits", *WINDOWS) as bench:
        environment = bench.environment
        bare += [bare_s(bench, environment, start_s) for _ in range(REPEATS)]
    ours = sweep_s(start_s) + sweep_s(start_s)
    return {
        "cell_overhead_s": round(statistics.median(ours), 3),
        "cell_overhead_max_s": round(max(ours), 3),
        "limit_s": 0.6,
        "bare_ssh_script_overhead_s": round(statistics.median(bare), 3),
        "processes_per_cell": 3,
        "python_start_s": round(start_s, 4),
    }


def python_start_s() -> float:
    """The start of an interpreter as a board starts it, which no tool can avoid."""
    times = []
    for _ in range(11):
        begin = time.monotonic()
        subprocess.run([sys.executable, "-I", "-S", "-c", "pass"], check=True)
        times.append(time.monotonic() - begin)
    return statistics.median(times)


def sweep_s(start_s: float) -> list[float]:
    """The cells of one sweep, each from its start to that of the next, less what its processes had to do."""
    words = ["-m", "model=digits", "optimization=none,float16,dynamic_range,int8", *WINDOWS]
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"ORCHESTRATOR_HOME": folder}
        command = [sys.executable, "-m", "orchestrator", *words]
        subprocess.run(command, cwd=PROJECT, env=environment, check=True, stdout=subprocess.DEVNULL)
        cells = sorted(Path(folder).glob("multirun/*/*/*/result.json"))
        results = [json.loads(path.read_text()) for path in cells]
        records = [json.loads(path.with_name("record.json").read_text()) for path in cells]
    begins = [result["started_s"] for result in results] + [results[-1]["ended_s"]]
    inside = [sum(inside_s(process) + start_s for process in record["processes"]) for record in records]
    return [after - before - spent for before, after, spent in zip(begins[:-1], begins[1:], inside, strict=True)]


def inside_s(process: dict[str, Any]) -> float:
    """Import, load, first inference, warm-up, window and end-to-end pass of one process."""
    phases = ("import_ns", "load_ns", "first_ns", "warmup_ns", "window_ns")
    return float(sum(process[name] for name in phases) + sum(process["end_to_end_ns"])) / 1e9


def bare_s(bench: Bench, environment: Path, start_s: float) -> float:
    """The same three processes from a plain script over the same SSH server, less the same things."""
    connection, blob = bench.session.need_connection(), environment.parent.parent / "blobs" / bench.artifact.sha256
    begin, inside = time.monotonic(), 0.0
    for _ in range(3):
        argv = ["python3", "-I", "-S", str(BARE), str(environment), str(blob), "0.2", "0.5", "0.2"]
        inside += json.loads(connection.run(argv).stdout)["inside_ns"] / 1e9 + start_s
    return time.monotonic() - begin - inside
