"""Onto the built-in board, with the board's own code on the other side."""

from __future__ import annotations

import hashlib
import io
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.connection import Connection, LocalServer, connect
from orchestrator.device import Board, Device
from orchestrator.errors import TransferFailed
from orchestrator.provisioning import Environment, Facts, Program, deploy, facts
from remote import files, shelf
from remote.files import FileError


class Supervisor:
    """Answers requests with what the program on the board would do."""

    def __init__(self, workdir: str) -> None:
        self._workdir, self.asked = workdir, list[str]()

    def request(self, op: str, *, timeout_s: float = 60.0, **fields: Any) -> dict[str, Any]:
        self.asked.append(op)
        if op == "adopt":
            return files.adopt(self._workdir, fields["part"], fields["sha256"], fields["size"])
        if op == "room":
            return shelf.Shelf(self._workdir).room(fields["bytes"], fields["limit"], fields["keep"])
        return files.unpack(self._workdir, fields["blob"], fields["env"])


@pytest.fixture
def connection(local_server: LocalServer, local_board: Board) -> Iterator[Connection]:
    with connect(local_board, local=local_server) as made:
        yield made


@pytest.fixture
def device(tmp_path: Path) -> Device:
    return Device("local", ["local"], workdir=str(tmp_path / "work dir"))


@pytest.fixture
def board_facts(connection: Connection, device: Device) -> Facts:
    return facts(connection, device)


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    path = tmp_path / "env.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        info = tarfile.TarInfo("pkg/__init__.py")
        info.size = 3
        archive.addfile(info, io.BytesIO(b"x=1"))
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return Environment("e" * 32, path, sha256, path.stat().st_size, 3, ["pkg==1"])


def quiet(_: str) -> None:
    """Nobody watches."""


def names(facts_: Facts, folder: str) -> list[str]:
    return sorted(path.name for path in Path(facts_.workdir, folder).iterdir())


def test_the_program_arrives_once_and_starts(
    connection: Connection, board_facts: Facts, device: Device, tmp_path: Path
) -> None:
    program = Program.built(tmp_path / "cache")
    assert Program.built(tmp_path / "cache") == program
    deploy.push_program(connection, board_facts, device, program)
    assert names(board_facts, "blobs") == [program.sha256]
    assert facts(connection, device).blobs == board_facts.blobs == {program.sha256}
    program.path.unlink()  # a second upload would miss it
    deploy.push_program(connection, board_facts, device, program)
    out = connection.run([*deploy.program_command(board_facts, device, program), "no-such-verb"], check=False)
    assert "No module" not in out.stderr
    assert out.exit_code != 0


def test_a_program_that_arrives_changed_is_not_kept(
    connection: Connection, board_facts: Facts, device: Device, tmp_path: Path
) -> None:
    program = Program.built(tmp_path / "cache")
    program.path.write_bytes(program.path.read_bytes() + b"x")
    with pytest.raises(TransferFailed, match=r"did not arrive as it was sent.*sha256"):
        deploy.push_program(connection, board_facts, device, program)
    assert names(board_facts, "blobs") == []


def test_an_environment_is_sent_and_unpacked_once(
    connection: Connection, board_facts: Facts, environment: Environment
) -> None:
    supervisor, said = Supervisor(board_facts.workdir), list[str]()
    for _ in range(2):
        deploy.push_environment(connection, supervisor, board_facts, environment, said.append)
    assert supervisor.asked == ["room", "adopt", "unpack"]
    assert Path(board_facts.workdir, "envs", environment.digest, "pkg/__init__.py").read_text() == "x=1"
    assert any("pkg==1" in text for text in said)
    again = facts(connection, Device("local", ["local"], workdir=board_facts.workdir))
    deploy.push_environment(connection, supervisor, again, environment, quiet)
    assert supervisor.asked == ["room", "adopt", "unpack"]


def test_a_disk_that_is_too_small_is_told_before_anything_is_sent(
    connection: Connection, board_facts: Facts, environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil._ntuple_diskusage(10**9, 995_000_000, 5_000_000)  # type: ignore[attr-defined]
    monkeypatch.setattr(shelf.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(FileError, match=r"not enough space in .*work dir: 16\.8 MB are needed, 5\.0 MB are free"):
        deploy.push_environment(connection, Supervisor(board_facts.workdir), board_facts, environment, quiet)
    assert names(board_facts, "blobs") == []


def test_half_a_file_does_not_stay(
    connection: Connection, board_facts: Facts, environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = connection.put

    def breaks(local: Path, remote: str) -> None:
        put(local, remote)
        raise TransferFailed("the disk is full")

    monkeypatch.setattr(connection, "put", breaks)
    with pytest.raises(TransferFailed):
        deploy.push_environment(connection, Supervisor(board_facts.workdir), board_facts, environment, quiet)
    assert names(board_facts, "blobs") == []
