"""Whether the energy of a cell that was measured again agrees with what it was."""

from __future__ import annotations

from orchestrator.agreement import AGREES, DIFFERS, UNDECIDED, WITHIN, Agreement, percent
from orchestrator.energy_ratio import ENERGY, energy_ratio
from orchestrator.result import Result
from orchestrator.verdict import INVALID


def energy_agreement(then: Result, now: Result) -> Agreement | None:
    """By the rule of the comparison: one scope, kind and reader, and what both may err, in quadrature.

    It stands beside the agreement of the latency and decides nothing. None where neither measured energy.
    """
    old, new = then.measurement, now.measurement
    if old is None or new is None or (ENERGY not in old.metrics and ENERGY not in new.metrics):
        return None
    for one, what in ((old, "the stored result"), (new, "the new result")):
        if ENERGY not in one.metrics:
            why = one.missing.get(ENERGY)
            return Agreement(UNDECIDED, f"{what} has none{f': {why}' if why else ''}")
        if one.verdict.level == INVALID:
            return Agreement(UNDECIDED, f"{what} is invalid")
    found = energy_ratio(new, old, same_board=then.board == now.board)
    if isinstance(found, str):
        return Agreement(UNDECIDED, f"not comparable: {found}")
    interval = f"{percent(found.value)} (about 95 %: {percent(found.low)} to {percent(found.high)})"
    words = "; ".join(filter(None, (interval, found.note)))
    known = (found.value, found.low, found.high)
    if found.differs:
        return Agreement(DIFFERS, words, *known)
    if found.high > 1 + WITHIN or found.low < 1 - WITHIN:
        return Agreement(UNDECIDED, f"{words}; a difference of {100 * WITHIN:.0f} % is not ruled out", *known)
    return Agreement(AGREES, words, *known)
