"""What a plan will come to, by the rules that the run follows: which board has how many cells, for how long."""

from __future__ import annotations

import heapq
from dataclasses import dataclass

from orchestrator.device import Board
from orchestrator.fleet.plan import Plan
from orchestrator.fleet.pool import AWAY, HERE, Berth, berths_of, by_preference


@dataclass(frozen=True, slots=True)
class Share:
    """One board's part; ``known`` of its cells have a history."""

    board: Board
    cells: int
    known: int
    seconds: float


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
    parts: dict[Berth, list[tuple[bool, float]]] = {berth: [] for berths in machines.values() for berth in berths}
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
        parts[able[0]].append((entry.estimate.runs > 0, seconds))
        heapq.heappush(free, (now_s + seconds, number, berths))
    shares = [
        Share(berth.board, len(part), sum(known for known, _ in part), sum(s for _, s in part))
        for berth, part in parts.items()
    ]
    return Forecast(tuple(shares), ends_s)
