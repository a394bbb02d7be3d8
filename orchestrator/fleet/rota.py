"""The cells that take turns on one board, one process at a time, and how far each has come."""

from __future__ import annotations

import logging
import random
from collections import deque
from dataclasses import dataclass, field

from orchestrator.errors import Interrupted, MeasurementError
from orchestrator.fleet.parts import PARTS, numbers, same_runtime
from orchestrator.fleet.plan import Entry
from orchestrator.measurement import per_process_ms
from orchestrator.session import Outcome

log = logging.getLogger(__name__)

LONGEST_JOB_S = 600.0
"""Of windows in one job, whose record has a size limit: an hour of calls of 1 ms takes half of it."""


@dataclass(eq=False, slots=True)
class Underway:
    """A cell that a board has begun: ``parts`` are the records of its processes so far."""

    entry: Entry
    turn: int = 1  # processes to run when it is next
    extra: int = 0  # processes beyond those of the scenario
    asked: bool = False  # for more processes, once
    parts: list[Outcome] = field(default_factory=list)
    started_s: float | None = None
    busy_s: float = 0.0
    from_before: bool = False  # its first parts were measured by a process that is gone
    retries: int = 0  # turns that were repeated because the link, the board or its supervisor went
    taken_up: int = 0  # of those, after how many it was looked what came of the turn all the same
    troubles: list[str] = field(default_factory=list)  # why, each

    @property
    def wanted(self) -> int:
        """Processes of the whole cell."""
        return self.entry.cell.settings.scenario.processes + self.extra

    @property
    def done(self) -> int:
        return sum(len(part.record["processes"]) for part in self.parts)

    @property
    def ran_s(self) -> float:
        """What its jobs took, by the board's clock; uploads and lost links are not the cell's time."""
        return float(sum(part.record["finished_at"] - part.record["started_at"] for part in self.parts))

    @property
    def complete(self) -> bool:
        """All its processes have run; whether more are wanted is another question."""
        return self.done >= self.wanted

    @property
    def left_s(self) -> float:
        """What its other processes will take, going by the estimate for the whole cell."""
        return self.entry.estimate.seconds * max(0.0, 1.0 - self.done / self.wanted)

    @property
    def now(self) -> str:
        """Which of its processes run in this turn, in words; nothing where it is all of them."""
        if self.turn >= self.wanted:
            return ""
        first, last = self.done + 1, self.done + self.turn
        return f"{f'process {first}' if first == last else f'processes {first} to {last}'} of {self.wanted}"

    @property
    def compared_ms(self) -> tuple[float, ...]:
        """One value per process so far, as the report will compare them; none where durations cannot be."""
        processes = [process for part in self.parts for process in part.record["processes"]]
        try:
            values = per_process_ms(processes, self.entry.cell.settings.scenario.mode)
        except (ValueError, ZeroDivisionError):
            return ()
        return values if min(values, default=0.0) > 0 else ()

    def interrupted(self) -> Interrupted:
        """Why it has no result though some of it was measured."""
        where = f"their records are in {self.entry.cell.directory}/{PARTS}"
        return Interrupted(f"interrupted after {self.done} of {self.wanted} processes; {where}")

    def add(self, part: Outcome) -> None:
        """Take the record of one more turn.

        After a reboot of the board the cell begins again: its clocks and counters do too, and what was measured under
        another boot is another condition.

        Raises MeasurementError where the runtime is not the one of the earlier turns.
        """
        first = self.parts[0].record if self.parts else part.record
        fails = part.record.get("error") is not None
        if not fails and part.record.get("boot_id") != first.get("boot_id"):
            self.parts.clear()
        elif not fails and self.from_before and not same_runtime(part.record, first):
            self.parts.clear()  # somebody has installed another one since: the cell begins again
            self.from_before = False
        elif not fails and numbers(part)[:1] not in ([], [self.done + 1]):
            log.warning("%s: processes %s come out of turn", self.entry.cell.id, numbers(part))
        elif not fails and not same_runtime(part.record, first):
            raise MeasurementError(
                "the runtime on the board changed between two processes of the cell",
                hint="let nobody install packages on it while it measures",
            )
        else:
            self.parts.append(part)


class Rota:
    """Rounds, in each of which every cell has one turn, in an order drawn anew.

    A drift of the board, or a neighbour's work for some minutes, so hits all cells alike instead of whichever was
    measured just then (random interleaving, as google/benchmark has it). Who comes later joins the next round.
    """

    def __init__(self, seed: str = "") -> None:
        self._chance = random.Random(seed)  # a text is hashed the same on every machine
        self._round: deque[Underway] = deque()
        self._last: Underway | None = None
        self.cells: list[Underway] = []

    @property
    def between_rounds(self) -> bool:
        return not self._round

    @property
    def running(self) -> list[Underway]:
        """The cells that have processes to run."""
        return [one for one in self.cells if not one.complete]

    def add(self, entry: Entry) -> None:
        """One more cell, from the next round on."""
        self.cells.append(Underway(entry))

    def next(self, to_the_end: bool) -> Underway:
        """Whose turn it is. A cell that is alone, ``to_the_end``, runs all its processes in one."""
        if not self._round:
            running = self.running
            order = self._chance.sample(running, len(running))
            if len(order) > 1 and order[0] is self._last:
                order.append(order.pop(0))  # never twice in a row
            self._round.extend(order)
        self._last = one = self._round.popleft()
        left = max(1, one.wanted - one.done)
        short = left * one.entry.cell.settings.scenario.window_s <= LONGEST_JOB_S
        one.turn = left if to_the_end and short and len(self.running) == 1 else 1
        return one

    def remove(self, one: Underway) -> None:
        """It has its result."""
        self.cells.remove(one)
        if one in self._round:
            self._round.remove(one)

    def clear(self) -> list[Entry]:
        """Give all cells back; what was measured of them stays in their folders."""
        entries = [one.entry for one in self.cells]
        self.cells, self._round = [], deque()
        return entries
