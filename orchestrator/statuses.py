"""The exit statuses of all commands."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.result import DONE, SKIPPED, Result

OK, REFUSED, INCOMPLETE, DIFFERENT, INTERRUPTED = 0, 1, 2, 3, 130
"""DIFFERENT: a gate fired, a cell does not reproduce, a decision is another one now."""


def exit_status(results: Sequence[Result], interrupted: bool) -> int:
    """0: every runnable cell has a result; 2: some have none; 130: interrupted."""
    if interrupted:
        return INTERRUPTED
    return OK if all(result.status in (DONE, SKIPPED) for result in results) else INCOMPLETE
