"""Getting in: waiting for the hold, giving up on it, and who may answer for it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from pathlib import Path

import pytest

from remote import hold
from remote.contract import CONTRACT
from tests.remote.boards import Attached, Board, eventually


def waiting(board: Board) -> tuple[Attached, Attached]:
    """One who holds the board and one who waits for it."""
    first = board.attach("one")
    first.ask("hello")
    second = board.attach("two", wait_s=30)
    assert "beat" in second.line(5)
    return first, second


def test_who_waits_is_heard_and_nothing_said_meanwhile_is_lost(board: Board) -> None:
    first = board.attach("one")
    first.ask("hello")
    second = board.attach("two", wait_s=30)
    second.send("hello")
    assert abs(second.line(3)["beat"] - time.time()) < 2
    second.send("cancel", run_id="never-was")
    assert abs(second.line(5)["beat"] - time.time()) < 2  # and again
    first.ask("release")
    answers = []
    for _ in range(4):
        message = second.line()
        answers += [message] if "id" in message else []
        if len(answers) == 2:
            break
    assert [answer["id"] for answer in answers] == [1, 2]
    assert answers[0]["ok"]["contract"] == CONTRACT
    assert answers[1]["error"]["type"] == "UnknownJob"


@pytest.mark.parametrize("said", [b"", b'{"id":1,"op":"hello"}\n'])
def test_who_waits_and_is_hung_up_on_never_takes_the_hold(board: Board, said: bytes) -> None:
    first, second = waiting(board)
    assert second.process.stdin is not None
    second.process.stdin.write(said)
    second.process.stdin.close()
    assert second.process.wait(1.5) == 1
    first.ask("release")
    assert eventually(lambda: board.processes() == [])
    time.sleep(0.2)
    assert hold.connect(board.hold) is None


def test_the_end_of_a_socket_is_seen_as_that_of_a_pipe(board: Board) -> None:
    """OpenSSH gives a command a socket pair, and at the end of the channel only closes one direction of it."""
    board.attach("one").ask("hello")
    ours, theirs = socket.socketpair()
    command = [board.python, "-I", "-S", str(board.program), "attach", "--workdir", str(board.workdir)]
    command += ["--hold", board.hold, "--session", "two", "--wait", "30"]
    with ours, subprocess.Popen(command, stdin=theirs, stdout=theirs) as process:
        theirs.close()
        assert b"beat" in ours.recv(1000)
        ours.shutdown(socket.SHUT_WR)
        assert process.wait(1.5) == 1


def test_who_is_gone_while_the_supervisor_starts_gives_the_hold_back(board: Board) -> None:
    client = board.attach("one", wait_s=30)
    assert client.process.stdin is not None
    client.process.stdin.close()
    assert client.process.wait(10) == 1
    assert eventually(lambda: board.processes() == [], 5)
    assert hold.connect(board.hold) is None


def test_without_waiting_all_may_be_said_at_once(board: Board) -> None:
    client = board.attach("one")
    client.send("hello")
    client.send("release")
    assert client.process.stdin is not None
    client.process.stdin.close()
    assert client.line()["ok"]["contract"] == CONTRACT
    assert client.line() == {"id": 2, "ok": {}}


@pytest.mark.parametrize(
    "answer", [b"", b"garbage\n", b"[]\n", b'{"error":"x"}\n', b'{"error":{"type":"BoardBusy"}}\n']
)
def test_a_squatter_of_the_name_is_a_busy_board(board: Board, answer: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as squatter:
        squatter.bind("\0" + board.hold)
        squatter.listen()
        client = board.attach("one")
        connection, _ = squatter.accept()
        connection.sendall(answer)
        connection.close()
        assert client.line()["error"]["type"] == "BoardBusy"


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user for a moment")
def test_another_user_cannot_play_the_supervisor(board: Board) -> None:
    """It would get the model and could make up the numbers."""
    ready, go = os.pipe()
    child = os.fork()
    if child == 0:
        os.setuid(65534)
        with socket.socket(socket.AF_UNIX) as squatter:
            squatter.bind("\0" + board.hold)
            squatter.listen()
            os.write(go, b"x")
            connection, _ = squatter.accept()
            connection.sendall(
                json.dumps({"attached": {}, "error": {"holder": {"user": "\x1b[2J", "pid": 1}}}).encode()
            )
            connection.sendall(b"\n")
            os._exit(1 if b"secret" in connection.recv(1000) else 0)
    os.read(ready, 1)
    said = board.attach("secret").line()["error"]
    assert said["type"] == "BoardBusy"
    assert said["holder"] == {"user": "\\x1b[2J", "pid": 1}
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_name_that_cannot_be_one_is_said(board: Board) -> None:
    board.hold = "x" * 200
    said = board.attach("one").line()["error"]
    assert said["type"] == "BoardNotReady"
    assert "AF_UNIX path too long" in said["message"]


def test_an_interpreter_that_warns_before_all_else_is_no_failed_start(board: Board, tmp_path: Path) -> None:
    warning = tmp_path / "python"
    warning.write_text(f'#!/bin/sh\necho "this interpreter is odd" >&2\nexec {board.python} "$@"\n')
    warning.chmod(0o755)
    source = f"import sys; sys.executable = {str(warning)!r}; sys.path.insert(0, {str(board.program)!r})\n"
    source += f"sys.argv[0] = {str(board.program)!r}\nfrom remote.attach import main\nsys.exit(main(sys.argv[1:]))\n"
    command = [board.python, "-I", "-S", "-c", source, "--workdir", str(board.workdir), "--hold", board.hold]
    requests = b'{"id":1,"op":"hello"}\n{"id":2,"op":"release"}\n'
    done = subprocess.run([*command, "--session", "one"], input=requests, capture_output=True, timeout=20)
    assert done.returncode == 0, done.stdout + done.stderr
