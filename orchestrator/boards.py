"""``board list|show|release|clean``: who holds each board, what it keeps, and ending both from here."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from orchestrator.cache import cache_directory
from orchestrator.checkup.ask import asked, held_words
from orchestrator.connection import Connection, LocalServer, connect
from orchestrator.console import say
from orchestrator.device import Board
from orchestrator.errors import OrchestratorError
from orchestrator.health import Book
from orchestrator.plain import plain
from orchestrator.preview import columns
from orchestrator.provisioning import Facts, Program, deploy, facts
from orchestrator.statuses import INCOMPLETE, OK
from orchestrator.whoami import user_name
from orchestrator.words import megabytes

RELEASE_S = 120.0
CLEAN_S = 600.0
AT_ONCE = 16
"""Boards that are asked at the same time."""


@dataclass(frozen=True, slots=True)
class Found:
    """What one board answered; ``error`` where it did not."""

    board: Board
    facts: Facts | None = None
    told: dict[str, Any] = field(default_factory=dict)
    error: OrchestratorError | None = None


Ask = Callable[[Connection, Facts, Board, Program], dict[str, Any]]


def ask_all(boards: Sequence[Board], ask: Ask) -> list[Found]:
    """Ask every board, side by side; in the order of ``boards``. No board keeps another one from answering."""
    local = LocalServer() if any(board.device.is_local for board in boards) else None
    program = Program.built(cache_directory())

    def one(board: Board) -> Found:
        try:
            with connect(board, local=local) as connection:
                found = facts(connection, board.device, board.workdir)
                deploy.push_program(connection, found, board.device, program)
                return Found(board, found, ask(connection, found, board, program))
        except OrchestratorError as error:
            return Found(board, error=error)

    try:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(one, boards))
    finally:
        if local is not None:
            local.close()


def holder(connection: Connection, found: Facts, board: Board, program: Program) -> dict[str, Any]:
    """Who holds the board now."""
    return {"holder": asked(connection, found, board, program, "holder", board.hold, "look")}


def looked(connection: Connection, found: Facts, board: Board, program: Program) -> dict[str, Any]:
    """Who holds it, and what it keeps."""
    kept = asked(connection, found, board, program, "shelf", found.workdir, board.hold, "look", timeout_s=CLEAN_S)
    return holder(connection, found, board, program) | {"kept": kept}


def released(connection: Connection, found: Facts, board: Board, program: Program) -> dict[str, Any]:
    """End the hold, whoever of the same user of the board has it."""
    before = holder(connection, found, board, program)
    by = json.dumps({"user": user_name(), "host": socket.gethostname()})
    words = ("holder", board.hold, "release", by)
    return before | {"released": asked(connection, found, board, program, *words, timeout_s=RELEASE_S)}


def cleaned(connection: Connection, found: Facts, board: Board, program: Program) -> dict[str, Any]:
    """Remove what comes back when it is needed, and the jobs whose records were taken home."""
    words = ("shelf", found.workdir, board.hold, "clean")
    return {"cleaned": asked(connection, found, board, program, *words, timeout_s=CLEAN_S)}


ASKS: dict[str, Ask] = {"list": holder, "show": looked, "release": released, "clean": cleaned}


def board_verb(console: Console, what: str, boards: Sequence[Board], as_json: bool, root: Path) -> int:
    """Ask, and print a line for each board, or all of it as JSON; 2 where a board did not answer or refused."""
    found, book = ask_all(boards, ASKS[what]), Book(root)
    if as_json:
        console.print(
            json.dumps([_plain(one, book) for one in found], indent=1), soft_wrap=True, markup=False, highlight=False
        )
    else:
        head, *rows = [_HEADS[what], *(_row(what, one, book) for one in found)]
        for line in columns(head, rows, right=()):
            say(console, *line)
    return INCOMPLETE if any(one.error for one in found) else OK


_HEADS = {
    "list": ["device", "board", "health", "hold", ""],
    "show": ["device", "board", "health", "hold", "what it is", "what it keeps"],
    "release": ["device", "board", "hold", ""],
    "clean": ["device", "board", "", ""],
}


def _row(what: str, one: Found, book: Book) -> list[str]:
    begin = [one.board.device.name, one.board.name]
    if what in ("list", "show"):
        begin.append(book.of(one.board.name).status)
    empty = [""] * (len(_HEADS[what]) - len(begin) - 2)
    if one.error is not None:
        return [*begin, "-", *empty, plain(str(one.error))]
    if what == "clean":
        before, after = (_cache_bytes(one.told["cleaned"][when]) for when in ("before", "after"))
        return [*begin, "", f"{megabytes(before - after)} removed"]
    held = one.told["holder"]
    if what == "list":
        return [*begin, "held" if held["held"] else "free", held_words(held)]
    if what == "release":
        if not held["held"]:
            return [*begin, "free", "nobody had it"]
        left = "; ".join(plain(str(words)) for words in one.told["released"].get("left") or [])
        return [*begin, "free", f"was {held_words(held)}" + (f"; not put back: {left}" if left else "")]
    return [*begin, "held" if held["held"] else "free", _what(one.facts), _keeps(one.told["kept"])]


def _what(found: Facts | None) -> str:
    if found is None:
        return ""
    return ", ".join(
        [found.device_tree_model or found.cpu_model or found.arch, found.os, f"Python {found.python_text}"]
    )


def _keeps(kept: dict[str, Any]) -> str:
    jobs = f"{kept['jobs']} jobs, {kept['waiting']} of them with a record that nobody has taken"
    free = f"{megabytes(kept['free_bytes'])} free in {plain(kept['workdir'])}"
    return f"{megabytes(_cache_bytes(kept))} of caches, {jobs}; {free}"


def _cache_bytes(kept: dict[str, Any]) -> int:
    return sum(int(kept[f"{name}_bytes"]) for name in ("blobs", "envs", "engines"))


def _plain(one: Found, book: Book) -> dict[str, Any]:
    health = book.of(one.board.name)
    return {
        "device": one.board.device.name,
        "board": one.board.name,
        "health": health.status,
        "health_reason": health.reason,
        "error": str(one.error) if one.error else None,
        **one.told,
    }
