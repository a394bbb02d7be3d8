"""What happened to all boards of a root: ``<root>/lab/health.jsonl``, to which lines are only ever added.

Every controller with this root reads and writes it; the health of a board follows from its lines, and can be had again
from them for any time.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path

from filelock import FileLock

from orchestrator import lines
from orchestrator.health.events import CHECKED, CLEARED, FAILED, RECOVERY, SET_ASIDE, WORKED, Event, Health, after_all
from orchestrator.health.events import recoveries as counted

log = logging.getLogger(__name__)

FILE = Path("lab", "health.jsonl")
LONGEST = 500
"""Characters of a reason."""


class Book:
    """Written by several threads and processes."""

    def __init__(self, root: Path) -> None:
        self.path = root / FILE
        self._unwritten: list[Event] = []  # what a full disk did not take counts all the same, in this process

    def events(self, board: str | None = None) -> list[Event]:
        """Of one board, or of all, the oldest first; lines that cannot be read are left out, with a word in the log."""
        found = [*lines.parsed(self.path, Event.from_json), *self._unwritten]
        return [one for one in found if board is None or one.board == board]

    def of(self, board: str) -> Health:
        """How the board of this name is now."""
        return after_all(self.events(board))

    def boards(self) -> list[str]:
        """All that something is known of."""
        return sorted({one.board for one in self.events()})

    def worked(self, board: str, by: str) -> Health:
        """A turn ended well. Written only where there was a failure before."""
        health = self.of(board)
        return self._add(board, WORKED, "", by) if health.failures else health

    def failed(self, board: str, why: str, by: str) -> Health:
        """The link, the board or its supervisor was at fault."""
        return self._add(board, FAILED, why, by)

    def checked(self, board: str, passed: bool, why: str, by: str) -> Health:
        """A health check came to its end."""
        return self._add(board, CHECKED, why, by, passed)

    def set_aside(self, board: str, why: str, by: str) -> Health:
        """A person takes it out, until a person clears it."""
        return self._add(board, SET_ASIDE, why, by)

    def cleared(self, board: str, why: str, by: str) -> Health:
        """A person brings it back, whatever it was."""
        return self._add(board, CLEARED, why, by)

    def recovery(self, board: str, what: str, by: str, most: int) -> bool:
        """Something is about to be done to bring it back; from any number of controllers.

        False: it was done ``most`` times in the last hour already, or that it is done cannot be written down.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self.path.with_name(f".{self.path.name}.recovery")):
            if self.recoveries(board) >= most:
                return False
            before = len(self._unwritten)
            self._add(board, RECOVERY, what, by)
            return len(self._unwritten) == before

    def recoveries(self, board: str) -> int:
        """In the last hour."""
        return counted(self.events(board), time.time())

    def _add(self, board: str, kind: str, why: str, by: str, passed: bool | None = None) -> Health:
        event = Event(time.time(), board, kind, why[:LONGEST], passed, by)
        health = self.of(board).after(event)
        try:
            lines.add(self.path, event.to_json())
        except OSError as error:  # a full disk: the sweep goes by what it knows itself
            log.error("%s: not written: %s: %s", self.path, event, error)
            self._unwritten.append(event)
        return health
