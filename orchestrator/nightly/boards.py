"""What a night was for each board: its health, what happened to it, and how many of its cells came to a result."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator import lines
from orchestrator.device import Board
from orchestrator.health import RECOVERY, Book, Event
from orchestrator.health.events import CHECKED, CLEARED, FAILED, SET_ASIDE
from orchestrator.night import BoardNight
from orchestrator.result import DONE, Result, Sweep
from orchestrator.result import FAILED as LOST
from orchestrator.verdict import INVALID

FILE = Path("lab", "nights.jsonl")
SHOWN = 14
"""Nights of a board's completion rate."""
TOLD = (FAILED, CHECKED, SET_ASIDE, CLEARED, RECOVERY)
SPOILT = ("throttled", "under-voltage", "over-current", "slowed down", "clock was below")
"""Reasons of a verdict that are the board's, and that somebody can see to: cooling, supply."""
MANY = 0.25
"""Share of a board's measurements that are invalid for such a reason, from which on it needs a hand."""


@dataclass(frozen=True, slots=True)
class Count:
    """One board in one night, as ``nights.jsonl`` keeps it."""

    night: str
    at_s: float
    board: str
    done: int
    asked: int

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Count:
        return cls(str(data["night"]), float(data["at_s"]), str(data["board"]), int(data["done"]), int(data["asked"]))

    @property
    def share(self) -> float | None:
        return self.done / self.asked if self.asked else None


def counts(root: Path) -> dict[str, list[Count]]:
    """By board, the oldest night first; a night that was resumed counts once."""
    found: dict[tuple[str, str], Count] = {}
    for one in lines.parsed(root / FILE, Count.from_json):
        found[one.board, one.night] = one
    by_board: dict[str, list[Count]] = {}
    for one in sorted(found.values(), key=lambda one: one.at_s):
        by_board.setdefault(one.board, []).append(one)
    return by_board


def keep_counts(root: Path, sweep: Sweep, nights: Iterable[BoardNight], results: Sequence[Result]) -> None:
    """Raises OSError."""
    for one in nights:
        mine = [result for result in results if result.board == one.board]
        done = sum(result.status == DONE for result in mine)
        asked = done + sum(result.status == LOST for result in mine)
        night = {"night": sweep.id, "at_s": sweep.started_s, "board": one.board, "done": done, "asked": asked}
        lines.add(root / FILE, night)


def board_nights(
    root: Path, sweep: Sweep, boards: Sequence[Board], results: Sequence[Result], book: Book
) -> list[BoardNight]:
    """In the order of ``boards``."""
    before = counts(root)
    events = [one for one in book.events() if one.by == sweep.id or one.at_s >= sweep.started_s]
    return [_board_night(sweep, board, results, book, events, before.get(board.name, [])) for board in boards]


def _board_night(
    sweep: Sweep,
    board: Board,
    results: Sequence[Result],
    book: Book,
    events: Sequence[Event],
    before: Sequence[Count],
) -> BoardNight:
    mine = [result for result in results if result.board == board.name]
    health, said = book.of(board.name), Counter[str]()
    for result in mine:
        if result.status == DONE:
            said["done"] += 1
        elif result.status == LOST and result.error is not None:
            said["infrastructure" if result.error.infrastructure else "failed"] += 1
    reason = health.reason or sweep.given_up.get(board.name, "") or _spoilt(mine)
    asked = said.total()
    own = [one for one in events if one.board == board.name]
    happened = [_words(one) for one in own if one.kind in TOLD]
    spoilt = max(said["infrastructure"], sum(one.kind == FAILED for one in own))
    past = [one.share for one in before if one.night != sweep.id][-(SHOWN - 1) :]
    return BoardNight(
        board.name,
        board.device.name,
        health.status,
        reason,
        None if health.since_s is None else max(0.0, (sweep.ended_s or time.time()) - health.since_s),
        said["done"],
        said["failed"],
        spoilt,
        (*happened, *([f"given up: {sweep.given_up[board.name]}"] if board.name in sweep.given_up else [])),
        (*past, said["done"] / asked if asked else None),
    )


def _spoilt(results: Sequence[Result]) -> str:
    """A board that works, and whose measurements are invalid all the same: it throttles, or its supply is weak."""
    measured = [result.measurement for result in results if result.measurement is not None]
    why = Counter(
        reason
        for m in measured
        if m.verdict.level == INVALID
        for reason in m.verdict.reasons[:1]
        if any(word in reason.lower() for word in SPOILT)
    )
    count = why.total()
    if not measured or count < max(1, MANY * len(measured)):
        return ""
    return f"{count} of {len(measured)} measurements are invalid: {why.most_common(1)[0][0]}"


def _words(event: Event) -> str:
    return f"{time.strftime('%H:%M', time.localtime(event.at_s))} {event.words}"
