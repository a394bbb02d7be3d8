"""The cells of one device, shared out among its boards so that none is lost when a board gives up."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from orchestrator.fleet.plan import Entry


class Pool:
    """A queue with a memory of what is in hand: a board may still bring back what it took."""

    def __init__(self, boards: int) -> None:
        self._changed = threading.Condition()
        self._entries: deque[Entry] = deque()
        self._in_hand = 0
        self._boards = boards

    def add(self, entry: Entry) -> None:
        """Before any board takes."""
        self._entries.append(entry)

    def take(self, ready: Callable[[Entry], bool]) -> Entry | None:
        """The first entry whose artifact is there, else the first. Waits while a sister board has one in hand.

        None once nothing is left and nothing can come back. Every entry taken is ended by :meth:`settle` or
        :meth:`give_back`.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._entries or not self._in_hand)
            if not self._entries:
                return None
            chosen = next((entry for entry in self._entries if ready(entry)), self._entries[0])
            self._entries.remove(chosen)
            self._in_hand += 1
            return chosen

    def settle(self) -> None:
        """An entry has its result."""
        with self._changed:
            self._in_hand -= 1
            self._changed.notify_all()

    def give_back(self, entry: Entry) -> None:
        """A board could not even begin with it."""
        with self._changed:
            self._entries.appendleft(entry)
            self._in_hand -= 1
            self._changed.notify_all()

    def leave(self) -> list[Entry]:
        """A board is done or gives up. The last one takes with it what is left, and answers for it."""
        with self._changed:
            self._boards -= 1
            if self._boards > 0:
                return []
            rest = list(self._entries)
            self._entries.clear()
            self._changed.notify_all()
            return rest
