"""Cells without a result, those that share a reason together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from orchestrator.morning.words import Names
from orchestrator.night import Night
from orchestrator.plain import plain
from orchestrator.result import FAILED, INTERRUPTED, NOT_RUN, Result

INFRASTRUCTURE, BENCHMARK = "infrastructure", "benchmark"


@dataclass(frozen=True, slots=True)
class Group:
    """``whose``: INFRASTRUCTURE, BENCHMARK, or the status of what did not fail."""

    whose: str
    reason: str
    hint: str
    cells: tuple[str, ...]
    boards: tuple[str, ...]
    log: str


def lost(night: Night, names: Names) -> list[Group]:
    """What failed or was interrupted, the largest group first."""
    return _grouped((result for result in night.results if result.status in (FAILED, INTERRUPTED)), names)


def not_run(night: Night, names: Names) -> list[Group]:
    """What did not get its turn."""
    return _grouped((result for result in night.results if result.status == NOT_RUN), names)


def whose(result: Result) -> str:
    """Whether the benchmark failed by itself, or what it ran on."""
    if result.status != FAILED or result.error is None:
        return result.status
    return INFRASTRUCTURE if result.error.infrastructure else BENCHMARK


def _grouped(results: Iterable[Result], names: Names) -> list[Group]:
    found: dict[tuple[str, str, str], list[Result]] = {}
    for result in results:
        found.setdefault((whose(result), _reason(result), plain(result.error.hint if result.error else "")), []).append(
            result
        )
    groups = [
        Group(
            *key,
            cells=tuple(names.of(one.cell_id) for one in some),
            boards=tuple(dict.fromkeys(plain(one.board) for one in some if one.board)),
            log=_log(some),
        )
        for key, some in found.items()
    ]
    return sorted(groups, key=lambda group: -len(group.cells))


def _reason(result: Result) -> str:
    if result.reason:
        return plain(result.reason)
    return plain(f"{result.error.type}: {result.error.message}" if result.error else result.status)


def _log(results: Iterable[Result]) -> str:
    """Where to look first, and how many more there are."""
    logs = list(dict.fromkeys(plain(one.error.log) for one in results if one.error and one.error.log))
    return "" if not logs else logs[0] + (f" and {len(logs) - 1} more" if len(logs) > 1 else "")
