"""What a work folder keeps, and what goes first."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from remote import shelf
from remote.files import FileError
from tests.remote.boards import Board

MB = 1_000_000


@pytest.fixture
def workdir(tmp_path: Path) -> Path:
    for folder in ("blobs", "envs", "jobs", "engines"):
        (tmp_path / folder).mkdir()
    return tmp_path


def put(path: Path, hours_ago: float, size: int = MB) -> Path:
    if path.parent.name == "envs":
        path.mkdir()
        (path / "lib.so").write_bytes(bytes(size))
    else:
        path.write_bytes(bytes(size))
    at = time.time() - 3600 * hours_ago
    os.utime(path, (at, at))
    return path


def test_what_was_used_least_lately_makes_room(workdir: Path) -> None:
    for name, hours_ago in (("new", 2), ("old", 9), ("older", 10)):
        put(workdir / "blobs" / name, hours_ago)
    put(workdir / "envs" / "oldest", 11)
    found = shelf.Shelf(str(workdir)).room(2 * MB, 4 * MB, [])
    assert found["evicted"] == ["oldest", "older"]
    assert sorted(p.name for p in (workdir / "blobs").iterdir()) == ["new", "old"]
    assert not (workdir / "envs" / "oldest").exists()
    assert shelf.Shelf(str(workdir)).room(2 * MB, 4 * MB, [])["evicted"] == []
    assert shelf.Shelf(str(workdir)).room(99 * MB, 0, [])["evicted"] == [], "no limit"


def test_what_a_job_needs_stays_and_what_was_just_used_goes_last(workdir: Path) -> None:
    for name, hours_ago in (("needed", 10), ("used", 9), ("other", 8)):
        put(workdir / "blobs" / name, hours_ago)
    kept = shelf.Shelf(str(workdir))
    kept.use([str(workdir / "blobs" / "used")])
    assert kept.room(MB, 2 * MB, ["needed"])["evicted"] == ["other", "used"]
    assert (workdir / "blobs" / "needed").exists()


def test_what_somebody_else_uses_stays(workdir: Path) -> None:
    """Boards may share a work folder."""
    put(workdir / "blobs" / "theirs", 0.5)
    assert shelf.Shelf(str(workdir)).room(MB, MB, [])["evicted"] == []


def test_a_full_disk_is_emptied_of_caches_before_it_is_refused(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(workdir / "blobs" / "a", 5, 20 * MB)

    def usage(_: str) -> shutil._ntuple_diskusage:
        free = 5 * MB + (0 if (workdir / "blobs" / "a").exists() else 20 * MB)
        return shutil._ntuple_diskusage(100 * MB, 100 * MB - free, free)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    assert shelf.Shelf(str(workdir)).room(MB, 0, [])["evicted"] == ["a"]
    with pytest.raises(FileError, match=r"66\.8 MB are needed, 25\.0 MB are free, and nothing more"):
        shelf.Shelf(str(workdir)).room(50 * MB, 0, [])


def test_jobs_whose_records_were_taken_home_go_after_a_week_and_others_never(workdir: Path) -> None:
    for name in ("taken", "waiting"):
        (workdir / "jobs" / name).mkdir()
        (workdir / "jobs" / name / "record.json").write_text("{}")
    assert shelf.take(str(workdir), ["taken", "not here"]) == 1
    assert shelf.summary(str(workdir))["waiting"] == 1
    assert shelf.forget_taken(str(workdir)) == 0
    old = time.time() - 8 * 86400
    os.utime(workdir / "jobs" / "taken" / shelf.TAKEN, (old, old))
    assert shelf.forget_taken(str(workdir)) == 1
    assert [p.name for p in (workdir / "jobs").iterdir()] == ["waiting"]


def test_the_supervisor_makes_room_and_keeps_itself(board: Board) -> None:
    client = board.attach()
    old = put(board.workdir / "blobs" / ("a" * 64), 5)
    answer = client.ask("room", bytes=MB, limit=1, keep=[])
    assert old.name in answer["ok"]["evicted"]
    assert client.ask("room", bytes=-1, limit=1)["error"]["type"] == "BadRequest"
    client.close()
