"""Histories made up: as many nights as are needed, with values that are given or drawn."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import replace

from orchestrator.regression.accepted import Accepted
from orchestrator.regression.cell import Case, outcomes
from orchestrator.regression.decision import Decision
from orchestrator.regression.entry import Entry, Value
from orchestrator.regression.question import Rerun
from orchestrator.unattended import Gate

LATENCY, SIZE, TOP1, MEMORY = "latency/median_ms", "model/size_bytes", "quality/top1", "memory/peak_rss_mb"
DAY_S = 86_400.0


def processes(value: float, number: int, count: int = 5, spread: float = 0.01) -> tuple[float, ...]:
    """Of one night; the seed is its number, so that a test is the same every time."""
    chance = random.Random(number * 1000 + count)
    drawn = [chance.gauss(0, spread) for _ in range(count)]
    mean = math.fsum(drawn) / count
    return tuple(value * math.exp(x - mean) for x in drawn)


def entry(number: int, value: float | None = 20.0, metric: str = LATENCY, **known: object) -> Entry:
    """One night. ``value`` None: the cell failed by itself."""
    made = Entry(
        cell="pi4/model/none",
        night=f"night{number}",
        at_s=number * DAY_S,
        status="done" if value is not None else "failed",
        board="pi4-01",
        serial="s1",
        verdict="valid" if value is not None else None,
        error=None if value is not None else "RuntimeError: no such operator",
        artifact="a1",
        environment="e1",
        runtime="litert",
        covariates={"artifact": "a1", "runtime version": "2.1"},
        values={} if value is None else {metric: Value(value, samples=samples_of(metric, value, number))},
    )
    return replace(made, **known)  # type: ignore[arg-type]


def samples_of(metric: str, value: float, number: int) -> tuple[float, ...]:
    return processes(value, number) if metric == LATENCY else ()


def history(values: Sequence[float | None], metric: str = LATENCY, **known: object) -> list[Entry]:
    """Judged night by night, as a lab would; without any re-run."""
    past: list[Entry] = []
    for number, value in enumerate(values):
        tonight = entry(number, value, metric, **known)
        past.append(tonight.judged(outcomes(Case(Gate(), tuple(past), tonight, {}).judged())))
    return past


def noisy(count: int, level: float = 20.0, between: float = 0.004, seed: int = 0) -> list[float | None]:
    chance = random.Random(seed)
    return [level * math.exp(chance.gauss(0, between)) for _ in range(count)]


def case(
    past: Sequence[Entry],
    tonight: Entry,
    rerun: Rerun | None = None,
    accepted: Accepted | None = None,
    gate: Gate | None = None,
) -> Case:
    told = {accepted.metric: (accepted,)} if accepted else {}
    return Case(gate or Gate(), tuple(past), tonight, told, rerun)


def decided(made: Case, metric: str = LATENCY) -> Decision:
    return made.judged()[metric]


def judged(made: Case) -> Entry:
    """Tonight, as later nights have it."""
    return made.tonight.judged(outcomes(made.judged()))
