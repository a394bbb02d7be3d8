"""Records real process repetitions for ``statistics``: ``python -m benchmarks.record_processes NAME``.

Each cell runs on the built-in board, through the board program and in fresh processes, as in a sweep. What is kept is
one median per process, in ``data/processes_NAME.json``, with the kind of machine and nothing that names it.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from typing import Any

from benchmarks.board import deployed
from benchmarks.draws import DATA
from orchestrator.session import Part

PROCESSES = 24
CELLS = {
    "mobilenetv2 none": ("model=mobilenetv2", "optimization=none"),
    "mobilenetv2 int8": ("model=mobilenetv2", "optimization=int8"),
    "digits none": ("model=digits", "optimization=none"),
}
SCENARIO = (
    *("scenario.warmup_s=0.5", "scenario.warmup_runs=3", "scenario.window_s=0.5", "scenario.min_runs=10"),
    *("scenario.end_to_end_s=0", "scenario.energy_s=0", "scenario.idle_s=0", f"scenario.processes={PROCESSES}"),
)


def main(name: str) -> None:
    cells = [{"name": f"{cell} ({name})", "medians_ms": medians_ms(*words)} for cell, words in CELLS.items()]
    note = f"{PROCESSES} fresh processes a cell, one after the other: 0.5 s warm-up, 0.5 s window"
    what = {"machine": f"{os.cpu_count()}-core virtual machine, shared with other work", "note": note, "cells": cells}
    DATA.mkdir(exist_ok=True)
    (DATA / f"processes_{name}.json").write_text(json.dumps(what, indent=1) + "\n")


def medians_ms(*words: str) -> list[float]:
    with deployed(*words, *SCENARIO) as bench:
        outcome = bench.session.run(
            bench.cell, bench.artifact, Part.whole(bench.cell, f"recording-{time.time_ns()}"), lambda _: None
        )
    return [round(median_ms(process), 6) for process in outcome.record["processes"]]


def median_ms(process: dict[str, Any]) -> float:
    return float(statistics.median(process["invoke_ns"])) / float(process["group"]) / 1e6


if __name__ == "__main__":
    main(sys.argv[1])
