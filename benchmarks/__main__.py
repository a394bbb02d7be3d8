"""``make bench``: all of them, or those named: ``python -m benchmarks first_byte cell_cost``."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

from benchmarks import (
    cell_cost,
    cross_check,
    energy,
    first_byte,
    fleet,
    invoke_pairs,
    nights,
    one_startup,
    optimizations,
    sampler,
    statistics,
    timing_loop,
)

BENCHMARKS: dict[str, Callable[[], dict[str, Any]]] = {
    "first_byte": first_byte.run,
    "cell_cost": cell_cost.run,
    "invoke_pairs": invoke_pairs.run,
    "nights": nights.run,
    "timing_loop": timing_loop.run,
    "cross_check": cross_check.run,
    "sampler": sampler.run,
    "fleet": fleet.run,
    "statistics": statistics.run,
    "energy": energy.run,
    "one_startup": one_startup.run,
    "optimizations": optimizations.run,
}


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        print(f"unknown: {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 1
    for name in names or BENCHMARKS:
        begin = time.monotonic()
        figures = BENCHMARKS[name]()
        print(json.dumps({"benchmark": name, **figures, "took_s": round(time.monotonic() - begin, 1)}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
