"""Whether a cell that was measured again agrees with what it was, within the noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from orchestrator import stats
from orchestrator.measurement import Measurement
from orchestrator.verdict import INVALID

AGREES, DIFFERS, UNDECIDED = "agrees", "differs", "cannot tell"
WITHIN = 0.10
"""Two results agree only where the interval of their difference ends within 10 %: "no difference was found" alone
would also be true of two measurements too coarse to show one."""
MORE = "a scenario with more processes may tell"


@dataclass(frozen=True, slots=True)
class Agreement:
    """``outcome`` is AGREES, DIFFERS or UNDECIDED, ``why`` the grounds in words.

    ``ratio`` is now over then, ``low`` to ``high`` its 95 % interval; None where nothing can be computed.
    """

    outcome: str
    why: str
    ratio: float | None = None
    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        return f"{self.outcome}: {self.why}"

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


def agreement(then: Measurement, now: Measurement) -> Agreement:
    """Compare the medians of the processes of two results of the same cell.

    One pair is a question of its own and no report, so its 95 % interval decides, not the level that ``compare`` keeps
    for a whole report: where nothing has changed, at most 5 of 100 say "differs"; of true changes by 10 % and more, at
    most 5 of 100 "agrees".
    """
    for one, what in ((then, "the stored result"), (now, "the new result")):
        if one.verdict.level == INVALID:
            return Agreement(UNDECIDED, f"{what} is invalid: {'; '.join(one.verdict.reasons)}")
    change = stats.compare(now.process_medians_ms, then.process_medians_ms)
    if change.low is None or change.high is None:
        counts = f"{len(then.process_medians_ms)} and {len(now.process_medians_ms)}"
        return Agreement(UNDECIDED, f"too few processes ({counts}) to know how far they differ", change.ratio)
    words = f"{percent(change.ratio)} (95 % interval {percent(change.low)} to {percent(change.high)})"
    known = (change.ratio, change.low, change.high)
    changed = change.low > 1 or change.high < 1
    if changed and max(change.ratio, 1 / change.ratio) >= 1 + stats.MINIMUM_EFFECT:
        return Agreement(DIFFERS, words, *known)
    if change.outcome == stats.SAME:
        return Agreement(AGREES, words, *known)
    if changed:
        least = f"{100 * stats.MINIMUM_EFFECT:.0f} %"
        return Agreement(UNDECIDED, f"{words} is a change, perhaps by less than the {least} that count; {MORE}", *known)
    if change.high > 1 + WITHIN or change.low < 1 - WITHIN:
        limit = f"a difference of {100 * WITHIN:.0f} %"
        return Agreement(UNDECIDED, f"{words} does not rule out {limit}; {MORE}", *known)
    return Agreement(AGREES, words, *known)


def percent(ratio: float) -> str:
    """A ratio as a change: ``+1.2 %``."""
    return f"{100 * (ratio - 1):+.1f} %"
