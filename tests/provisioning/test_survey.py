from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.connection import Connection, LocalServer, connect
from orchestrator.device import Board, Device
from orchestrator.errors import BoardNotReady
from orchestrator.provisioning import facts
from orchestrator.provisioning.survey import parse


@pytest.fixture
def connection(local_server: LocalServer, local_board: Board) -> Iterator[Connection]:
    with connect(local_board, local=local_server) as made:
        yield made


def device(tmp_path: Path, **settings: object) -> Device:
    return Device("local", ["local"], **({"workdir": str(tmp_path / "work dir")} | settings))  # type: ignore[arg-type]


def python(path: Path, script: str) -> str:
    """Something that is called as a Python."""
    path.write_text("#!/bin/sh\n" + script)
    path.chmod(0o755)
    return str(path)


def test_this_machine(connection: Connection, tmp_path: Path) -> None:
    found = facts(connection, device(tmp_path))
    assert found.workdir == str(tmp_path / "work dir")
    assert (tmp_path / "work dir/blobs").is_dir()
    assert found.python >= (3, 8, 0)
    assert found.cores >= 1
    assert found.blobs == set()


def test_no_such_python(connection: Connection, tmp_path: Path) -> None:
    with pytest.raises(BoardNotReady, match=r"there is no python3\.99 on the board.*device\.python"):
        facts(connection, device(tmp_path, python="python3.99"))


def test_a_python_in_the_home_directory(tmp_path: Path, local_board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "my home"
    home.mkdir()
    python(home / "py 3", 'exec python3 "$@"\n')
    monkeypatch.setenv("HOME", str(home))
    with LocalServer() as server, connect(local_board, local=server) as connection:
        assert facts(connection, device(tmp_path, python="~/py 3")).home == str(home)


@pytest.mark.parametrize(
    ("script", "version"),
    [
        (
            '[ "$1" = -V ] && { echo Python 2.7.18 >&2; exit 0; }; echo "Unknown option: -I" >&2; exit 2',
            "Python 2.7.18",
        ),
        ('exec python3 -c "import sys; sys.version_info = (3, 6, 9); exec(sys.stdin.read())"', "Python 3.6.9"),
    ],
)
def test_a_python_that_is_too_old(connection: Connection, tmp_path: Path, script: str, version: str) -> None:
    old = python(tmp_path / "python", script)
    with pytest.raises(BoardNotReady, match=rf"is {version}; the benchmark needs 3\.8.*uv python install"):
        facts(connection, device(tmp_path, python=old))


def test_something_that_is_no_python(connection: Connection, tmp_path: Path) -> None:
    with pytest.raises(BoardNotReady, match=r"no usable answer \(exit status 3\): what\?"):
        facts(connection, device(tmp_path, python=python(tmp_path / "python", "echo 'what?'; exit 3")))


def test_banners_around_the_answer(connection: Connection, tmp_path: Path) -> None:
    noisy = python(tmp_path / "python", 'echo "*** Welcome ***"; python3 "$@"; echo bye; printf "\\377"')
    assert facts(connection, device(tmp_path, python=noisy)).bits in (32, 64)


def test_a_work_folder_that_cannot_be_made(connection: Connection, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(BoardNotReady, match=r"work folder cannot be written.*file.*device\.workdir"):
        facts(connection, device(tmp_path, workdir=str(tmp_path / "file/work")))


@pytest.mark.parametrize("answer", ["{", "[]", "{}", "null", "[" * 100_000, '{"python": "x", "libc": []}'])
def test_garbage(connection: Connection, tmp_path: Path, answer: str) -> None:
    (tmp_path / "answer").write_text("@@edge-facts@@ " + answer)
    with pytest.raises(BoardNotReady, match="make no sense"):
        facts(connection, device(tmp_path, python=python(tmp_path / "python", f"cat '{tmp_path}/answer'")))


GOOD = {
    "python": [3, 11, 2], "python_implementation": "CPython", "home": "/home/pi", "workdir": "/home/pi/w",
    "workdir_error": None, "arch": "aarch64", "bits": 64, "libc": ["glibc", "2.36"], "kernel": "6.1", "os": "Debian",
    "cpu_model": "Cortex-A72", "cores": 4, "memory_bytes": 4_000_000_000, "available_memory_bytes": None,
    "disk_free_bytes": 10**10, "device_tree_model": "Raspberry Pi 4", "boot_id": "b", "hostname": "pi", "uid": 1000,
    "governor": None, "power_mode": None, "isolated_cpus": "2-3", "firmware": None, "serial": None,
    "blobs": ["../../etc/passwd", "a" * 64, 7], "envs": [],
}  # fmt: skip


def test_only_digests_are_believed() -> None:
    assert parse(GOOD).blobs == {"a" * 64}


@pytest.mark.parametrize(
    "change",
    [
        {"workdir": "relative"}, {"workdir": "/a\nb"}, {"home": None}, {"cores": "4"}, {"cores": -1}, {"bits": True},
        {"memory_bytes": float("nan")}, {"memory_bytes": 2**70}, {"arch": ["x"]}, {"python": [3]}, {"blobs": "x"},
    ],
    ids=json.dumps,
)  # fmt: skip
def test_wrong_fields_are_refused(change: dict[str, object]) -> None:
    with pytest.raises((TypeError, ValueError, IndexError)):
        parse(GOOD | change)


def test_control_characters_are_taken_out() -> None:
    assert parse(GOOD | {"os": "Debian\x1b[31m\n<b>" + "x" * 1000}).os.startswith("Debian [31m <b>x")
