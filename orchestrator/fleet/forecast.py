"""What a plan will come to, by the rules that the run follows: which board has how many cells, for how long."""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.device import Board
from orchestrator.fleet.plan import Plan, adds_energy
from orchestrator.fleet.pool import AWAY, HERE, Berth, berths_of, by_preference
from orchestrator.meters.windows import metered


@dataclass(frozen=True, slots=True)
class Share:
    """One board's part; ``known`` of its cells have a history."""

    board: Board
    cells: int
    known: int
    seconds: float
    metered_s: float = 0.0  # of ``seconds``: energy passes that a meter makes certain and no history holds
    perhaps_s: float = 0.0  # beyond ``seconds``: energy passes where a sensor of the board's own answers


@dataclass(frozen=True, slots=True)
class Forecast:
    """The boards in the order of the matrix, and the seconds until the last one is done, builds not counted.

    ``late`` are the numbers of the cells for which the budget does not reach.
    """

    shares: tuple[Share, ...]
    seconds: float
    late: tuple[int, ...] = ()


def forecast(plan: Plan, budget_s: float = math.inf) -> Forecast:
    """Play the plan through as if every artifact were there and every board came."""
    machines = berths_of(plan.runnable)
    for entry in plan.runnable:
        for berths in machines.values():
            for berth in berths:
                berth.pool.built(entry.key)
    parts: dict[Berth, list[tuple[bool, float, float, float]]] = {
        berth: [] for berths in machines.values() for berth in berths
    }
    free = [(0.0, number, berths) for number, berths in enumerate(machines.values())]
    ends_s, late = 0.0, list[int]()
    while free:
        now_s, number, berths = heapq.heappop(free)
        for pool in {id(berth.pool): berth.pool for berth in berths}.values():
            late += [entry.cell.number for entry in pool.late(budget_s - now_s)]
        able = by_preference(berths)
        if not able:
            ends_s = max(ends_s, now_s)
            continue
        for berth in berths:
            berth.state = HERE if berth is able[0] else AWAY
        taken = able[0].pool.take(board=able[0].board.name)
        if taken is None:
            continue
        seconds = plan.seconds(taken, able[0].board.name)
        more_s = adds_energy(taken)
        by_meter = metered(taken.cell.settings)
        parts[able[0]].append((taken.estimate.runs > 0, seconds, more_s * by_meter, more_s * (not by_meter)))
        heapq.heappush(free, (now_s + seconds, number, berths))
    return Forecast(tuple(_share(berth.board, part) for berth, part in parts.items()), ends_s, tuple(late))


def _share(board: Board, part: Sequence[tuple[bool, float, float, float]]) -> Share:
    known, seconds, metered_s, perhaps_s = (sum(one[at] for one in part) for at in range(4))
    return Share(board, len(part), int(known), seconds, metered_s, perhaps_s)
