"""One record of a cell from those of its turns on the board."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from orchestrator.session import Outcome


def merged(parts: Sequence[Outcome], full: int) -> Outcome:
    """The turns of a cell, in their order, as one outcome. Times are of one boot, so they go on from turn to turn.

    Energy and profile are those of the turn with process ``full``, the last one of the scenario, which measured them;
    more processes may have come after it. An error is always in the last turn.
    """
    if len(parts) == 1:
        return parts[0]
    records = [part.record for part in parts]
    once = next((r for r in records if any(p["number"] == full for p in r["processes"])), records[-1])
    record = {
        **records[-1],
        **{key: once[key] for key in ("energy", "profile", "profile_reason")},
        "started_at": records[0]["started_at"],
        "processes": [process for r in records for process in r["processes"]],
        "state": _state([r["state"] for r in records]),
    }
    log = "".join(f"--- {part.record['run_id']}\n{part.log.rstrip()}\n" for part in parts)
    return Outcome(record, log, parts[-1].runtime, parts[-1].environment)


def _state(states: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """All samples; what any turn could not tell; the clock only where it was meant to be the same all the time."""
    pinned = states[0]["pinned_mhz"]
    return {
        **states[-1],
        "samples": [sample for state in states for sample in state["samples"]],
        "missing": {key: reason for state in states for key, reason in state["missing"].items()},
        "pinned_mhz": pinned if all(state["pinned_mhz"] == pinned for state in states) else None,
        "gates": [gate for state in states for gate in state["gates"]],
        "tuning": _tuning([state["tuning"] for state in states]),
    }


def _tuning(turns: Sequence[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """The settings of the last turn; of one that was ever not as asked for, that outcome."""
    wrong = {one["setting"]: one for turn in turns for one in turn if one["reason"] is not None}
    return [wrong.get(one["setting"], one) for one in turns[-1]]
