"""Uploaded parts and archives, hostile ones included."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from remote import files
from remote.files import FileError


@pytest.fixture
def workdir(tmp_path: Path) -> Path:
    for name in ("blobs", "envs"):
        (tmp_path / "w" / name).mkdir(parents=True)
    return tmp_path / "w"


def tar_of(workdir: Path, fill: Callable[[tarfile.TarFile], None], mode: str = "w") -> str:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        fill(archive)
    digest = hashlib.sha256(buffer.getvalue()).hexdigest()
    (workdir / "blobs" / digest).write_bytes(buffer.getvalue())
    return digest


def member(
    archive: tarfile.TarFile, name: str, data: bytes = b"x", kind: bytes = tarfile.REGTYPE, link: str = ""
) -> None:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, len(data) if kind == tarfile.REGTYPE else 0
    info.mode = 0o4777
    archive.addfile(info, io.BytesIO(data))


def test_a_good_part_becomes_a_blob(workdir: Path) -> None:
    (workdir / "blobs" / ".part-1").write_bytes(b"hello")
    digest = hashlib.sha256(b"hello").hexdigest()
    files.adopt(str(workdir), "blobs/.part-1", digest, 5)
    assert [path.name for path in (workdir / "blobs").iterdir()] == [digest]


def test_what_was_adopted_may_be_asked_again(workdir: Path) -> None:
    """The link may be lost between the work and its answer."""
    (workdir / "blobs" / ".part-1").write_bytes(b"hello")
    digest = hashlib.sha256(b"hello").hexdigest()
    first = files.adopt(str(workdir), "blobs/.part-1", digest, 5)
    assert files.adopt(str(workdir), "blobs/.part-1", digest, 5) == first
    with pytest.raises(FileError, match="No such file"):
        files.adopt(str(workdir), "blobs/.part-1", digest, 6)


@pytest.mark.parametrize(("data", "size"), [(b"hellO", 5), (b"hell", 5), (b"", 5)])
def test_a_part_that_is_not_what_was_sent_is_removed(workdir: Path, data: bytes, size: int) -> None:
    (workdir / "blobs" / ".part-1").write_bytes(data)
    with pytest.raises(FileError) as refused:
        files.adopt(str(workdir), "blobs/.part-1", hashlib.sha256(b"hello").hexdigest(), size)
    assert refused.value.kind == "TransferFailed"
    assert list((workdir / "blobs").iterdir()) == []


@pytest.mark.parametrize("part", ["../secret", "/etc/passwd", "blobs/.part-../../x", "blobs/abc", None, "jobs/.part-1"])
def test_only_a_part_can_be_adopted(workdir: Path, part: object) -> None:
    with pytest.raises(FileError, match="no uploaded part"):
        files.adopt(str(workdir), part, "a" * 64, 5)


def test_a_link_in_place_of_a_part_is_not_followed(workdir: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"hello")
    (workdir / "blobs" / ".part-1").symlink_to(tmp_path / "secret")
    with pytest.raises(FileError):
        files.adopt(str(workdir), "blobs/.part-1", hashlib.sha256(b"hello").hexdigest(), 5)


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz"])
def test_an_environment_is_unpacked_once(workdir: Path, mode: str) -> None:
    def fill(archive: tarfile.TarFile) -> None:
        member(archive, "numpy/__init__.py", b"one")
        member(archive, "./bin", kind=tarfile.DIRTYPE)

    blob = tar_of(workdir, fill, mode)
    assert files.unpack(str(workdir), blob, "e" * 16) == {"existing": False, "members": 2}
    assert (workdir / "envs" / ("e" * 16) / "numpy" / "__init__.py").read_bytes() == b"one"
    assert (workdir / "envs" / ("e" * 16) / "numpy" / "__init__.py").stat().st_mode & 0o7077 == 0
    assert files.unpack(str(workdir), blob, "e" * 16) == {"existing": True}


def test_of_two_sessions_that_unpack_at_once_both_have_the_environment(
    workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blob = tar_of(workdir, lambda archive: member(archive, "a.py"))
    extract = files._extract

    def slower(archive: tarfile.TarFile, root: str) -> int:
        monkeypatch.setattr(files, "_extract", extract)
        assert files.unpack(str(workdir), blob, "e" * 16) == {"existing": False, "members": 1}
        return extract(archive, root)

    monkeypatch.setattr(files, "_extract", slower)
    assert files.unpack(str(workdir), blob, "e" * 16) == {"existing": True}
    assert [path.name for path in (workdir / "envs").iterdir()] == ["e" * 16]


@pytest.mark.parametrize(
    ("name", "kind", "link"),
    [
        ("../escaped", tarfile.REGTYPE, ""),
        ("a/../../escaped", tarfile.REGTYPE, ""),
        ("/tmp/escaped", tarfile.REGTYPE, ""),
        ("link", tarfile.SYMTYPE, "/etc"),
        ("link", tarfile.SYMTYPE, "../.."),
        ("hard", tarfile.LNKTYPE, "../../secret"),
        ("fifo", tarfile.FIFOTYPE, ""),
        ("null", tarfile.CHRTYPE, ""),
    ],
)
def test_a_hostile_archive_leaves_nothing(workdir: Path, name: str, kind: bytes, link: str) -> None:
    def fill(archive: tarfile.TarFile) -> None:
        member(archive, "good")
        member(archive, name, kind=kind, link=link)

    blob = tar_of(workdir, fill)
    with pytest.raises(FileError) as refused:
        files.unpack(str(workdir), blob, "e" * 16)
    assert refused.value.kind == "BadArchive"
    assert list((workdir / "envs").iterdir()) == []
    assert sorted(path.name for path in workdir.iterdir()) == ["blobs", "envs"]


@pytest.mark.parametrize("cut", [0, 100, 700])
def test_a_broken_archive_leaves_nothing(workdir: Path, cut: int) -> None:
    blob = tar_of(workdir, lambda archive: member(archive, "file", b"y" * 1000))
    path = workdir / "blobs" / blob
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(FileError):
        files.unpack(str(workdir), blob, "e" * 16)
    assert list((workdir / "envs").iterdir()) == []


def test_an_archive_bomb_is_stopped(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_UNPACKED_BYTES", 1000)
    blob = tar_of(workdir, lambda archive: member(archive, "zeros", bytes(100_000)), "w:gz")
    with pytest.raises(FileError, match="more than"):
        files.unpack(str(workdir), blob, "e" * 16)


def test_a_blob_that_is_not_there_is_said(workdir: Path) -> None:
    with pytest.raises(FileError, match="No such file"):
        files.unpack(str(workdir), "a" * 64, "e" * 16)


def test_old_parts_are_swept_and_young_ones_left(workdir: Path) -> None:
    for name in ("blobs/.part-old", "blobs/.part-new", "blobs/keep"):
        (workdir / name).touch()
    (workdir / "envs" / ".part-old").mkdir()
    long_ago = time.time() - 2 * 86400
    for name in ("blobs/.part-old", "blobs/keep", "envs/.part-old"):
        os.utime(workdir / name, (long_ago, long_ago))
    files.sweep_parts(str(workdir))
    assert sorted(path.name for path in workdir.glob("*/*")) == sorted([".part-new", "keep"])
