"""Hands cells to lanes: no board idles while a cell of its pool could run on it. One lock, no polling."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial

from orchestrator.fleet.more import through, undecided
from orchestrator.fleet.plan import Entry
from orchestrator.fleet.pool import AWAY, BUSY, COMING, GONE, HERE, HOME_S, Berth, Pool, by_preference
from orchestrator.fleet.rota import Underway

OPENING_S = 5.0
"""A board that comes within this time is counted on. After it (no answer, somebody else's hold) a sister comes too."""

Move = tuple[Berth, Underway | None]
"""Give this cell its turn on this open board; without a cell: open this board."""


class Desk:
    """The pools of a run and who works on them. A board takes a cell only once its session is open.

    So a cell never waits for a board that does not come, and lanes of other machines can go on with it.
    """

    def __init__(self, machines: dict[str, list[Berth]], ends_s: float | None = None) -> None:
        """``ends_s``: no cell is begun that would not end by then, on the clock of time.monotonic; None: whenever."""
        self._ends_s = ends_s
        self._late: list[Entry] = []
        self._changed = threading.Condition()
        self._berths = [berth for berths in machines.values() for berth in berths]
        self._stopped = False

    def next(self, lane: Sequence[Berth], idle: Callable[[], None] = lambda: None) -> Move | None:
        """What the lane of these boards does next; waits for it, after a call of ``idle``.

        None: nothing is left that could come to them, or the sweep ends.
        """
        with self._changed:
            move = self._move(lane, time.monotonic())
            over = self._over(lane)
        if move is not None or over:
            return move
        idle()
        with self._changed:
            while (move := self._move(lane, now := time.monotonic())) is None and not self._over(lane):
                self._changed.wait(self._until(lane, now))
            return move

    def late(self) -> list[Entry]:
        """Cells that nobody will begin any more, each once; whoever asks answers for them."""
        with self._changed:
            late, self._late = self._late, []
            return late

    def opened(self, berth: Berth) -> None:
        """Its session is open."""
        self._turn(berth, HERE)
        berth.attempts = 0

    def closed(self, berth: Berth, wait_s: float = 0.0) -> None:
        """Its session is not open, or of no use any more; it may be opened again after ``wait_s``."""
        berth.not_before = time.monotonic() + wait_s
        self._turn(berth, AWAY)

    def settle(self, berth: Berth) -> None:
        """The turn is over, and its session still open."""
        self._turn(berth, HERE)

    def through(self, berth: Berth, every: bool = False) -> list[Underway]:
        """The cells of a board that are done with; ``every``: all that could be, since it runs nothing more now."""
        with self._changed:
            cells = berth.rota.cells
            return [one for one in cells if one.complete] if every or self._stopped else through(cells)

    def undecided(self, berth: Berth) -> list[Underway]:
        """The cells of a board that get more processes now; none where there is no time for that."""
        with self._changed:
            if self._left_s(berth, time.monotonic()) <= 0:
                for one in berth.rota.cells:  # so that nobody waits for the answer
                    one.asked = True
            return [] if self._stopped else undecided(berth.rota.cells)

    def finish(self, berth: Berth, one: Underway) -> None:
        """A cell has its result, whatever it is."""
        with self._changed:
            berth.rota.remove(one)
            self._changed.notify_all()

    def give_back(self, berth: Berth) -> None:
        """A board is out of use for a while; what it has begun goes to others, or waits for it."""
        with self._changed:
            berth.pool.give_back(berth)
            if berth.state != GONE:
                berth.state = AWAY
            self._changed.notify_all()

    def leave(self, berth: Berth) -> list[Entry]:
        """A board is done or gives up; the last one of a pool gets what is left, and answers for it."""
        with self._changed:
            left = berth.pool.leave(berth) if berth.state != GONE else []
            self._changed.notify_all()
            return left

    def built(self, key: str) -> None:
        """An artifact is there."""
        with self._changed:
            for berth in self._berths:
                berth.pool.built(key)
            self._changed.notify_all()

    def withdraw(self, key: str) -> list[Entry]:
        """The waiting cells of an artifact that could not be built; whoever asks answers for them."""
        with self._changed:
            entries = [entry for berth in self._berths for entry in berth.pool.withdraw(key)]
            for berth in self._berths:
                self._spare(berth.pool)
            self._changed.notify_all()
            return entries

    def unbuilt(self, berth: Berth | None = None) -> dict[str, Entry]:
        """Artifacts that cells wait for, each with one of those; of one board's pool, or of all."""
        with self._changed:
            pools = [b.pool for b in ([berth] if berth else self._berths)]
            return {entry.key: entry for pool in pools for entry in pool.unbuilt}

    def rests(self, berth: Berth) -> bool:
        """Nothing waits that an open board could run: only a sister's trouble would bring it work again."""
        with self._changed:
            return not berth.pool.waiting and not berth.rota.cells

    def stop(self) -> None:
        """Nobody gets another cell, and open sessions come to their end."""
        with self._changed:
            self._stopped = True
            for berth in self._berths:
                berth.stop.set()
            self._changed.notify_all()

    def _turn(self, berth: Berth, state: str) -> None:
        with self._changed:
            if berth.state != GONE:
                berth.state = state
            self._changed.notify_all()

    def _over(self, lane: Sequence[Berth]) -> bool:
        """Nothing is left that could come to the lane: not even what a sister has begun, and would bring back."""
        return self._stopped or not any(b.pool.unfinished for b in lane if b.state != GONE)

    def _move(self, lane: Sequence[Berth], now: float) -> Move | None:
        if self._stopped:
            return None
        self._expire(lane, now)
        able = [berth for berth in by_preference(lane) if berth.rota.cells or berth.pool.has_for(berth, now)]
        if able and able[0].state == HERE:
            return self._take(able[0], now)
        # Without anything to run, a board is opened ahead of its first artifact; but no session is closed for that.
        early = [] if any(berth.state == HERE for berth in lane) else [berth for berth in lane if berth.state == AWAY]
        for berth in [*able, *early]:
            if now >= berth.not_before and (berth.rota.cells or berth.pool.waiting > counted_on(berth.pool, now)):
                berth.state, berth.since = COMING, now
                berth.stop.clear()  # it may have been spared before a sister brought cells back
                self._changed.notify_all()  # who waits may have to look again when this one does not come
                return berth, None
        return None

    def _expire(self, lane: Sequence[Berth], now: float) -> None:
        """Take out what would not end in time, whoever took it now."""
        if self._ends_s is None:
            return
        for pool in {id(berth.pool): berth.pool for berth in lane}.values():
            if late := pool.late(self._ends_s - now):
                self._late += late
                self._spare(pool)
                self._changed.notify_all()

    def _may(self, berth: Berth, now: float, left_s: float, entry: Entry) -> bool:
        """Whether a board takes a cell: there is time, and it is not another one's."""
        return entry.estimate.seconds <= left_s and not berth.pool.is_kept(entry, berth, now)

    def _left_s(self, berth: Berth, now: float) -> float:
        """What there is for one more cell on a board, beside those that it has begun."""
        if self._ends_s is None:
            return math.inf
        return self._ends_s - now - sum(one.left_s for one in berth.rota.cells)

    def _take(self, berth: Berth, now: float) -> Move:
        pool, rota = berth.pool, berth.rota
        if rota.between_rounds:
            while pool.longest_s is not None and len(rota.cells) < pool.share:
                left_s = self._left_s(berth, now) if rota.cells else math.inf  # else what is late is out already
                beside = [one.entry for one in rota.cells]
                entry = pool.take(beside, berth.board.name, partial(self._may, berth, now, left_s))
                if entry is None:
                    break
                rota.add(entry)
        one = rota.next(to_the_end=pool.share == 1 or not pool.waiting)
        berth.state = BUSY
        self._spare(pool)
        self._changed.notify_all()  # it may have been the last one
        return berth, one

    def _spare(self, pool: Pool) -> None:
        """Boards that still come to a pool without cells need not: one may wait for somebody else's hold for hours."""
        if not pool.waiting:
            for berth in pool.berths:
                if berth.state == COMING and not berth.rota.cells:
                    berth.stop.set()

    def _until(self, lane: Sequence[Berth], now: float) -> float | None:
        """Seconds until a lane may do something though nothing has changed.

        ``now`` is what :meth:`_move` found nothing at: with a later one, a time between the two would be missed.
        """
        times = [berth.not_before for berth in lane if berth.state == AWAY]
        if self._ends_s is not None:
            times += [self._ends_s - e.estimate.seconds + 0.01 for b in lane for e in b.pool.entries()]
        times += [s.since + HOME_S for b in lane for s in b.pool.berths if s.state == COMING]
        times += [s.since + OPENING_S for b in lane if b.state == AWAY for s in b.pool.berths if s.state == COMING]
        return min((at - now for at in times if at > now), default=None)


def counted_on(pool: Pool, now: float) -> int:
    """Boards that will take a cell of the pool as soon as they can: more need not be opened for as many cells."""
    return sum(b.state == HERE or (b.state == COMING and now < b.since + OPENING_S) for b in pool.berths)
