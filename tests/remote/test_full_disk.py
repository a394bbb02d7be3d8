"""A disk that is full costs neither the hold nor the answer; a log may not be what fills it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from remote import contract, files, journal
from remote.contract import MAX_LOG_BYTES
from remote.files import FileError
from remote.jobs import Ledger, Paths, Running
from remote.journal import Journal, cap_log
from remote.wire import events_from
from tests.remote.boards import Board, eventually
from tests.remote.test_supervisor import crashing, started, status


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of 2 MiB of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", folder], capture_output=True).returncode:
        pytest.skip("no file system may be mounted here")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


@pytest.fixture
def cramped(small: Path, tmp_path: Path, program: Path) -> Iterator[Board]:
    """A board whose work folder is such a disk."""
    own = tmp_path / "program.pyz"
    shutil.copy(program, own)
    made = Board(small / "workdir", own)
    yield made
    made.close()


FILL = """
def fill(path):
    import os
    with open(path, "wb", buffering=0) as stream:
        try:
            while True:
                stream.write(bytes(4096))
        except OSError:
            return
"""


def fill(path: Path) -> Path:
    """Take all the room there is."""
    names: dict[str, object] = {}
    exec(FILL, names)
    names["fill"](str(path))  # type: ignore[operator]
    return path


def altered(board: Board, module: str, old: str, new: str) -> None:
    """Give the board a program with another number in it, so that a test need not write 64 MiB."""
    unpacked = board.program.parent / "unpacked"
    shutil.unpack_archive(board.program, unpacked, "zip")
    source = unpacked / "remote" / f"{module}.py"
    text = source.read_text()
    assert old in text
    source.write_text(text.replace(old, new))
    board.program.unlink()
    made = shutil.make_archive(str(board.program.parent / "again"), "zip", unpacked)
    shutil.rmtree(unpacked)
    Path(made).rename(board.program)


def test_a_status_that_finds_no_room_is_told_and_kept_until_there_is(cramped: Board) -> None:
    client = cramped.attach()
    run_id = started(cramped, client)
    pid = cramped.holder_pid()
    ballast = fill(cramped.workdir / "ballast")
    client.ask("cancel", run_id=run_id)
    last = client.follow(run_id)[-1]["event"]
    assert last["status"] == "cancelled"
    assert "No space left on device" in last["reason"]
    assert client.ask("hello")["ok"]["pid"] == pid
    assert status(cramped, run_id)["status"] == "running"  # the disk did not take it
    assert client.ask("cancel", run_id=run_id)["ok"] == {"status": "cancelled"}
    assert client.follow(run_id)[-1]["event"] == last
    said = client.ask("start", job=cramped.job(model=b"", env="d" * 16))["error"]
    assert said["type"] == "NoSpace"
    ballast.unlink()
    assert client.ask("cancel", run_id=run_id)["ok"] == {"status": "cancelled"}
    assert status(cramped, run_id)["status"] == "cancelled"
    assert client.ask("release")["ok"] == {}


def test_a_record_that_finds_no_room_is_said(cramped: Board) -> None:
    client = cramped.attach()
    fills = FILL + f"fill({str(cramped.workdir / 'ballast')!r})\nraise ImportError('after that')\n"
    job = cramped.job(env=crashing(cramped, fills))
    client.ask("start", job=job)
    last = client.follow(job["run_id"])[-1]["event"]
    assert last["status"] == "lost"
    assert "no space left on the board's disk for the record" in last["reason"]
    assert "contract" in client.ask("hello")["ok"]


def test_a_log_that_filled_the_disk_makes_room_for_the_record(cramped: Board) -> None:
    altered(cramped, "contract", "MAX_LOG_BYTES = 4 * 1024 * 1024", "MAX_LOG_BYTES = 1024 * 1024")
    client = cramped.attach()
    chatty = (
        "import os\ntry:\n    while True:\n        os.write(2, b'noise ' * 1000)\nexcept OSError:\n    os._exit(3)\n"
    )
    job = cramped.job(env=crashing(cramped, chatty))
    client.ask("start", job=job)
    last = client.follow(job["run_id"])[-1]["event"]
    assert (last["status"], last["reason"]) == ("failed", "the benchmark reported an error")
    assert (cramped.workdir / "jobs" / job["run_id"] / "log.txt").stat().st_size < 1024 * 1024
    assert status(cramped, job["run_id"])["status"] == "failed"


def test_a_board_whose_disk_is_full_can_still_be_asked(cramped: Board) -> None:
    """Else the record that waits on it could never be fetched."""
    fill(cramped.workdir / "ballast")
    client = cramped.attach()
    assert client.ask("hello")["ok"]["workdir"] == str(cramped.workdir)
    assert client.ask("release")["ok"] == {}  # no holder.json tells whom to end


def test_any_other_trouble_with_the_status_file_is_survived_too(board: Board) -> None:
    client = board.attach()
    run_id = started(board, client)
    path = board.workdir / "jobs" / run_id / "status.json"
    path.unlink()
    path.mkdir()
    holder = board.workdir / "holder.json"
    holder.unlink()
    holder.mkdir()
    client.ask("cancel", run_id=run_id)
    last = client.follow(run_id)[-1]["event"]
    assert last["status"] == "cancelled"
    assert "Is a directory" in last["reason"]
    pid = client.ask("hello")["ok"]["pid"]
    assert board.processes() == [pid]
    assert "ended as cancelled, which the disk did not take" in (board.workdir / "supervisor.log").read_text()
    holder.rmdir()
    holder.write_text(json.dumps({"pid": pid}))


# -- events


def test_events_that_the_disk_does_not_take_are_read_from_memory(small: Path) -> None:
    path = small / "events.jsonl"
    kept = Journal(str(path))
    ballast = fill(small / "ballast")
    lines = [json.dumps({"event": "process", "number": number}).encode() + b"\n" for number in range(1000)]
    for line in lines:
        kept.append(line)
    assert kept.tail
    assert not kept.flush()
    found = events_from(str(path), 0, kept.tail)
    assert [event["number"] for event, _ in found] == list(range(1000))
    assert found[-1][1] == len(b"".join(lines))
    middle = found[499][1]
    assert events_from(str(path), middle, kept.tail)[0][0]["number"] == 500
    ballast.unlink()
    assert kept.flush(sync=True)
    assert path.read_bytes() == b"".join(lines)
    assert events_from(str(path), middle)[0][0]["number"] == 500
    kept.close()


def test_an_offset_into_a_tail_that_is_lost_starts_again(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'{"event":"started"}\n{"event":"finished"}\n')
    for offset in (500, 25):
        assert [event["event"] for event, _ in events_from(str(path), offset)] == ["started", "finished"]
    assert [event["event"] for event, _ in events_from(str(path), 20)] == ["finished"]
    assert events_from(str(path), path.stat().st_size) == []


def test_a_part_that_finds_no_room_does_not_stay(small: Path) -> None:
    ballast = fill(small / "ballast")
    with pytest.raises(OSError, match="No space left"):
        files.write_atomic(str(small / "file"), bytes(100_000))
    assert list(small.iterdir()) == [ballast]


# -- jobs that were left behind


def abandoned(workdir: Path, **more: object) -> Paths:
    """A job that claims to run, of a supervisor that is gone."""
    paths = Paths(str(workdir), "run-1")
    Path(paths.folder).mkdir(parents=True)
    Path(paths.job).write_text("{}")
    Path(paths.status).write_text(json.dumps({"status": "running", "pid": 1, "boot_id": "another"}))
    if more:
        files.write_json(paths.record, more)
    return paths


@pytest.mark.parametrize(
    ("more", "ended"),
    [
        ({}, "lost"),
        ({"processes": [1], "error": None}, "done"),
        ({"processes": [], "error": {"message": "x"}}, "failed"),
    ],
)
def test_a_record_outlives_its_supervisor(tmp_path: Path, more: dict[str, object], ended: str) -> None:
    paths = abandoned(tmp_path, **more)
    assert Ledger(str(tmp_path)).settle("run-1", None) == ended
    assert json.loads(Path(paths.status).read_text())["status"] == ended
    assert events_from(paths.events, 0)[-1][0]["status"] == ended
    assert Ledger(str(tmp_path)).settle("run-1", None) == ended
    assert len(events_from(paths.events, 0)) == 1


def test_a_start_that_fails_leaves_no_job_that_has_died(cramped: Board) -> None:
    client = cramped.attach()
    job = cramped.job(env=crashing(cramped, "raise ImportError('so soon')\n"))
    ballast = fill(cramped.workdir / "ballast")
    assert client.ask("start", job=job)["error"]["type"] == "NoSpace"
    assert client.ask("cancel", run_id=job["run_id"])["error"]["type"] == "UnknownJob"
    ballast.unlink()
    assert client.ask("start", job=job)["ok"] == {"status": "running"}
    assert client.follow(job["run_id"])[-1]["event"]["status"] == "failed"


def test_nothing_that_lies_about_passes_for_a_result(board: Board) -> None:
    job = board.job(env=crashing(board, "import os\nos._exit(3)\n"))
    folder = board.workdir / "jobs" / job["run_id"]
    folder.mkdir()
    (folder / "record.json").write_text('{"of": "somebody else"}')
    (folder / "events.jsonl").write_text('{"event":"finished","status":"done"}\n')
    client = board.attach()
    assert client.ask("start", job=job)["ok"] == {"status": "running"}
    assert client.follow(job["run_id"])[-1]["event"]["status"] == "failed"
    contract.parse_record((folder / "record.json").read_bytes())


def test_a_job_that_cannot_be_read_is_not_started_over(board: Board) -> None:
    job = board.job(env=crashing(board, ""))
    folder = board.workdir / "jobs" / job["run_id"]
    folder.mkdir()
    (folder / "job.json").mkdir()
    assert board.attach().ask("start", job=job)["error"]["type"] == "BoardNotReady"


# -- the log


def test_a_log_keeps_its_beginning_and_its_end(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_bytes(b"first\n" + b"noise\n" * 2_000_000 + b"last\n")
    with path.open("ab") as writer:  # a process that still writes goes on at the end
        cap_log(str(path))
        writer.write(b"later\n")
    data = path.read_bytes()
    assert data.startswith(b"first\nnoise\n")
    assert data.endswith(b"noise\nlast\nlater\n")
    assert b"[the middle of this log was left out: it was longer than 4194304 bytes]" in data
    assert MAX_LOG_BYTES / 2 < len(data) < MAX_LOG_BYTES
    cap_log(str(path))
    assert path.read_bytes() == data
    cap_log(str(tmp_path / "none"))
    assert not (tmp_path / "none").exists()


def test_a_chatty_runtime_leaves_a_log_that_can_be_fetched(board: Board) -> None:
    chatty = "import os\nfor _ in range(1000):\n    os.write(2, b'noise ' * 2000)\nraise ImportError('at last')\n"
    client = board.attach()
    job = board.job(env=crashing(board, chatty))
    client.ask("start", job=job)
    assert client.follow(job["run_id"])[-1]["event"]["status"] == "failed"
    size = (board.workdir / "jobs" / job["run_id"] / "log.txt").stat().st_size
    assert MAX_LOG_BYTES / 2 < size <= MAX_LOG_BYTES


def test_a_log_is_bounded_while_the_job_runs(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("remote.jobs.GROWTH_BYTES", 2 * MAX_LOG_BYTES)
    monkeypatch.setattr("remote.jobs.python_command", lambda verb: ["sh", "-c", "sleep 600; exit", str(board.program)])
    job = Running(str(board.workdir), board.job(), dict(os.environ))
    log = Path(job.paths.log)
    try:
        log.write_bytes(bytes(2 * MAX_LOG_BYTES))
        job.bound_log()
        assert log.stat().st_size == 2 * MAX_LOG_BYTES
        log.write_bytes(bytes(2 * MAX_LOG_BYTES + 1))
        job.bound_log()
        assert log.stat().st_size < MAX_LOG_BYTES
    finally:
        job.end("cancelled")
        assert eventually(job.reap)
        job.journal.close()
    assert job.outcome == ("cancelled", None)


def test_it_is_bounded_by_the_supervisor(board: Board) -> None:
    altered(board, "contract", "MAX_LOG_BYTES = 4 * 1024 * 1024", "MAX_LOG_BYTES = 4096")
    altered(board, "server", "BEAT_S = 5.0", "BEAT_S = 0.2")
    client = board.attach()
    run_id = started(board, client)
    log = board.workdir / "jobs" / run_id / "log.txt"
    with log.open("ab") as stream:
        stream.write(bytes(100_000))
    assert eventually(lambda: log.stat().st_size < 4096, 5)
    client.ask("cancel", run_id=run_id)


def test_an_unknown_job_stays_unknown(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="no such job"):
        Ledger(str(tmp_path)).settle("never-was", None)
    assert journal.GROWTH_BYTES > MAX_LOG_BYTES
