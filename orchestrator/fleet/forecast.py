"""What a plan will come to, by the rules that the run follows: which board has how many cells, for how long."""

from __future__ import annotations

import heapq
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
    """The boards in the order of the matrix, and the seconds until the last one is done, builds not counted."""

    shares: tuple[Share, ...]
    seconds: float


def forecast(plan: Plan) -> Forecast:
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
    ends_s = 0.0
    while free:
        now_s, number, berths = heapq.heappop(free)
        able = by_preference(berths)
        if not able:
            ends_s = max(ends_s, now_s)
            continue
        for berth in berths:
            berth.state = HERE if berth is able[0] else AWAY
        entry = able[0].pool.take()
        seconds = plan.seconds(entry, able[0].board.name)
        more_s = adds_energy(entry)
        by_meter = metered(entry.cell.settings)
        parts[able[0]].append((entry.estimate.runs > 0, seconds, more_s * by_meter, more_s * (not by_meter)))
        heapq.heappush(free, (now_s + seconds, number, berths))
    return Forecast(tuple(_share(berth.board, part) for berth, part in parts.items()), ends_s)


def _share(board: Board, part: Sequence[tuple[bool, float, float, float]]) -> Share:
    known, seconds, metered_s, perhaps_s = (sum(one[at] for one in part) for at in range(4))
    return Share(board, len(part), int(known), seconds, metered_s, perhaps_s)
