"""One record of a cell from those of its turns on the board."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from orchestrator.session import Outcome


def merged(parts: Sequence[Outcome]) -> Outcome:
    """The turns of a cell, in their order, as one outcome. Times are of one boot, so they go on from turn to turn.

    What is measured once per cell (energy, profile, an error) is in the last one.
    """
    if len(parts) == 1:
        return parts[0]
    records = [part.record for part in parts]
    last = records[-1]
    record = {
        **last,
        "started_at": records[0]["started_at"],
        "processes": [process for r in records for process in r["processes"]],
        "state": _state([r["state"] for r in records]),
    }
    log = "".join(f"--- {part.record['run_id']}\n{part.log.rstrip()}\n" for part in parts)
    return Outcome(record, log, parts[-1].runtime, parts[-1].environment)


def _state(states: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """All samples; what any turn could not tell; the clock only where it was meant to be the same all the time."""
    pinned = {state["pinned_mhz"] for state in states}
    return {
        **states[-1],
        "samples": [sample for state in states for sample in state["samples"]],
        "missing": {key: reason for state in states for key, reason in state["missing"].items()},
        "pinned_mhz": pinned.pop() if len(pinned) == 1 else None,
        "gates": [gate for state in states for gate in state["gates"]],
    }
