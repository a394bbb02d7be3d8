"""What a night came to: all that the morning report shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from orchestrator.regression.decision import OPEN, REGRESSION, SYSTEM_CHANGED, UNCONFIRMED, Decision, Point
from orchestrator.result import DONE, SKIPPED, Result, Sweep


@dataclass(frozen=True, slots=True)
class BoardNight:
    """One board in one night. ``events`` are words: what happened to it, in order, each with its time."""

    board: str
    device: str
    health: str  # good, bad, maintenance or unknown, at the end
    reason: str = ""  # why it is not good
    since_s: float | None = None  # how long it has been so
    done: int = 0  # cells that came to a result on it
    failed: int = 0  # by themselves
    infrastructure: int = 0  # that failed, or were tried once more, for the link, the board or its supervisor
    events: tuple[str, ...] = ()
    nights: tuple[float | None, ...] = ()  # share of its cells that came to a result, of the last nights, this one last

    @property
    def needs_a_hand(self) -> bool:
        """Whether somebody has to look at it; one in maintenance has somebody already."""
        return self.health == "bad" or bool(self.reason and self.health != "maintenance")


@dataclass(frozen=True, slots=True)
class Night:
    """One unattended sweep, at its end. ``trends``: of each cell id and metric, the nights up to this one.

    ``notes`` are words about the night as a whole: swapped boards, a budget that was spent, what could not be gathered.
    """

    sweep: Sweep
    results: tuple[Result, ...]
    decisions: tuple[Decision, ...] = ()
    boards: tuple[BoardNight, ...] = ()
    trends: Mapping[tuple[str, str], tuple[Point, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    status: int = 0  # the exit status

    @property
    def new(self) -> tuple[Decision, ...]:
        """Alarms of this night."""
        return tuple(one for one in self.decisions if one.outcome in (REGRESSION, SYSTEM_CHANGED))

    @property
    def open(self) -> tuple[Decision, ...]:
        """Alarms of earlier nights that nobody has accepted and that are not gone."""
        return tuple(one for one in self.decisions if one.outcome == OPEN)

    @property
    def unsure(self) -> tuple[Decision, ...]:
        """What looks worse and could not be run again."""
        return tuple(one for one in self.decisions if one.outcome == UNCONFIRMED)

    @property
    def missing(self) -> tuple[Result, ...]:
        """Runnable cells without a result: failed, interrupted, or not run for want of time."""
        return tuple(result for result in self.results if result.status not in (DONE, SKIPPED))

    @property
    def completion(self) -> float | None:
        """Share of the runnable cells that have a result; None where there was none to run."""
        runnable = [result for result in self.results if result.status != SKIPPED]
        return sum(result.status == DONE for result in runnable) / len(runnable) if runnable else None
