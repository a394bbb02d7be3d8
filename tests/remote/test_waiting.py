"""Who waits for a board with which priority: real supervisors, real sockets, and names that anybody may choose."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from remote import attach, hold, waiting
from tests.remote.boards import Attached, Board, eventually
from tests.remote.test_holder import holder
from tests.remote.test_supervisor import started


def held(board: Board, priority: int = -10) -> Attached:
    """Somebody holds the board."""
    first = board.attach("night", priority=priority, who="nightly")
    assert "ok" in first.ask("hello")
    return first


def waits(board: Board, priority: int = 0, session: str = "desk", **more: Any) -> Attached:
    """Somebody waits for it, and can be seen to."""
    before = len(waiting.shown(board.hold))
    client = board.attach(session, priority=priority, **more)
    assert eventually(lambda: len(waiting.shown(board.hold)) == before + 1)
    return client


def told(client: Attached) -> Any:
    """What the supervisor says about who waits."""
    return client.ask("waiting")["ok"]["waiting"]


def comes_in(client: Attached) -> dict[str, Any]:
    """The answer to its greeting, once it has waited: some beats come before, not dozens."""
    number = client.send("hello")
    for _ in range(12):
        message = client.line()
        if message.get("id") == number:
            found: dict[str, Any] = message["ok"]
            return found
        assert "beat" in message, message
    raise AssertionError("it still waits")


@pytest.fixture
def name() -> str:
    return f"test-{os.getpid()}-{os.urandom(4).hex()}"


@pytest.fixture
def strangers() -> Iterator[ExitStack]:
    """Sockets with names of their own."""
    with ExitStack() as stack:
        yield stack


def bound(strangers: ExitStack, name: bytes | str, kind: int = socket.SOCK_STREAM, listens: bool = True) -> None:
    stranger = strangers.enter_context(socket.socket(socket.AF_UNIX, kind))
    stranger.bind(b"\0" + (name if isinstance(name, bytes) else name.encode()))
    if listens:
        stranger.listen()


TOKEN = "0123456789abcdef"


def test_a_person_waits_for_a_night_though_a_busy_board_would_fail_at_once(board: Board) -> None:
    night = held(board)
    assert told(night) is None
    person = waits(board, 0, wait_s=0.0)
    found = told(night)
    assert (found["priority"], found["own"], found["user"], found["host"]) == (0, True, "ann", "desk")
    beat = person.line(5)
    assert beat["held"]["user"] == "nightly" and beat["held"]["priority"] == -10
    night.ask("release")
    assert comes_in(person)["pid"] == board.holder_pid()
    assert waiting.shown(board.hold) == [], "who has come in waits no more"


@pytest.mark.parametrize("priority", [-10, -11])
def test_who_is_of_no_higher_priority_is_refused_and_if_it_waits_it_does_not_count(board: Board, priority: int) -> None:
    night = held(board)
    refused = board.attach("other", priority=priority)
    assert refused.line()["error"]["message"] == "the board is held by nightly@desk (priority -10)"
    assert refused.process.wait(5) == attach.BUSY_STATUS
    waits(board, priority, wait_s=60)
    assert told(night) is None


def test_of_many_the_highest_is_told_and_all_are_seen(board: Board) -> None:
    night = held(board)
    for number, priority in enumerate([0, 7, 3, -50, 7, -10]):
        waits(board, priority, f"desk-{number}", wait_s=60, who=f"user{number}")
    found = told(night)
    assert found["priority"] == 7 and found["user"] in ("user1", "user4")
    seen = holder(board, "look")["ok"]
    assert seen["priority"] == -10
    assert [one["priority"] for one in seen["waiting"]] == [7, 7, 3, 0, -10, -50]
    assert {one["user"] for one in seen["waiting"]} == {f"user{number}" for number in range(6)}


def test_a_waiter_that_dies_waits_no_more(board: Board) -> None:
    night = held(board)
    person = waits(board)
    assert told(night)["user"] == "ann"
    person.kill()
    assert told(night) is None


def test_one_that_hangs_is_still_seen_but_not_named(board: Board) -> None:
    night = held(board)
    person = waits(board)
    person.process.send_signal(signal.SIGSTOP)
    assert told(night) == {"own": True, "priority": 0, "token": waiting.shown(board.hold)[0][1]}
    person.process.send_signal(signal.SIGCONT)
    assert told(night)["user"] == "ann"


def test_nobody_is_looked_for_while_a_job_runs(board: Board) -> None:
    night = held(board)
    run_id = started(board, night)
    waits(board)
    assert told(night) is None
    night.ask("cancel", run_id=run_id)
    night.follow(run_id)
    assert told(night)["priority"] == 0


def test_a_free_hold_is_left_to_who_waits_with_a_higher_priority(board: Board) -> None:
    """The night that gave way comes back at once, and the other one tries every two seconds only."""
    night = held(board)
    person = waits(board)
    night.ask("release")
    again = board.attach("night", priority=-10, who="nightly", wait_s=60)
    assert comes_in(person)["pid"] == board.holder_pid()
    assert eventually(lambda: [priority for priority, _ in waiting.shown(board.hold)] == [-10])
    assert told(person) is None, "a night that waits is none that a person gives way to"
    person.ask("release")
    assert comes_in(again)["pid"] == board.holder_pid()


def test_who_only_plays_that_it_waits_is_waited_for_once(board: Board, strangers: ExitStack) -> None:
    bound(strangers, f"{board.hold}.waiting.100.{TOKEN}")
    source = f"import sys; sys.path.insert(0, {str(board.program)!r}); sys.argv[0] = {str(board.program)!r}\n"
    source += "from remote import attach; attach._DEFER_S = 1.0\nsys.exit(attach.main(sys.argv[1:]))\n"
    command = [board.python, "-I", "-S", "-c", source, "--workdir", str(board.workdir), "--hold", board.hold]
    with subprocess.Popen([*command, "--session", "one"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(b'{"id":1,"op":"waiting"}\n')
        process.stdin.flush()
        answer = next(message for message in map(json.loads, process.stdout) if "id" in message)
        process.stdin.write(b'{"id":2,"op":"release"}\n')
        process.stdin.close()
    assert answer == {"id": 1, "ok": {"waiting": None}}


@pytest.mark.parametrize(
    "sign",
    [
        *("5", "5.", f".{TOKEN}", f"+5.{TOKEN}", f"05.{TOKEN}", f"-0.{TOKEN}", f"--5.{TOKEN}", f"5 .{TOKEN}"),
        *(f"101.{TOKEN}", f"-101.{TOKEN}", f"{'9' * 40}.{TOKEN}", f"５.{TOKEN}", f"1e1.{TOKEN}"),
        *(f"5.{TOKEN}0", f"5.{TOKEN[1:]}", f"5.{TOKEN.upper()}", f"5.{TOKEN}.x", f"5.{TOKEN} ", "5.\x1b[2J"),
    ],
)
def test_a_name_that_is_none_of_ours_does_not_count(name: str, strangers: ExitStack, sign: str) -> None:
    bound(strangers, f"{name}.waiting.{sign}")
    assert waiting.shown(name) == []


def test_a_name_of_any_bytes_hides_nobody(name: str, strangers: ExitStack) -> None:
    for odd in (b"\xff\xfe", b"\n", b"\0\0", b"\n1: 2 3 00010000 0001 01 7 @x", b" "):
        bound(strangers, f"{name}.waiting.".encode() + odd)
    bound(strangers, f"{name}.waiting.5.{TOKEN}")
    assert waiting.shown(name) == [(5, TOKEN)]


def test_a_sign_of_another_hold_or_behind_which_nobody_listens_does_not_count(name: str, strangers: ExitStack) -> None:
    bound(strangers, f"{name}x.waiting.5.{TOKEN}")
    bound(strangers, f"x{name}.waiting.5.{TOKEN}")
    bound(strangers, f"{name}.waiting.6.{TOKEN}", listens=False)
    bound(strangers, f"{name}.waiting.7.{TOKEN}", kind=socket.SOCK_DGRAM, listens=False)
    assert waiting.best(name, -100) is None


def test_a_line_that_a_name_with_a_line_end_makes_up_is_nobody(name: str, strangers: ExitStack) -> None:
    bound(strangers, f"x\n0: 2 0 00010000 0001 01 7 @{name}.waiting.5.{TOKEN}"[:107])
    assert waiting.best(name, 0) is None


def test_a_table_that_cannot_be_read_shows_nobody(
    name: str, strangers: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    bound(strangers, f"{name}.waiting.5.{TOKEN}")
    monkeypatch.setattr(waiting, "TABLE", "/proc/none")
    assert waiting.best(name, 0) is None


def test_a_thousand_signs_cost_a_bounded_number_of_questions(
    name: str, strangers: ExitStack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    table = tmp_path / "unix"
    line = "0000000000000000: 00000002 00000000 00010000 0001 01 10870 @{}.waiting.9.{:016x}\n"
    table.write_text("".join(line.format(name, number) for number in range(1000)))
    monkeypatch.setattr(waiting, "TABLE", str(table))
    asked = []
    monkeypatch.setattr(hold, "connect", lambda *words: asked.append(words))
    assert len(waiting.shown(name)) == 1000
    assert waiting.best(name, 0) is None
    assert len(asked) == waiting.MAX_ASKED


def test_a_long_name_of_a_hold_is_no_obstacle() -> None:
    name = f"test-{os.getpid()}-" + "x" * 85
    sign = waiting.Sign(name, -100, {})
    assert [priority for priority, _ in waiting.shown(name)] == [-100]
    sign.close()
    assert waiting.shown(name) == []


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user for a moment")
def test_another_user_is_seen_waiting_and_not_believed_a_word(board: Board) -> None:
    ready, go = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.setuid(65534)
            with socket.socket(socket.AF_UNIX) as stranger:
                stranger.bind(f"\0{board.hold}.waiting.5.{TOKEN}")
                stranger.listen()
                os.write(go, b"x")
                connection, _ = stranger.accept()
                with contextlib.suppress(OSError):  # who asks has gone without an answer
                    connection.sendall(b'{"user":"root","host":"desk"}\n')
                status = 0
        finally:
            os._exit(status)
    os.read(ready, 1)
    try:
        sign = waiting.best(board.hold, 0)
        assert sign == {"own": False, "priority": 5, "token": TOKEN}
    finally:
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.parametrize("priority", [True, 1.5, "5", 101, -101, None, [], 10**30])
def test_a_priority_that_is_none_is_not_taken_from_a_stranger(priority: object) -> None:
    answer = hold.told_by_a_stranger({"error": {"holder": {"user": "bob", "priority": priority}}})
    assert answer["error"]["holder"] == {"user": "bob"}
    assert answer["error"]["message"] == "the board is held by bob@an unknown host"
