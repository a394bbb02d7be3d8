"""What changed between two nights of a cell, in words."""

from __future__ import annotations

from orchestrator.regression.entry import Entry

SHORT = {"artifact": 12, "runtime environment": 12}
"""Digests are shown by their beginning."""


def changed_between(before: Entry, after: Entry) -> tuple[str, ...]:
    """``runtime version 2.1.0 -> 2.3.0``: covariates that both know and that differ, and the board."""
    found = []
    if before.board != after.board:
        found.append(f"board {before.board} -> {after.board}")
    elif before.serial != after.serial and before.serial and after.serial:
        found.append(f"another board under the name {after.board} (serial {before.serial} -> {after.serial})")
    for name in dict.fromkeys([*before.covariates, *after.covariates]):
        was, now = before.covariates.get(name), after.covariates.get(name)
        if was is not None and now is not None and was != now:
            length = SHORT.get(name)
            found.append(f"{name} {was[:length]} -> {now[:length]}")
    return tuple(found)


def words_of(entry: Entry) -> str:
    """Why a night has no valid value."""
    if entry.error:
        return entry.error
    if entry.reasons and not entry.counts:
        return "; ".join(entry.reasons)
    return f"it was {entry.status}"
