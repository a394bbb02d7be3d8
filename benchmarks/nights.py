"""The regression gate replayed over constructed histories: how often it cries wolf, and what it catches, and when.

A night is 40 cells on 4 boards, 5 processes a cell, 1 % of spread between processes, 0.3 % between nights of a board;
a slow drift of every board; odd values that are gone when the cell is run again; boards that are swapped for others
that are up to 4 % slower or faster. The rule itself is the real one, a re-run included; only the values are drawn.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

from orchestrator.regression import decision as d
from orchestrator.regression.cell import Case, outcomes
from orchestrator.regression.entry import Entry, Value
from orchestrator.regression.question import Rerun
from orchestrator.unattended import Gate

LATENCY = "latency/median_ms"
DAY_S = 86400.0


@dataclass
class World:
    """The truth that values are drawn from; shares."""

    seed: int
    cells: int = 40
    boards: int = 4
    processes: int = 5
    between_processes: float = 0.01
    between_nights: float = 0.003
    drift: float = 0.0005  # of a board, a night, either way
    odd: float = 0.005  # of cells in a night: 5 to 30 % slower, once
    swap: float = 0.01  # of boards in a night
    changes: dict[int, dict[int, float]] = field(default_factory=dict)  # night -> cell -> share slower, from then on

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.levels = [math.log(self.chance.uniform(1, 100)) for _ in range(self.cells)]
        self.board_levels = [0.0] * self.boards
        self.drifts = [self.chance.choice((-1, 1)) * self.drift for _ in range(self.boards)]
        self.serials = [f"s{board}" for board in range(self.boards)]
        self.artifacts = ["v1"] * self.cells
        self.good = list(self.levels)  # of the artifact before
        self.past: list[list[Entry]] = [[] for _ in range(self.cells)]

    def night(self, number: int) -> list[d.Decision]:
        """One night; its decisions are kept in the history as in a lab."""
        for board in range(self.boards):
            self.board_levels[board] += self.drifts[board]
            if number and self.chance.random() < self.swap:
                self.board_levels[board] = math.log1p(self.chance.uniform(-0.04, 0.04))
                self.serials[board] = f"{self.serials[board]}'"
        for cell, share in self.changes.get(number, {}).items():
            self.good[cell] = self.levels[cell]
            self.levels[cell] += math.log1p(share)
            self.artifacts[cell] = f"v{number}"
        weather = [self.chance.gauss(0, self.between_nights) for _ in range(self.boards)]
        found = []
        for cell in range(self.cells):
            found += self._cell(number, cell, weather[cell % self.boards])
        return found

    def _cell(self, number: int, cell: int, weather: float) -> list[d.Decision]:
        level = self.levels[cell] + self.board_levels[cell % self.boards] + weather
        odd = math.log1p(self.chance.uniform(0.05, 0.3)) if self.chance.random() < self.odd else 0.0
        tonight = self._entry(number, cell, level + odd, self.artifacts[cell], self.processes)
        case = Case(Gate(), tuple(self.past[cell]), tonight, {})
        if case.needs_rerun:
            good = case.last_good
            now = self._entry(number, cell, level, self.artifacts[cell], case.gate.rerun_processes)
            same = good is not None and good.artifact == tonight.artifact
            before = level - self.levels[cell] + self.good[cell]
            last = None if same or good is None else self._entry(number, cell, before, good.artifact or "", 6)
            case = replace(case, rerun=Rerun(now, last, same))
        judged = case.judged()
        self.past[cell] = [*self.past[cell][-40:], tonight.judged(outcomes(judged))]
        return list(judged.values())

    def _entry(self, number: int, cell: int, level: float, artifact: str, processes: int) -> Entry:
        samples = tuple(math.exp(level + self.chance.gauss(0, self.between_processes)) for _ in range(processes))
        board = cell % self.boards
        return Entry(
            cell=f"cell{cell}",
            night=f"night{number}",
            at_s=number * DAY_S,
            status="done",
            board=f"board{board}",
            serial=self.serials[board],
            verdict="valid",
            values={LATENCY: Value(sorted(samples)[processes // 2], samples=samples)},
            artifact=artifact,
            environment="e1",
            covariates={"artifact": artifact},
        )


def false_alarms(nights: int, seed: int, warm: int = 10) -> dict[str, Any]:
    """Nothing of ours ever changes: every alarm is a false one."""
    world, found = World(seed), Counter[str]()
    for number in range(warm + nights):
        decisions = world.night(number)
        if number >= warm:
            found.update(one.outcome for one in decisions)
    wrong = sum(found[name] for name in (d.REGRESSION, d.SYSTEM_CHANGED))
    return {"nights": nights, "false_alarms": wrong, "per_100_nights": round(100 * wrong / nights, 2), **found}


def caught(share: float, repeats: int, seed: int, warm: int = 12) -> dict[str, Any]:
    """One cell in ten gets slower in one night: after how many nights that is said, and of which night."""
    after, named, blamed = Counter[int](), 0, 0
    for repeat in range(repeats):
        slower = dict.fromkeys(range(0, 40, 10), share)
        world = World(seed + repeat, changes={warm: slower})
        waiting = {f"cell{cell}" for cell in slower}
        for number in range(warm + 4):
            for one in world.night(number):
                if one.cell in waiting and one.outcome in (d.REGRESSION, d.SYSTEM_CHANGED) and number >= warm:
                    waiting.discard(one.cell)
                    after[number - warm] += 1
                    named += one.since == f"night{warm}"
                    blamed += one.outcome == d.REGRESSION
        after[99] += len(waiting)
    total = sum(after.values())
    return {
        "share": share,
        "regressions": total,
        "same_night": round(after[0] / total, 4),
        "within_three_nights": round(sum(after[n] for n in range(3)) / total, 4),
        "the_night_named": round(named / total, 4),
        "called_a_regression": round(blamed / total, 4),
    }


def run(nights: int = 1000, repeats: int = 50) -> dict[str, Any]:
    """Rates over constructed histories; every regression is a cell of a night of its own world."""
    return {
        "false_alarms": false_alarms(nights, 1),
        "slower_by_5_percent": caught(0.05, repeats, 1000),
        "slower_by_10_percent": caught(0.10, repeats, 2000),
    }
