"""How often intervals cover, false differences appear and true ones are found: simulated, and on recorded processes.

The lines that decide are those of the reports (``orchestrator.stats``), run on arrays. Rates are in percent; with the
usual 4000 matrices a rate near 1 % is known within 0.3 (two standard errors).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from benchmarks.draws import SIMULATED, Array, Draw, drawn_from, normal, recorded
from orchestrator.agreement import WITHIN
from orchestrator.stats import student
from orchestrator.stats.cells import Cells, moderated
from orchestrator.stats.design import Design
from orchestrator.stats.family import FALSE_ALARMS, FOR_LOOKS, MINIMUM_EFFECT, Tested, large, tested
from orchestrator.stats.interval import CONFIDENCE, limits

Truths = np.ndarray[Any, np.dtype[np.bool_]]

CELLS = 40
LEVEL = FALSE_ALARMS - FOR_LOOKS
EFFECTS = {"5 % at 1 %": (0.05, 0.01), "10 % at 3 %": (0.10, 0.03)}


def run(matrices: int = 4000) -> dict[str, Any]:
    """All tables; coverage and A/A also with processes drawn from recorded ones."""
    real = {f"recorded: {name}": drawn_from(logs) for name, logs in recorded().items()}
    return {
        "interval_of_a_cell": {
            name: {f"n={n}": coverage(draw, n, 5 * matrices) for n in (3, 4, 5, 6, 12, 20)}
            for name, draw in {**SIMULATED, **real}.items()
        },
        "interval_of_a_percentile": {f"{k} processes": percentiles(k) for k in (3, 5, 12)},
        "false_in_percent_of_matrices": {
            name: {f"n={n}": false_alarms(draw, n, matrices) for n in (3, 5, 6)}
            for name, draw in {**SIMULATED, **real}.items()
        },
        "false_in_percent_of_smaller_matrices": {
            f"{name}, {cells} cells": {f"n={n}": false_alarms(draw, n, 2 * matrices, cells) for n in (3, 5, 6)}
            for name, draw in SIMULATED.items()
            for cells in (2, 4, 10)
        },
        "reproductions": {
            name: {f"n={n}": reproductions(draw, n, 5 * matrices) for n in (3, 5, 6)}
            for name, draw in {**SIMULATED, **real}.items()
        },
        "otherwise": otherwise(matrices),
        "found_percent": {
            f"{name}, {cells} cells": {f"n={n}": found(*effect, n, cells, matrices) for n in (3, 5, 6, 10)}
            for name, effect in EFFECTS.items()
            for cells in (2, CELLS)
        },
        "least_change_found_95_of_100_percent": {
            f"{spread:.0%} spread, {cells} cells": {f"n={n}": detectable(spread, n, cells) for n in (3, 5, 6, 10, 20)}
            for spread in (0.01, 0.03)
            for cells in (2, CELLS)
        },
        "five_processes_and_five_more_where_undecided": {
            name: two_stages(draw, matrices)
            for name, draw in {**_some(SIMULATED, 7), **real}.items()
        },
        "interval_of_a_change": {
            name: {f"n={n}": change_coverage(draw, n, matrices) for n in (3, 5, 6)} for name, draw in SIMULATED.items()
        },
    }  # fmt: skip


def _some(draws: Mapping[str, Draw], count: int) -> dict[str, Draw]:
    return dict(list(draws.items())[:count])


# -- intervals


def coverage(draw: Draw, n: int, tries: int) -> dict[str, float]:
    """How often the interval of a cell holds the true median, and how wide it is; beside it plain Student t."""
    rng = np.random.default_rng(n)
    middle = np.median(draw(rng, (1, 1, 200_000)))
    x = draw(rng, (tries, 1, n))[:, 0]
    low, high = limits(x)
    half = student.quantile(0.975, n - 1) * x.std(axis=1, ddof=1) / np.sqrt(n)
    return {
        "covers": _percent((low <= middle) & (middle <= high)),
        "width": _percent(np.expm1(high - low)),
        "t_covers": _percent(np.abs(x.mean(axis=1) - middle) <= half),
        "t_width": _percent(np.expm1(2 * half)),
    }


def change_coverage(draw: Draw, n: int, matrices: int) -> dict[str, float]:
    """Of the 95 % interval of a change in a matrix, where the truth is no change."""
    result = _tested(_cells(draw(np.random.default_rng(n), (matrices // 4, CELLS, n))))
    half = student.quantile(0.975, result.freedom) * result.error
    return {"covers": _percent(np.abs(result.difference) <= half), "width": _percent(np.expm1(2 * half))}


def percentiles(k: int, tries: int = 1000, calls: int = 250) -> dict[str, float]:
    """p90 with processes 1 % apart: over all calls (textbook order statistics), and between processes (ours)."""
    rng = np.random.default_rng(k)
    x = 0.01 * rng.standard_normal((tries, k, 1)) + 0.01 * np.abs(rng.standard_normal((tries, k, calls)))
    own = np.sort(x, axis=2)[..., -(-9 * calls // 10) - 1]
    true_process = 0.01 * 1.6449  # p90 of the absolute value of a standard normal, of a process without a shift
    ends = limits(own)
    pooled, n = np.sort(x.reshape(tries, -1), axis=1), k * calls
    spread = 1.96 * np.sqrt(0.09 * n)
    low, high = pooled[:, int(0.9 * n - spread) - 1], pooled[:, int(np.ceil(0.9 * n + spread))]
    every = 0.01 * rng.standard_normal(2_000_000) + 0.01 * np.abs(rng.standard_normal(2_000_000))
    true_pooled = np.quantile(every, 0.9)
    return {
        "over_calls_covers": _percent((low <= true_pooled) & (true_pooled <= high)),
        "over_calls_width": _percent(high - low),
        "between_processes_covers": _percent((ends[0] <= true_process) & (true_process <= ends[1])),
        "between_processes_width": _percent(ends[1] - ends[0]),
    }


# -- comparisons


def false_alarms(draw: Draw, n: int, matrices: int, cells: int = CELLS) -> float:
    """Matrices with any difference, where there is none."""
    return _percent(_significant(draw(np.random.default_rng(n), (matrices, cells, n))).any(axis=1))


def reproductions(draw: Draw, n: int, tries: int) -> dict[str, float]:
    """A single pair, judged by its 95 % interval as ``reproduce`` does: "differs" where nothing has changed, "agrees"
    there, and "agrees" where it is 10 % slower."""
    result = _tested(_cells(draw(np.random.default_rng(n), (tries, 2, n))))
    half = student.quantile((1 + CONFIDENCE) / 2, result.freedom) * result.error
    slower, limit = result.difference + np.log1p(WITHIN), (np.log1p(-WITHIN), np.log1p(WITHIN))

    def agrees(difference: Array) -> Truths:
        low, high = difference - half, difference + half
        same = np.abs(difference) + half <= np.log1p(MINIMUM_EFFECT)
        return np.asarray(same | ((low <= 0) & (high >= 0) & (low >= limit[0]) & (high <= limit[1])), dtype=np.bool_)

    return {
        "falsely_differs": _percent((np.abs(result.difference) > half) & large(result.difference)),
        "agrees": _percent(agrees(result.difference)),
        "falsely_agrees_at_10": _percent(agrees(slower)),
    }


def otherwise(matrices: int) -> dict[str, Any]:
    """What was not chosen: each cell's own variance (plain Welch), and false-discovery control in place of Holm's."""
    rng, others = np.random.default_rng(0), np.arange(1, CELLS)
    x = normal(0.01)(rng, (matrices, CELLS, 5))
    x[:, 1] += np.log1p(0.05)
    plain = tested(_cells(x), others, np.zeros_like(others)).significant(LEVEL)
    uneven = SIMULATED["one in 10 cells 8 %"](rng, (matrices, CELLS, 5))
    result = _tested(_cells(uneven))
    steps = LEVEL * np.arange(1, CELLS) / (CELLS - 1)
    ordered = np.sort(result.raw, axis=1)
    limit = np.where(ordered <= steps, ordered, -1.0).max(axis=1, keepdims=True)  # Benjamini and Hochberg 1995
    discovered = (result.raw <= limit) & large(result.difference)
    return {
        "plain_welch_finds_5_at_1": _percent(plain[:, 0]),
        "benjamini_hochberg_false_with_noisy_cells": _percent(discovered.any(axis=1)),
        "holm_false_with_noisy_cells": _percent(result.significant(LEVEL).any(axis=1)),
    }


def found(effect: float, spread: float, n: int, cells: int, matrices: int) -> float:
    """How often the one cell that differs is called so."""
    x = normal(spread)(np.random.default_rng(n), (matrices // 2, cells, n))
    x[:, 1] += np.log1p(effect)
    return _percent(_significant(x)[:, 0])


def detectable(spread: float, n: int, cells: int) -> dict[str, float]:
    """The least change that 95 of 100 matrices find, and what a report says it is, in the middle of its saying."""
    result = _tested(_cells(normal(spread)(np.random.default_rng(n), (4000, cells, n))))
    level = LEVEL / (cells - 1)  # of the smallest p, which the one true change has
    difference, error, freedom = (some[:, 0] for some in (result.difference, result.error, result.freedom))
    needed = np.maximum(student.quantile(1 - level / 2, freedom) * error, np.log1p(MINIMUM_EFFECT)) - difference
    pairs = zip(error[:500], freedom[:500], strict=True)
    said = np.median([Design(float(one), float(its), level).detectable() for one, its in pairs])
    return {"is": _percent(np.expm1(np.quantile(needed, 0.95))), "said": _percent(np.expm1(said))}


def two_stages(draw: Draw, matrices: int, first: int = 5, more: int = 5) -> dict[str, float]:
    """Undecided pairs and their baseline get more processes; then the report tests once."""
    rng = np.random.default_rng(0)
    x = draw(rng, (matrices, CELLS, first + more))
    false, added = _staged(x, first)
    figures = {"false": _percent(false.any(axis=1)), "processes_added_percent": _percent(added / (CELLS * first))}
    for name, effect in {"found_5": 0.05, "found_10": 0.10}.items():
        shifted = x[: matrices // 2].copy()
        shifted[:, 1] += np.log1p(effect)
        figures[name] = _percent(_staged(shifted, first)[0][:, 0])
    return figures


def _staged(x: Array, first: int) -> tuple[Truths, Array]:
    """Which pairs the report calls different, and how many processes were added to each matrix."""
    look = _tested(_cells(x[..., :first]))
    again = large(look.difference) & ~look.significant(FOR_LOOKS)
    again = np.concatenate([again.any(axis=1, keepdims=True), again], axis=1)
    some, every = _cells(x[..., :first]), _cells(x)
    mean, variance, n = (np.where(again, b, a) for a, b in ((some.mean, every.mean), (some.variance, every.variance),
                                                             (some.n, every.n)))  # fmt: skip
    return _tested(Cells.of(mean, variance, n)).significant(LEVEL), again.sum(axis=1) * (x.shape[2] - first)


def _significant(x: Array) -> Truths:
    return _tested(_cells(x)).significant(LEVEL)


def _cells(x: Array) -> Cells:
    return Cells.of(x.mean(axis=-1), x.var(axis=-1, ddof=1), np.full(x.shape[:-1], float(x.shape[-1])))


def _tested(cells: Cells) -> Tested:
    """All cells of a matrix against its first one."""
    others = np.arange(1, cells.mean.shape[-1])
    return tested(moderated(cells), others, np.zeros_like(others))


def _percent(values: Array | Truths | np.bool_) -> float:
    return round(100 * float(np.mean(values)), 2)
