"""Boards, and the cells they share: the data that runs and forecasts are made of. No locks, no clocks."""

from __future__ import annotations

import bisect
import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from orchestrator.cell import Runtime
from orchestrator.device import Board
from orchestrator.fleet.kin import kin_of
from orchestrator.fleet.plan import Entry
from orchestrator.fleet.rota import Rota

HOME_S = 120.0
"""How long the cells that have their history on a board wait for it to come; a health check is part of that."""
AWAY, COMING, HERE, BUSY, GONE = "away", "coming", "here", "busy", "gone"


def _any(_: Entry) -> bool:
    return True


class Pool:
    """The waiting cells of one device: those that ``first`` names, the longest, then the order of the matrix.

    Nobody takes a cell before it can be run, so none is brought back but by a board that is given up.
    """

    def __init__(self) -> None:
        self.berths: list[Berth] = []
        self._built: list[Entry] = []  # in the order in which they are taken
        self._unbuilt: dict[str, list[Entry]] = {}
        self.waiting = 0
        self.interleave = 1
        self.runtime: Runtime | None = None  # of its first cell: with which its boards are checked

    def add(self, entry: Entry) -> None:
        """A cell whose artifact is not there yet."""
        self.interleave = entry.cell.settings.interleave  # one for the whole sweep
        self.runtime = self.runtime or entry.cell.settings.runtime
        self._unbuilt.setdefault(entry.key, []).append(entry)
        self.waiting += 1

    def built(self, key: str) -> None:
        """An artifact is there: its cells may be taken."""
        for entry in self._unbuilt.pop(key, []):
            bisect.insort(self._built, entry, key=rank)

    def withdraw(self, key: str) -> list[Entry]:
        """The cells of an artifact that will never be there."""
        entries = self._unbuilt.pop(key, [])
        self.waiting -= len(entries)
        return entries

    @property
    def unbuilt(self) -> list[Entry]:
        """The cells that wait for their artifact."""
        return [entry for entries in self._unbuilt.values() for entry in entries]

    @property
    def unfinished(self) -> bool:
        """Whether a cell waits, or a board has begun one."""
        return self.waiting > 0 or any(berth.rota.cells for berth in self.berths if berth.state != GONE)

    @property
    def longest_s(self) -> float | None:
        """Of the cells that may be taken; None where there is none."""
        return self._built[0].estimate.seconds if self._built else None

    def has_for(self, berth: Berth, now: float) -> bool:
        """Whether a board may take a cell now."""
        return any(not self.is_kept(entry, berth, now) for entry in self._built)

    def is_kept(self, entry: Entry, berth: Berth, now: float) -> bool:
        """Whether a cell is left to the board that has its history: that is at work, or about to come, and has no more
        such cells than its fair part.
        """
        home = next((one for one in self.berths if one.board.name == entry.home), None)
        if home is None or home is berth:
            return False
        if home.state not in (HERE, BUSY) and not (home.state == COMING and now < home.since + HOME_S):
            return False
        boards = [one for one in self.berths if one.state != GONE]
        cells = self.waiting + sum(len(one.rota.cells) for one in boards)
        own = len(home.rota.cells) + sum(one.home == entry.home for one in self.entries())
        return own <= -(-cells // len(boards)) + 1

    def take(
        self, beside: Collection[Entry] = (), board: str | None = None, fits: Callable[[Entry], bool] = _any
    ) -> Entry | None:
        """The next cell for a board, of those that ``fits`` admits; None where there is none.

        Of those that come first, one whose history is on this board before one whose history is elsewhere; then one
        that is compared with what the board has ``beside``, since such cells are measured on one board, at one time.
        """
        kin = {kin_of(entry) for entry in beside}
        able = [(i, entry) for i, entry in enumerate(self._built) if fits(entry)]
        if not able:
            return None
        self.waiting -= 1
        at = min(able, key=lambda one: (one[1].cell.place, one[1].home not in (None, board), _unlike(one[1], kin)))[0]
        return self._built.pop(at)

    def late(self, left_s: float) -> list[Entry]:
        """Take out the cells that would not end within so many seconds, even if they began now."""
        late = [entry for entry in [*self._built, *self.unbuilt] if entry.estimate.seconds > left_s]
        gone = {id(entry) for entry in late}
        self._built = [entry for entry in self._built if id(entry) not in gone]
        for key in list(self._unbuilt):
            if not (kept := [entry for entry in self._unbuilt[key] if id(entry) not in gone]):
                del self._unbuilt[key]
            else:
                self._unbuilt[key] = kept
        self.waiting -= len(late)
        return late

    def give_back(self, berth: Berth) -> None:
        """A board is out of use for a while: what it has begun goes to whoever takes it first."""
        for entry in berth.rota.clear():
            bisect.insort(self._built, entry, key=rank)
            self.waiting += 1

    @property
    def share(self) -> int:
        """How many cells one board may have at once: as many as take turns, but no more than a fair part."""
        boards = [berth for berth in self.berths if berth.state != GONE]
        cells = self.waiting + sum(len(berth.rota.cells) for berth in boards)
        return max(1, min(self.interleave, -(-cells // max(1, len(boards)))))

    def entries(self) -> list[Entry]:
        """All that wait, in the order in which they would be taken if everything were built."""
        return sorted([*self._built, *self.unbuilt], key=rank)

    def leave(self, berth: Berth) -> list[Entry]:
        """A board is done or gives up, and brings its cells back.

        The last one takes with it what is left, and answers for it.
        """
        berth.state = GONE
        self.give_back(berth)
        if any(sister.state != GONE for sister in self.berths):
            return []
        rest = self.entries()
        self._built, self._unbuilt, self.waiting = [], {}, 0
        return rest


@dataclass(eq=False, slots=True)
class Berth:
    """One board's place: in a lane, with the other boards of its machine, and in a pool."""

    board: Board
    pool: Pool
    state: str = AWAY
    since: float = 0.0  # when it began to come
    not_before: float = 0.0  # when to try again to open it
    attempts: int = 0  # that failed, in a row
    waited_s: float = 0.0  # for somebody else's hold
    given_at_s: float | None = None  # when it was left to somebody of higher priority; None: it was not
    trouble: str = ""  # why the last one failed
    rota: Rota = field(default_factory=Rota)  # the cells that it has begun
    stop: threading.Event = field(default_factory=threading.Event)  # its session is not wanted any more


def rank(entry: Entry) -> tuple[int, float, int]:
    """What ``first`` names, the longest, then the order of the matrix."""
    return entry.cell.place, -entry.estimate.seconds, entry.cell.number


def _unlike(entry: Entry, kin: Collection[tuple[str, ...]]) -> bool:
    return bool(kin) and kin_of(entry) not in kin


def berths_of(entries: Sequence[Entry]) -> dict[str, list[Berth]]:
    """The boards by physical machine, each with the pool of its device that holds the entries."""
    pools: dict[str, Pool] = {}
    machines: dict[str, list[Berth]] = {}
    for entry in entries:
        device = entry.cell.settings.device
        key = repr(device)
        if key not in pools:
            pools[key] = Pool()
            for board in device.boards:
                berth = Berth(board, pools[key], rota=Rota(f"{entry.cell.settings.seed}/{board.name}"))
                pools[key].berths.append(berth)
                machines.setdefault(board.machine, []).append(berth)
        pools[key].add(entry)
    return machines


def pools_of(machines: dict[str, list[Berth]]) -> list[Pool]:
    """Each pool once, in the order of the matrix."""
    return list({id(berth.pool): berth.pool for berths in machines.values() for berth in berths}.values())


def by_preference(berths: Sequence[Berth]) -> list[Berth]:
    """Of one machine, those with a cell that may be taken.

    The board whose session is open first, since opening another one costs seconds; then the longest cell.
    """
    able = [b for b in berths if b.state != GONE and (b.rota.cells or b.pool.longest_s is not None)]
    return sorted(able, key=lambda berth: (berth.state != HERE, -(berth.pool.longest_s or 0.0)))
