"""Energy counters: joules since a beginning, over any number of wraps, and an end where a wrap may have been missed."""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable

_SLACK_S = 1.0  # a counter may catch up with what it has not said for so long


class CounterEnded(ValueError):
    """What has passed since the last read cannot be told; nothing read later adds up to anything."""


class Counter:
    """``read_j`` gives what the counter shows, in J; ``range_j`` where it begins anew, None where nobody knows that.
    ``most_w`` is the highest power that can be behind it: it says after how long a wrap could go unseen."""

    def __init__(self, read_j: Callable[[], float], range_j: Callable[[], float] | None, most_w: float) -> None:
        self._read_j = read_j
        self._range_j = range_j
        self._most_w = most_w
        self.restart()

    def restart(self) -> None:
        """The next read is 0 J."""
        self._last: tuple[float, float] | None = None  # CLOCK_MONOTONIC s, J
        self._total_j = 0.0

    def read(self) -> float:
        """J since the first read. Raises OSError, ValueError, or :class:`CounterEnded` for good."""
        now_s, now_j = time.monotonic(), self._read_j()
        range_j = self._range_j() if self._range_j else None
        if self._last is not None:
            self._total_j += self._passed(now_j - self._last[1], now_s - self._last[0], range_j)
        self._last = (now_s, now_j)
        return self._total_j

    def _passed(self, step_j: float, gap_s: float, range_j: float | None) -> float:
        if range_j is None and step_j < 0:
            raise CounterEnded("the counter went back by %.3f J, and nothing tells where it wraps" % -step_j)
        if range_j is not None and gap_s * self._most_w >= range_j:
            said = "it was not read for %.1f s, in which %.0f W would wrap its %.0f J unseen"
            raise CounterEnded(said % (gap_s, self._most_w, range_j))
        if step_j < 0:
            step_j += range_j or 0.0
        if step_j > self._most_w * max(gap_s, _SLACK_S) or step_j < 0:
            raise CounterEnded("the counter moved by %.0f J in %.2f s, which cannot be" % (step_j, gap_s))
        return step_j
