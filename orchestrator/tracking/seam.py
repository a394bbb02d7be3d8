"""The seam to a tracking system."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from orchestrator.errors import TrackingError
from orchestrator.result import Result, Sweep


class TrackerAway(TrackingError):
    """Nobody answers there at all: trying the next result at once would only cost another timeout."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """Proof of delivery: which store took it, under which id (None: the tracker has none for it)."""

    uri: str
    run_id: str | None


class Tracker(Protocol):
    """Called from one thread only. Everything is idempotent, so that an interrupted delivery can be repeated.

    Construction does no I/O. All methods raise TrackingError (TrackerAway where nobody answers).
    """

    @property
    def where(self) -> str:
        """The store as people may see it, without credentials."""

    def open_sweep(self, sweep: Sweep) -> None:
        """Make the sweep known; ``deliver`` needs it."""

    def deliver(self, result: Result) -> Receipt:
        """Store one result with the files in its directory."""

    def close_sweep(self, sweep: Sweep) -> Receipt:
        """Set the final status, attach the reports that lie in the sweep's directory, and add to the history runs."""

    def forget(self, sweep: Sweep) -> None:
        """Delete a sweep and its results, as far as the store deletes anything."""
