"""One record of a cell from those of its turns on the board."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from orchestrator.session import Outcome


def merged(parts: Sequence[Outcome], full: int) -> Outcome:
    """The turns of a cell, in their order, as one outcome. Times are of one boot, so they go on from turn to turn.

    Energy, answers and profile are those of the turn with process ``full``, the last one of the scenario, which
    measured them; more processes may have come after it. An error is always in the last turn.
    """
    if len(parts) == 1:
        return parts[0]
    records = [part.record for part in parts]
    measuring = next((part for part in parts if any(p["number"] == full for p in part.record["processes"])), parts[-1])
    once = measuring.record
    record = {
        **records[-1],
        **{key: once[key] for key in ("energy", "quality", "quality_reason", "profile", "profile_reason")},
        "runtime": _runtime(records),
        "started_at": records[0]["started_at"],
        "processes": [process for r in records for process in r["processes"]],
        "state": _state([r["state"] for r in records]),
    }
    log = "".join(f"--- {part.record['run_id']}\n{part.log.rstrip()}\n" for part in parts)
    return Outcome(record, log, parts[-1].runtime, parts[-1].environment, measuring.meter)


def _runtime(records: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """The last turn's; an engine as the first one found it, which may have built it."""
    first, last = records[0]["runtime"], records[-1]["runtime"]
    return {**last, "engine": first["engine"]} if first and last else last


def _state(states: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """All samples; what any turn could not tell, with the first reason."""
    pinned, why = _pinned([state["pinned_mhz"] for state in states])
    missing = {key: reason for state in reversed(states) for key, reason in state["missing"].items()}
    return {
        **states[-1],
        "samples": [sample for state in states for sample in state["samples"]],
        "missing": missing if why is None else {**missing, "pinned_mhz": why},
        "pinned_mhz": pinned,
        "gates": [gate for state in states for gate in state["gates"]],
        "tuning": _tuning([state["tuning"] for state in states]),
    }


def _pinned(turns: Sequence[list[float | None] | None]) -> tuple[list[float | None] | None, str | None]:
    """Of each CPU the highest clock in MHz that a turn was to keep, and why there is none where some turns had one.

    A cap that comes between two turns is the clock that the later one finds pinned: beside the highest it is low.
    """
    known = [clocks for clocks in turns if clocks is not None]
    if not known:
        return None, None
    if len(known) < len(turns):
        return None, f"in {len(turns) - len(known)} of {len(turns)} turns no clock was pinned"
    if len({len(clocks) for clocks in known}) > 1:
        return None, "the number of CPUs changed between the turns"
    found = [_highest(of_one) for of_one in zip(*known, strict=True)]
    return (found, None) if any(found) else (None, "no CPU's clock was pinned in all turns")


def _highest(clocks: Sequence[float | None]) -> float | None:
    """None for a CPU that might change its clock in one of the turns: there it is not low by mistake."""
    known = [mhz for mhz in clocks if mhz is not None]
    return max(known) if len(known) == len(clocks) else None


def _tuning(turns: Sequence[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """The settings of the last turn; of one that was ever not as asked for, that outcome."""
    wrong = {one["setting"]: one for turn in turns for one in turn if one["reason"] is not None}
    return [wrong.get(one["setting"], one) for one in turns[-1]]
