"""How the session of a board is opened: after a health check where it needs one, with patience, and more than once."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.errors import BoardBusy, BoardError, Interrupted, OrchestratorError
from orchestrator.fleet.desk import Desk
from orchestrator.fleet.pool import GONE, Berth
from orchestrator.fleet.ward import Ward
from orchestrator.session import LINK_LOST, Session

log = logging.getLogger(__name__)

OPEN_ATTEMPTS = 3
"""Infrastructure is retried, a benchmark never."""
RETRY_S = 1.0
"""Doubled with every attempt, and up to half less by chance, so that a rack does not come back as one."""
SLICE_S = 5.0
"""How long a hold is waited for at a time, where another board of the machine has something to do meanwhile."""
PAUSE_S = 1.0
"""In which the other board is tried."""
GIVEN_S = 6 * 3600.0
"""How long a board is waited for that was left to somebody of higher priority: as long as a person may be at it."""
CONNECTING_S = 60.0
"""What comes before waiting, and does not count as that."""


def pause_s(attempts: int) -> float:
    """Before the next try."""
    return RETRY_S * 2.0**attempts * random.uniform(0.5, 1.0)


def waits_s(berth: Berth) -> float:
    """How long to wait for somebody else's hold in all."""
    allowed_s = berth.board.device.wait_for_hold_s
    return allowed_s if berth.given_at_s is None else max(allowed_s, GIVEN_S)


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Of the boards of one lane."""

    desk: Desk
    ward: Ward | None
    berths: Sequence[Berth]
    sessions: Mapping[Berth, Session]
    say: Callable[[Berth, str], None]

    def come(self, berth: Berth) -> bool | OrchestratorError:
        """True: its session is open. False: it is tried once more, later. An error: the board is of no use now."""
        refused = self._refused(berth)
        return refused if refused is not None else self._opened(berth)

    def _refused(self, berth: Berth) -> bool | OrchestratorError | None:
        """None: it may be opened."""
        try:
            return self.ward.admits(berth.board, berth.pool.runtime) if self.ward is not None else None
        except Interrupted:
            self.desk.closed(berth)
            return False

    def _opened(self, berth: Berth) -> bool | OrchestratorError:
        wait_s, began = self._patience_s(berth), time.monotonic()
        try:
            self.sessions[berth].open(lambda text: self.say(berth, text), wait_s)
        except LINK_LOST as error:
            return self._again(berth, error)
        except Interrupted:
            self.desk.closed(berth)  # the sweep ends, or its sisters had run everything before it came
            self.say(berth, "")
            return False
        except BoardBusy as error:
            berth.waited_s += max(wait_s, time.monotonic() - began - CONNECTING_S)  # more: for one of lower priority
            if berth.waited_s >= waits_s(berth):
                return error
            berth.trouble = str(error)
            self.desk.closed(berth, PAUSE_S)
            return False
        except OrchestratorError as error:
            return error
        berth.waited_s, berth.trouble = 0.0, ""
        self.desk.opened(berth)
        return True

    def _again(self, berth: Berth, error: BoardError) -> bool | OrchestratorError:
        """The link is at fault: some tries, each later than the one before."""
        berth.attempts += 1
        berth.trouble = str(error)
        log.warning("%s: attempt %d of %d: %s", berth.board.name, berth.attempts, OPEN_ATTEMPTS, error)
        if self.ward is not None:
            self.ward.failed(berth.board, error)
        if berth.attempts == OPEN_ATTEMPTS:
            return error
        self.desk.closed(berth, pause_s(berth.attempts))
        return False

    def _patience_s(self, berth: Berth) -> float:
        """How long to wait now for somebody else's hold."""
        left_s = waits_s(berth) - berth.waited_s
        others = any(b is not berth and b.state != GONE and (b.pool.waiting or b.rota.cells) for b in self.berths)
        return min(left_s, SLICE_S) if others else left_s
