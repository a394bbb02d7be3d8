"""Time stamps of the wall clock on the monotonic one, and whether somebody set the wall clock meanwhile."""

from __future__ import annotations

from orchestrator.meters.seam import Clocks

LARGEST_STEP_S = 0.050
"""As far as the clocks of a meter and a board may be apart in any case."""
_LOOKS = 5


class WallClock:
    """The mapping as it was at the start. Both clocks are slewed alike, so that they part by steps alone."""

    def __init__(self, clocks: Clocks) -> None:
        self._clocks = clocks
        self._ahead_s = self._look()
        self._furthest_s = 0.0

    def monotonic(self, unix_s: float) -> float:
        """Where on the monotonic clock that time stamp lies."""
        return unix_s - self._ahead_s

    def check(self) -> float:
        """How far the wall clock has been set since the start, in either direction, at the most."""
        moved_s = self._look() - self._ahead_s
        if abs(moved_s) > abs(self._furthest_s):
            self._furthest_s = moved_s
        return self._furthest_s

    def _look(self) -> float:
        """The wall clock minus the monotonic one: of some looks the quickest, which nothing came between."""
        looks = []
        for _ in range(_LOOKS):
            before = self._clocks.monotonic()
            wall = self._clocks.wall()
            after = self._clocks.monotonic()
            looks.append((after - before, wall - (before + after) / 2))
        return min(looks)[1]
