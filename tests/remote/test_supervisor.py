"""The supervisor for real: sockets, processes and signals; no runtime needed, since a job may well fail or hang."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import time
from pathlib import Path

import pytest

from remote import hold
from remote.contract import CONTRACT
from tests.remote.boards import Attached, Board, eventually

HANG = "import time\ntime.sleep(600)\n"


def hanging(board: Board) -> str:
    """An environment whose runtime never comes back from its import, in a process that ignores SIGTERM too."""
    package = board.workdir / "envs" / ("d" * 16) / "ai_edge_litert"
    package.mkdir(parents=True)
    numpy = package.parent / "numpy"
    numpy.mkdir()
    (numpy / "__init__.py").write_text("import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + HANG)
    return "d" * 16


def crashing(board: Board, how: str) -> str:
    """An environment whose import ends the process."""
    numpy = board.workdir / "envs" / ("c" * 16) / "numpy"
    numpy.mkdir(parents=True)
    (numpy / "__init__.py").write_text(how)
    return "c" * 16


def started(board: Board, client: Attached, **changes: object) -> str:
    """A job that hangs in its measuring process; returns once that runs."""
    job = board.job(env=hanging(board), **changes)
    assert client.ask("start", job=job)["ok"] == {"status": "running"}
    assert eventually(lambda: len(board.processes()) == 3)  # supervisor, benchmark, worker
    return str(job["run_id"])


def status(board: Board, run_id: str) -> dict[str, object]:
    found: dict[str, object] = json.loads((board.workdir / "jobs" / run_id / "status.json").read_text())
    return found


def test_hello_and_release(board: Board) -> None:
    client = board.attach()
    hello = client.ask("hello")["ok"]
    assert hello["contract"] == CONTRACT
    assert hello["workdir"] == str(board.workdir)
    assert hello["pid"] == board.holder_pid()
    assert hello["boot_id"] == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert client.ask("release") == {"id": 2, "ok": {}}
    assert client.line() == {}
    assert client.process.wait(5) == 0
    assert hold.connect(board.hold) is None
    assert not (board.workdir / "holder.json").exists()
    assert eventually(lambda: board.processes() == [])


def test_one_session_holds_the_board_and_others_are_told_who(board: Board) -> None:
    first = board.attach("one")
    first.ask("hello")
    second = board.attach("two")
    said = second.line()["error"]
    assert said["type"] == "BoardBusy"
    assert "ann@desk" in said["message"]
    assert said["holder"]["pid"] == board.holder_pid()
    assert "one" not in json.dumps(said["holder"])
    assert second.process.wait(5) == 75
    assert first.ask("hello")["ok"]["contract"] == CONTRACT


def test_ten_at_once_get_one_supervisor(board: Board) -> None:
    clients = [board.attach(f"session-{number}") for number in range(10)]
    for client in clients:
        client.send("hello")
    answers = [client.line() for client in clients]
    assert sum("ok" in answer for answer in answers) == 1
    assert sum(answer.get("error", {}).get("type") == "BoardBusy" for answer in answers) == 9
    assert len(board.processes()) == 1


def test_a_stranger_on_the_socket_learns_no_more(board: Board) -> None:
    board.attach("one").ask("hello")
    for greeting in (b'{"session": "wrong"}\n', b"garbage\n", b"[]\n", b'{"session": null}\n'):
        with socket.socket(socket.AF_UNIX) as stranger:
            stranger.settimeout(5)
            stranger.connect("\0" + board.hold)
            stranger.sendall(greeting + b'{"id": 1, "op": "release"}\n')
            data = b"".join(iter(lambda: stranger.recv(65536), b""))
            assert json.loads(data)["error"]["type"] == "BoardBusy"
    assert board.processes() == [board.holder_pid()]


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user for a moment")
def test_another_user_is_refused_even_with_the_token(board: Board) -> None:
    board.attach("one").ask("hello")
    child = os.fork()
    if child == 0:
        os.setuid(65534)
        with socket.socket(socket.AF_UNIX) as stranger:
            stranger.connect("\0" + board.hold)
            data = stranger.recv(65536)
        os._exit(0 if b"BoardBusy" in data else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_the_same_session_takes_over_a_dead_link(board: Board) -> None:
    first = board.attach("one")
    first.ask("hello")
    second = board.attach("one")
    assert second.ask("hello")["ok"]["pid"] == board.holder_pid()
    assert first.line() == {}


def test_bad_requests_get_answers(board: Board) -> None:
    client = board.attach()
    assert client.ask("explode")["error"]["type"] == "BadRequest"
    assert client.ask("start", job={"version": 1})["error"]["type"] == "BadJob"
    assert client.ask("follow", run_id="../..")["error"]["type"] == "BadRequest"
    assert client.ask("follow", run_id="never-was")["error"]["type"] == "UnknownJob"
    assert client.ask("cancel", run_id="never-was")["error"]["type"] == "UnknownJob"
    assert client.process.stdin is not None
    client.process.stdin.write(b"\xff\xfe garbage\n[1]\n")
    assert client.ask("hello")["ok"]["contract"] == CONTRACT


def test_adopt_and_unpack_over_the_stream(board: Board) -> None:
    client = board.attach()
    data = os.urandom(3_000_000)
    (board.workdir / "blobs" / ".part-a").write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    assert client.ask("adopt", part="blobs/.part-a", sha256=digest, size=len(data))["ok"]["sha256"] == digest
    (board.workdir / "blobs" / ".part-b").write_bytes(data[:-1] + b"!")
    failed = client.ask("adopt", part="blobs/.part-b", sha256="a" * 64, size=len(data))
    assert failed["error"]["type"] == "TransferFailed"
    assert not (board.workdir / "blobs" / ".part-b").exists()
    assert client.ask("unpack", blob=digest, env="f" * 16)["error"]["type"] == "BadArchive"


def test_its_clock_is_told_also_while_a_job_runs(board: Board) -> None:
    client = board.attach()
    started(board, client)
    before = time.monotonic()
    told = client.ask("clock")["ok"]["t"]
    assert before <= told <= time.monotonic()  # this board has our own clock


def test_cancel_kills_the_whole_group(board: Board) -> None:
    client = board.attach()
    run_id = started(board, client)
    client.ask("follow", run_id=run_id)
    before = time.monotonic()
    client.ask("cancel", run_id=run_id)
    assert client.follow(run_id)[-1]["event"]["status"] == "cancelled"
    assert time.monotonic() - before < 6
    assert eventually(lambda: board.processes() == [board.holder_pid()])
    assert status(board, run_id)["status"] == "cancelled"
    assert client.ask("hello")["ok"]["contract"] == CONTRACT


def test_what_a_runtime_started_ends_with_the_job(board: Board) -> None:
    """A helper of the runtime is nobody's child in the end; only its group gives it away."""
    helper = "import subprocess, sys\nsubprocess.Popen(['/bin/sh', '-c', 'sleep 600; exit', sys.argv[0]])\n"
    client = board.attach()
    job = board.job(env=crashing(board, helper + "raise ImportError('after all')\n"))
    client.ask("start", job=job)
    assert client.follow(job["run_id"])[-1]["event"]["status"] == "failed"
    assert eventually(lambda: board.processes() == [board.holder_pid()], 3)


def test_what_a_job_needs_must_be_there(board: Board) -> None:
    client = board.attach()
    said = client.ask("start", job=board.job(env="b" * 16))["error"]
    assert said["type"] == "MissingFile"
    assert "envs/" + "b" * 16 in said["message"]
    said = client.ask("start", job=board.job(env=None, artifact={"sha256": "0" * 64, "format": "tflite"}))["error"]
    assert said["type"] == "MissingFile"
    assert len(board.processes()) == 1


def test_the_deadline_ends_a_job(board: Board) -> None:
    client = board.attach()
    run_id = started(board, client, deadline_s=1.5)
    assert client.follow(run_id)[-1]["event"]["status"] == "timed_out"
    assert eventually(lambda: board.processes() == [board.holder_pid()])


def test_start_is_idempotent_and_one_job_runs_at_a_time(board: Board) -> None:
    client = board.attach()
    job = board.job(env=hanging(board))
    for _ in range(3):
        assert client.ask("start", job=job)["ok"] == {"status": "running"}
    assert eventually(lambda: len(board.processes()) == 3)
    assert client.ask("start", job={**job, "seed": 7})["error"]["type"] == "JobConflict"
    assert client.ask("start", job={**job, "run_id": "other"})["error"]["type"] == "JobRunning"
    client.ask("cancel", run_id=job["run_id"])
    client.follow(job["run_id"])
    assert client.ask("start", job=job)["ok"] == {"status": "cancelled"}
    assert client.ask("start", job={**job, "seed": 7})["error"]["type"] == "JobConflict"
    client.ask("release")
    later = board.attach("later")  # another supervisor, which knows the disk only
    assert later.ask("start", job=job)["ok"] == {"status": "cancelled"}
    assert later.ask("start", job={**job, "seed": 7})["error"]["type"] == "JobConflict"
    assert len(board.processes()) == 1


def test_release_ends_what_runs_and_frees_the_hold(board: Board) -> None:
    client = board.attach()
    run_id = started(board, client)
    assert client.ask("release")["ok"] == {}
    assert hold.connect(board.hold) is None
    assert eventually(lambda: board.processes() == [])
    assert status(board, run_id)["status"] == "cancelled"


def test_a_killed_link_does_not_end_the_job_and_following_goes_on_where_it_was(board: Board) -> None:
    client = board.attach()
    run_id = started(board, client)
    client.ask("follow", run_id=run_id)
    seen = [client.line(), client.line()]
    assert [message["event"]["event"] for message in seen] == ["started", "process"]
    client.kill()
    time.sleep(0.2)
    assert len(board.processes()) == 3
    again = board.attach()
    again.send("cancel", run_id=run_id)
    rest = again.follow(run_id, offset=seen[-1]["offset"])
    assert [message["event"]["event"] for message in rest] == ["finished"]
    events = (board.workdir / "jobs" / run_id / "events.jsonl").read_bytes()
    assert rest[-1]["offset"] == len(events)


def test_left_alone_it_ends_after_the_linger_and_not_before_the_job(board: Board) -> None:
    client = board.attach(linger_s=0.5)
    run_id = started(board, client, deadline_s=2.0)
    client.kill()
    time.sleep(1.0)
    assert len(board.processes()) == 3  # the job prolongs it
    assert eventually(lambda: board.processes() == [], 8)
    assert status(board, run_id)["status"] == "timed_out"
    again = board.attach("later")
    assert again.follow(run_id)[-1]["event"]["status"] == "timed_out"


def test_a_killed_supervisor_leaves_no_process_and_the_job_has_died(board: Board) -> None:
    for _ in range(3):
        client = board.attach()
        job = board.job(env=hanging(board) if not (board.workdir / "envs" / ("d" * 16)).exists() else "d" * 16)
        run_id = str(job["run_id"])
        client.ask("start", job=job)
        assert eventually(lambda: len(board.processes()) == 3)
        os.kill(board.holder_pid(), signal.SIGKILL)
        assert eventually(lambda: board.processes() == [], 5)
        assert client.line() == {} or client.line() == {}
        again = board.attach("another")
        last = again.follow(run_id)[-1]["event"]
        assert last["status"] == "lost"
        assert "supervisor" in last["reason"]
        assert again.follow(run_id)[-1]["event"] == last
        again.ask("release")


def test_a_half_written_event_is_dropped(board: Board) -> None:
    client = board.attach()
    run_id = started(board, client)
    os.kill(board.holder_pid(), signal.SIGKILL)
    assert eventually(lambda: board.processes() == [], 5)
    with (board.workdir / "jobs" / run_id / "events.jsonl").open("ab") as stream:
        stream.write(b'{"event":"loa')
    names = [message["event"]["event"] for message in board.attach("another").follow(run_id)]
    assert names == ["started", "process", "finished"]


def test_sigterm_to_the_supervisor_ends_the_job_and_frees_the_hold(board: Board) -> None:
    client = board.attach()
    run_id = started(board, client)
    os.kill(board.holder_pid(), signal.SIGTERM)
    assert eventually(lambda: board.processes() == [], 8)
    assert status(board, run_id)["status"] == "lost"
    assert hold.connect(board.hold) is None


@pytest.mark.parametrize(
    ("how", "kind", "says"),
    [
        ("import os\nos.kill(os.getpid(), 11)\n", "WorkerDied", "SIGSEGV"),
        ("import os\nos.kill(os.getpid(), 9)\n", "WorkerDied", "out of memory is the usual cause"),
        ("import os\nos._exit(7)\n", "WorkerDied", "exit status 7"),
        ("raise ImportError('libc too old')\n", "ImportError", "libc too old"),
        ("raise SystemExit(3)\n", "WorkerDied", "exit status 3"),
    ],
)
def test_a_measuring_process_that_dies_is_an_error_in_the_record(board: Board, how: str, kind: str, says: str) -> None:
    client = board.attach()
    job = board.job(env=crashing(board, how))
    client.ask("start", job=job)
    assert client.follow(job["run_id"])[-1]["event"]["status"] == "failed"
    record = json.loads((board.workdir / "jobs" / job["run_id"] / "record.json").read_text())
    assert record["error"]["type"] == kind
    assert says in record["error"]["message"]
    assert record["runtime"] is None


def test_a_killed_benchmark_has_died_by_that_signal(board: Board) -> None:
    client = board.attach()
    run_id = started(board, client)
    os.kill(int(str(status(board, run_id)["pid"])), signal.SIGSEGV)
    last = client.follow(run_id)[-1]["event"]
    assert last["status"] == "died"
    assert "SIGSEGV" in last["reason"]
    assert eventually(lambda: board.processes() == [board.holder_pid()])


def test_a_work_folder_that_cannot_be_written_is_said(board: Board) -> None:
    board.workdir = board.workdir / "file"
    board.workdir.touch()
    said = board.attach().line()["error"]
    assert said["type"] == "BoardNotReady"
    assert str(board.workdir) in said["message"]


def test_everything_is_private(board: Board) -> None:
    client = board.attach()
    run_id = started(board, client)
    for path in (board.workdir / "jobs").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path
    client.ask("cancel", run_id=run_id)
    token = [path for path in Path("/proc").glob("[0-9]*/cmdline") if path.parent.name == str(board.holder_pid())]
    assert b"secret" not in token[0].read_bytes()


def test_it_beats(board: Board) -> None:
    client = board.attach()
    client.ask("hello")
    assert abs(client.line(8)["beat"] - time.time()) < 2
