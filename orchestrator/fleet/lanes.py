"""Who runs what when: machines in parallel, one cell at a time on each, no failure stopping another."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from orchestrator.errors import Interrupted
from orchestrator.fleet.boundary import Boundary, Progress
from orchestrator.fleet.builds import Builds
from orchestrator.fleet.desk import Desk
from orchestrator.fleet.finish import failed, not_run, skipped
from orchestrator.fleet.gather import Gathering
from orchestrator.fleet.lane import Crew, Lane
from orchestrator.fleet.order import build_order
from orchestrator.fleet.plan import Entry, Plan
from orchestrator.fleet.pool import berths_of, pools_of
from orchestrator.fleet.turns import Turns
from orchestrator.fleet.ward import Ward
from orchestrator.result import Result, Sweep
from orchestrator.session import Workshop
from orchestrator.words import duration

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Fleet:
    """Runs plans. ``journal`` is called once per result, from any thread, as soon as it is there.

    ``journal`` says whether the result is on the disk. ``resumed``: another process had begun this sweep.
    ``given_up`` gathers the boards that were not of use, each with the reason.
    """

    sweep: Sweep
    workshop: Workshop
    builds: Builds
    turns: Turns
    progress: Progress
    journal: Callable[[Result], bool]
    stop: threading.Event
    resumed: bool = False
    given_up: dict[str, str] = field(default_factory=dict)
    ends_s: float | None = None  # of the budget, on the clock of time.monotonic
    ward: Ward | None = None  # None: nobody keeps the health of boards

    def run(self, plan: Plan) -> None:
        """Every entry of the plan comes to exactly one result."""
        for entry in plan.entries:
            self._settle_without_board(entry)
        if self.resumed:
            Gathering(self.sweep, self.workshop, self.progress, self.stop).run(plan.runnable)
        machines = berths_of(plan.runnable)
        desk = Desk(machines, self.ends_s)
        boundary = Boundary(self.sweep, self.builds, self.turns, self.progress, self.stop, self.resumed)
        self.builds.start(
            build_order(pools_of(machines), self.builds.cached), lambda key: self._built(key, desk, boundary)
        )
        crew = Crew(
            self.workshop, self.builds, self.turns, self.progress, self.stop, desk, boundary, self.record,
            lambda: self.tell_late(desk), self.given_up, self.ward,
        )  # fmt: skip
        threads = [
            threading.Thread(target=Lane(crew, berths).work, name=f"lane-{machine}")
            for machine, berths in machines.items()
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():  # in short waits, so that the main thread hears signals
                if self.stop.is_set():
                    desk.stop()
                thread.join(0.2)
        self.tell_late(desk)

    def tell_late(self, desk: Desk) -> None:
        """The budget does not reach for these."""
        for entry in desk.late():
            need = duration(entry.estimate.seconds)
            words = f"the budget of {entry.cell.settings.budget} was spent: it takes about {need}"
            self.record(not_run(self.sweep, entry.cell, words))

    def record(self, result: Result) -> bool:
        """A cell has come to its result; whether that is on the disk."""
        written = self.journal(result)
        self.progress.done(result)
        return written

    def _settle_without_board(self, entry: Entry) -> None:
        """What the plan says already; people are told of it as a whole."""
        if entry.skipped is not None:
            self.journal(skipped(self.sweep, entry.cell, None, entry.skipped))
        elif entry.failed is not None:
            self.journal(failed(self.sweep, entry.cell, None, entry.failed, time.time()))

    def _built(self, key: str, desk: Desk, boundary: Boundary) -> None:
        """An artifact is there, or its cells have their result without a board; in the build's thread."""
        try:
            self.builds.get(key)
        except Interrupted:
            return  # the lanes end, and answer for what they leave
        except Exception as error:
            entries = desk.withdraw(key)
            if entries:  # else nobody waits for it any more
                log.error("build: %s", error, exc_info=error)
            for entry in entries:
                self.record(boundary.given_up(entry.cell, None, error))
        else:
            desk.built(key)
