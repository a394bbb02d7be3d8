"""In which order artifacts are built, one at a time, so that no board waits long while others are served."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from orchestrator.builder import Recipe
from orchestrator.fleet.plan import Entry
from orchestrator.fleet.pool import Pool


def build_order(pools: Sequence[Pool], cached: Callable[[Entry], bool]) -> dict[str, Recipe]:
    """Every recipe by its key: the cached ones, which cost no more than a look, then round by round.

    In a round each pool gets as many artifacts as it has boards. What an earlier pool of the round has ordered
    counts, since pools of one matrix mostly want the same artifacts. Pools that can begin with cached ones come last.
    """
    order: dict[str, Recipe] = {}
    lines: list[tuple[float, int, deque[Entry]]] = []
    for pool in pools:
        entries = pool.entries()
        there = [entry for entry in entries if cached(entry)]
        _add(order, there)
        boards = len(pool.berths)
        known = {entry.key for entry in there}
        lines.append((len(there) / boards, boards, _by_model([e for e in entries if e.key not in known])))
    lines.sort(key=lambda line: line[0])
    while any(line for _, _, line in lines):
        for _, boards, line in lines:
            _add(order, [line.popleft() for _ in range(min(boards, len(line)))])
    return order


def _add(order: dict[str, Recipe], entries: Sequence[Entry]) -> None:
    for entry in entries:
        if entry.recipe is not None:
            order.setdefault(entry.key, entry.recipe)


def _by_model(entries: Sequence[Entry]) -> deque[Entry]:
    """The model of the longest cell first, all its variants in a row, the longest first.

    Not strictly by length: the builder keeps one float model at a time, and to load, trace and convert another one
    costs seconds, while the lengths of cells of one scenario differ by little more than noise.
    """
    models: dict[str, list[Entry]] = {}
    for entry in entries:  # longest first already
        if entry.recipe is not None:
            models.setdefault(entry.recipe.unoptimized.key, []).append(entry)
    return deque(entry for variants in models.values() for entry in variants)
