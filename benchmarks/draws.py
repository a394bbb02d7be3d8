"""Log medians of processes as they may come: simulated, and drawn from recorded ones."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[np.float64]]
Draw = Callable[[np.random.Generator, tuple[int, int, int]], Array]
"""Makes log medians of matrices x cells x processes, all of the same true latency."""

DATA = Path(__file__).with_name("data")


def normal(spread: float) -> Draw:
    return lambda rng, shape: spread * rng.standard_normal(shape)


def slow_ones(spread: float) -> Draw:
    """One process in 20 is 10 % slow."""
    return lambda rng, shape: normal(spread)(rng, shape) + np.log(1.1) * (rng.random(shape) < 0.05)


def unequal(values: tuple[float, float], share: float) -> Draw:
    """A share of the cells has the second spread, the others the first."""
    return lambda rng, shape: rng.standard_normal(shape) * np.where(rng.random((*shape[:2], 1)) < share, *values[::-1])


def every_cell_its_own(rng: np.random.Generator, shape: tuple[int, int, int]) -> Array:
    """Spreads of cells are log-normal around 1.5 %: two thirds of them between 0.75 % and 3 %."""
    return rng.standard_normal(shape) * 0.015 * np.exp(0.7 * rng.standard_normal((*shape[:2], 1)))


def two_modes(rng: np.random.Generator, shape: tuple[int, int, int]) -> Array:
    """Half of the processes is 5 % slower than the others, which are 0.3 % apart."""
    return 0.003 * rng.standard_normal(shape) + 0.05 * (rng.random(shape) < 0.5)


def drawn_from(logs: Array) -> Draw:
    """With replacement, centred."""
    centred = logs - logs.mean()
    return lambda rng, shape: rng.choice(centred, shape)


def recorded() -> Mapping[str, Array]:
    """Of every recorded cell, by its name; see ``record_processes``."""
    cells = [cell for path in sorted(DATA.glob("processes_*.json")) for cell in json.loads(path.read_text())["cells"]]
    return {cell["name"]: np.log(np.array(cell["medians_ms"])) for cell in cells}


SIMULATED: Mapping[str, Draw] = {
    "1 %": normal(0.01),
    "3 %": normal(0.03),
    "1 %, one in 20 slow": slow_ones(0.01),
    "3 %, one in 20 slow": slow_ones(0.03),
    "half 1 %, half 3 %": unequal((0.01, 0.03), 0.5),
    "each its own": every_cell_its_own,
    "one in 10 cells 8 %": unequal((0.01, 0.08), 0.1),
    "two modes": two_modes,
}
