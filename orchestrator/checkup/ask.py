"""Questions to the board's program that are answered by one line of JSON, which is not trusted."""

from __future__ import annotations

import json
import time
from typing import Any

from orchestrator.connection import Connection
from orchestrator.device import Board
from orchestrator.errors import BoardBusy, BoardError
from orchestrator.plain import plain
from orchestrator.provisioning import Facts, Program, deploy
from orchestrator.session import who_words
from remote import state
from remote.hold import priority_of

MAX_ANSWER_BYTES = 256 * 1024


def asked(connection: Connection, found: Facts, board: Board, program: Program, *words: str, **more: Any) -> Any:
    """What a verb of the board's program answers. Raises BoardError."""
    argv = [*deploy.program_command(found, board.device, program), *words]
    line = connection.run(argv, **more).stdout.strip().rpartition("\n")[2]
    try:
        if len(line) > MAX_ANSWER_BYTES:
            raise ValueError("it is too long")
        answer = json.loads(line)
        if "error" in answer:
            kind = BoardBusy if answer["error"]["type"] == "BoardBusy" else BoardError
            raise kind(plain(answer["error"]["message"]), board=board.name)
        return _sound(words[0], answer["ok"])
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise BoardError(f"it answered with no sense: {plain(line[:200])}", board=board.name) from error


def _sound(verb: str, told: Any) -> dict[str, Any]:
    """Raises ValueError, LookupError or TypeError where a board's answer is not of the shape that is shown."""
    if not isinstance(told, dict):
        raise TypeError("no object")
    if verb == "holder":
        if not isinstance(told["held"], bool):
            raise TypeError("held")
        if not all(priority_of(one["priority"]) is not None for one in told.get("waiting", [])):
            raise TypeError("priorities")
    if verb == "shelf":
        for kept in (told["before"], told["after"]) if "before" in told else (told,):
            numbers = [kept[f"{name}_bytes"] for name in ("blobs", "envs", "engines", "jobs", "free")]
            if not all(type(number) is int for number in (*numbers, kept["jobs"], kept["waiting"])):
                raise TypeError("numbers")
            kept["workdir"] = str(kept["workdir"])
    return state.checked(told) if verb == "state" else told


def held_words(held: dict[str, Any]) -> str:
    """``by ann@desk, priority 0, since 14:03, until 14:20; waiting: bob@desk (priority 5)``; empty where nobody has
    it."""
    if not held.get("held"):
        return ""
    who = f"by {plain(str(held.get('user') or 'somebody'))}@{plain(str(held.get('host') or 'an unknown host'))}"
    priority = priority_of(held.get("priority"))
    who += f", priority {priority}," if priority is not None else ""
    words = [who, *(f"{name} {_clock(held[name])}" for name in ("since", "until") if _is_time(held.get(name)))]
    uid = plain(str(held.get("uid")))[:20]
    stranger = "" if held.get("own") else f", as another user of the board (uid {uid})"
    waiting = ", ".join(map(who_words, held.get("waiting", [])))
    return " ".join(words) + stranger + (f"; waiting: {waiting}" if waiting else "")


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e11


def _clock(at_s: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at_s))
