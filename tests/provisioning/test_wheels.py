"""Real wheels from the real index, for this machine's architecture and for another."""

from __future__ import annotations

import hashlib
import struct
import subprocess
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.cell import Runtime
from orchestrator.errors import BoardNotReady
from orchestrator.provisioning import Environment, choose, prepare, wheels
from tests.provisioning.test_runtimes import AUTO, PI

MACHINES = {"x86_64": 62, "aarch64": 183}  # ELF e_machine
PY311 = replace(PI, arch="x86_64", libc=("glibc", "2.31"))  # as of tflite_runtime's last wheels, and of this machine
HERE = replace(PI, arch="x86_64", python=(*sys.version_info[:2], 0), libc=("glibc", "2.31"))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cache")
    try:
        prepare(choose(AUTO, HERE), path)
    except BoardNotReady as error:
        if "could not be fetched" in str(error):
            pytest.skip(f"needs the package index: {error}")
        raise
    return path


def environment(cache: Path, arch: str) -> Environment:
    facts = replace(HERE, arch=arch)
    return prepare(choose(AUTO, facts), cache)


@pytest.mark.parametrize("arch", ["x86_64", "aarch64"])
def test_the_libraries_are_of_the_boards_architecture(cache: Path, arch: str) -> None:
    found = environment(cache, arch)
    with tarfile.open(found.tar_path) as archive:
        names = archive.getnames()
        libraries = [name for name in names if name.endswith(".so") or ".so." in name]
        assert any(name.startswith("ai_edge_litert/") for name in libraries)
        assert any(name.startswith("numpy/") for name in libraries)
        for name in libraries:
            file = archive.extractfile(name)
            assert file is not None
            header = file.read(20)
            assert header[:4] == b"\x7fELF", name
            assert struct.unpack("<H", header[18:20])[0] == MACHINES[arch], name
    assert not [name for name in names if name.startswith("/") or ".." in name or "/tests/" in name]
    assert {text.partition("==")[0] for text in found.requirements} == {"ai-edge-litert", "numpy"}


def test_what_is_left_out_is_not_missed(cache: Path, tmp_path: Path) -> None:
    with tarfile.open(environment(cache, "x86_64").tar_path) as archive:
        archive.extractall(tmp_path, filter="data")
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); from ai_edge_litert.interpreter import Interpreter, load_delegate"
    )
    subprocess.run([sys.executable, "-I", "-S", "-c", script, str(tmp_path)], check=True)


def test_photographs_can_be_decoded_where_that_is_asked_for(cache: Path, tmp_path: Path) -> None:
    runtime = Runtime("tflite_runtime")
    with_pillow = prepare(choose(runtime, PY311, pillow=True), cache)
    assert "pillow" in {text.partition("==")[0] for text in with_pillow.requirements}
    with tarfile.open(with_pillow.tar_path) as archive:
        archive.extractall(tmp_path, filter="data")
    script = (
        "import io, sys; sys.path.insert(0, sys.argv[1]); from PIL import Image; stream = io.BytesIO()\n"
        "Image.new('RGB', (40, 30)).save(stream, 'JPEG'); print(Image.open(stream).convert('RGB').resize((8, 8)).size)"
    )
    command = [sys.executable, "-I", "-S", "-c", script, str(tmp_path)]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "(8, 8)\n"


def test_manifest_and_bytes_are_stable(cache: Path, tmp_path: Path) -> None:
    first, second = environment(cache, "aarch64"), environment(tmp_path, "aarch64")
    assert first.tar_path != second.tar_path
    assert replace(first, tar_path=tmp_path) == replace(second, tar_path=tmp_path)
    assert first.sha256 == hashlib.sha256(first.tar_path.read_bytes()).hexdigest()
    assert first.size_bytes == first.tar_path.stat().st_size < first.unpacked_bytes
    assert first.digest != environment(cache, "x86_64").digest


def test_a_second_sweep_asks_nobody(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = environment(cache, "x86_64")
    monkeypatch.setattr(wheels.uv, "find_uv_bin", lambda: "/bin/false")
    assert environment(cache, "x86_64") == before


@pytest.mark.usefixtures("cache")  # skips where there is no index
def test_settings_of_the_project_one_stands_in_are_not_the_boards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "uv.toml").write_text('constraint-dependencies = ["numpy<1"]\n')
    monkeypatch.chdir(tmp_path)
    assert "numpy" in " ".join(environment(tmp_path, "x86_64").requirements)


def test_a_half_made_environment_is_made_again(cache: Path) -> None:
    before = environment(cache, "x86_64")
    (before.tar_path.parent / "manifest.json").unlink()
    assert environment(cache, "x86_64") == before


def test_offline_and_not_cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    with pytest.raises(BoardNotReady, match=r"ai-edge-litert.* for aarch64-manylinux_2_31, Python 3.*not cached"):
        environment(tmp_path, "aarch64")
    assert not list((tmp_path / "wheels").glob("*.txt"))


def test_an_index_that_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    with pytest.raises(BoardNotReady, match=r"could not be fetched.*UV_DEFAULT_INDEX"):
        environment(tmp_path, "aarch64")


@pytest.mark.usefixtures("cache")  # skips where there is no index
def test_wheels_that_do_not_exist(tmp_path: Path) -> None:
    choice = replace(choose(Runtime("tflite_runtime"), replace(PI, python=(3, 9, 0))), python="3.13")
    with pytest.raises(BoardNotReady, match=r"there are no wheels of tflite-runtime.*Python 3\.13"):
        prepare(choice, tmp_path)


@pytest.mark.usefixtures("cache")  # skips where there is no index
@pytest.mark.parametrize(
    ("arch", "choice", "packages"),
    [
        ("aarch64", Runtime("openvino"), {"openvino", "numpy"}),
        ("aarch64", Runtime("onnxruntime", delegate="cuda"), {"onnxruntime-gpu", "numpy"}),
        ("x86_64", Runtime("litert", delegate="npu"), {"ai-edge-litert", "ml-dtypes", "numpy", "openvino"}),
    ],
)
def test_wheels_of_accelerators_are_on_the_index(
    tmp_path: Path, arch: str, choice: Runtime, packages: set[str]
) -> None:
    """Resolved only: some of them are hundreds of megabytes."""
    board = replace(HERE, arch=arch, libc=("glibc", "2.36"))
    chosen = choose(choice, board, "onnx" if choice.name == "onnxruntime" else "tflite")
    lock = wheels._resolved(chosen, tmp_path / "lock.txt", lambda: False)
    assert {line.partition("==")[0] for line in lock.splitlines() if "==" in line} == packages
