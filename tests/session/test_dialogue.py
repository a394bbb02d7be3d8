"""Questions and answers over a channel that has ended."""

from __future__ import annotations

import stat
import threading
from pathlib import Path
from typing import Any

import pytest

from orchestrator.connection import ProgramEnded
from orchestrator.device import Board, Device
from orchestrator.errors import HoldLost
from orchestrator.session import Dialogue, Holds, hold_key

RELEASED = {"error": {"type": "HoldReleased", "message": "the hold was ended by bob@laptop"}}


class Ended:
    """The board has said something and closed; nobody has read it yet."""

    def __init__(self, *messages: dict[str, Any]) -> None:
        self._messages = list(messages)

    def send(self, message: dict[str, Any]) -> None:
        raise ProgramEnded("the program on the board ended", exit_code=0, stderr="")

    def receive(self, timeout_s: float) -> dict[str, Any] | None:
        if self._messages:
            return self._messages.pop(0)
        raise ProgramEnded("the program on the board ended", exit_code=0, stderr="")

    def close(self) -> None:
        pass


def test_the_last_words_are_heard_before_the_link_counts_as_lost() -> None:
    """Otherwise a sweep would come back and take again what somebody has just released."""
    with pytest.raises(HoldLost, match="ended by bob@laptop"):
        Dialogue(Ended({"beat": 1.0}, RELEASED), threading.Event()).request("start", job={})
    with pytest.raises(ProgramEnded):
        Dialogue(Ended({"beat": 1.0}), threading.Event()).request("start", job={})


def test_a_board_in_two_devices_has_two_tokens_and_they_outlive_the_process(tmp_path: Path) -> None:
    one, other = (Board(Device(name, [host]), host) for name, host in (("a", "pi4"), ("b", "me@pi4")))
    assert one.name == other.name and hold_key(one) != hold_key(other)
    holds = Holds(tmp_path)
    tokens = {holds.token(hold_key(board)) for board in (one, other, one)}
    assert len(tokens) == 2
    again = Holds(tmp_path)
    assert again.knows(one) and {again.token(hold_key(board)) for board in (one, other)} == tokens
    assert stat.S_IMODE((tmp_path / "holds.json").stat().st_mode) == 0o600
    (tmp_path / "holds.json").write_text("[" * 100_000)
    assert not Holds(tmp_path).knows(one)
