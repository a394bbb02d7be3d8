"""Keeps the controller's own machine quiet while a cell measures on it.

A model conversion beside a measurement doubles its latency (2.6 -> 5.5 ms, measured), and even logging a finished
cell shows. So work on the controller takes turns with measurements on it.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

PATIENCE_S = 30.0
"""Background work gets its turn between two cells once it has waited this long, so that a long sweep shows up in
the tracker while it runs; shorter ones are delivered at their end."""


class Turns:
    """One measurement at a time, or background work, never both."""

    def __init__(self, patience_s: float = PATIENCE_S) -> None:
        self._changed = threading.Condition()
        self._patience_s = patience_s
        self._occupied = 0  # lanes with cells of this machine
        self._measuring = False
        self._working = 0
        self._impatient = 0

    @contextlib.contextmanager
    def occupying(self) -> Iterator[None]:
        """Held by a lane as long as it has cells for this machine."""
        self._add(1)
        try:
            yield
        finally:
            self._add(-1)

    @contextlib.contextmanager
    def measuring(self) -> Iterator[None]:
        """Held around one measurement on this machine."""
        with self._changed:
            self._changed.wait_for(lambda: not self._measuring and not self._working and not self._impatient)
            self._measuring = True
        try:
            yield
        finally:
            with self._changed:
                self._measuring = False
                self._changed.notify_all()

    @contextlib.contextmanager
    def background(self) -> Iterator[None]:
        """Held around a piece of work that may wait."""
        with self._changed:
            if not self._changed.wait_for(lambda: not self._measuring and not self._occupied, self._patience_s):
                self._impatient += 1
                self._changed.wait_for(lambda: not self._measuring)
                self._impatient -= 1
            self._working += 1
        try:
            yield
        finally:
            with self._changed:
                self._working -= 1
                self._changed.notify_all()

    def _add(self, lanes: int) -> None:
        with self._changed:
            self._occupied += lanes
            self._changed.notify_all()
