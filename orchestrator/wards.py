"""``board health|clear|maintain``: what is known of boards, and a person's word on it. No board is asked."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from orchestrator.console import say
from orchestrator.device import Board
from orchestrator.errors import ConfigError
from orchestrator.health import BAD, GOOD, MAINTENANCE, UNKNOWN, Book, Health
from orchestrator.whoami import user_name

STYLES = {GOOD: "green", BAD: "bold red", MAINTENANCE: "yellow", UNKNOWN: "dim"}
SHOWN = 15
"""Events of a board, the newest."""


def health_verb(console: Console, what: str, boards: Sequence[Board], root: Path, why: str, as_json: bool) -> int:
    """Show, clear or set aside; always 0. Raises ConfigError where a board is to be set aside without a reason."""
    book, by = Book(root), user_name()
    if what == "maintain" and not why:
        raise ConfigError("why is it set aside?", hint='board maintain device=NAME --why "new SD card"')
    for board in boards:
        if what == "clear":
            book.cleared(board.name, why, by)
        elif what == "maintain":
            book.set_aside(board.name, why, by)
    if as_json:
        whole = [_plain(board, book) for board in boards]
        console.print(json.dumps(whole, indent=1), soft_wrap=True, markup=False, highlight=False)
        return 0
    for board in boards:
        health = book.of(board.name)
        say(console, (board.name, "bold"), "  ", (health.status, STYLES[health.status]), health_words(health))
        if what == "health":
            for event in book.events(board.name)[-SHOWN:]:
                say(console, f"  {_time(event.at_s)}  {event.words}" + (f"  ({event.by})" if event.by else ""))
    return 0


def health_words(health: Health) -> str:
    """Since when, and why."""
    since = f" since {_time(health.since_s)}" if health.since_s is not None else ""
    row = f", {health.failures} failures in a row" if health.failures and health.usable else ""
    return f"{since}{row}" + (f": {health.reason}" if health.reason else "")


def _plain(board: Board, book: Book) -> dict[str, object]:
    health = book.of(board.name)
    return {
        "device": board.device.name,
        "board": board.name,
        "health": health.status,
        "reason": health.reason,
        "since_s": health.since_s,
        "failures": health.failures,
        "events": [event.to_json() for event in book.events(board.name)],
    }


def _time(at_s: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at_s))
