"""Seeing who holds a board, and ending a hold from outside: cleanly, and so that the loser notices."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from remote import hold
from tests.remote.boards import Board, eventually
from tests.remote.test_supervisor import started


def holder(board: Board, *words: str) -> dict[str, Any]:
    command = [board.python, "-I", "-S", str(board.program), "holder", board.hold, *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


BY = json.dumps({"user": "bob", "host": "laptop"})


def test_who_holds_it_is_told_without_disturbing_anybody(board: Board) -> None:
    assert holder(board, "look") == {"ok": {"held": False}}
    client = board.attach("one")
    client.ask("hello")
    told = holder(board, "look")["ok"]
    assert (told["held"], told["own"], told["user"], told["host"]) == (True, True, "ann", "desk")
    assert "secret" not in json.dumps(told) and client.ask("hello")["ok"]


def test_a_released_hold_stops_what_runs_and_tells_the_loser(board: Board) -> None:
    client = board.attach("one")
    run_id = started(board, client)
    answer = holder(board, "release", BY)
    assert answer["ok"]["held"] is False
    said = []
    while message := client.line():
        said.append(message)
    (error,) = [message["error"] for message in said if "error" in message]
    assert error == {"type": "HoldReleased", "message": "the hold was ended by bob@laptop"}
    assert eventually(lambda: board.processes() == []) and hold.connect(board.hold) is None
    again = board.attach("two")
    assert again.ask("follow", run_id=run_id)["ok"] == {"status": "cancelled"}


def test_a_hold_that_nobody_has_is_released_already(board: Board) -> None:
    assert holder(board, "release", BY) == {"ok": {"held": False}}


def test_who_comes_back_after_its_hold_was_ended_is_told_and_who_claims_it_anew_is_let_in(board: Board) -> None:
    """The link was away when somebody ended the hold: the same session must not take it again by itself."""
    board.attach("one").ask("hello")
    assert holder(board, "release", BY)["ok"]["held"] is False
    again = board.attach("one")
    message = again.line()
    while "error" not in message:
        message = again.line()
    assert message["error"] == {"type": "HoldReleased", "message": "the hold was ended by bob@laptop"}
    assert eventually(lambda: hold.connect(board.hold) is None, 5)
    claimed = board.attach("one", claim=True)
    assert claimed.ask("hello")["ok"]
