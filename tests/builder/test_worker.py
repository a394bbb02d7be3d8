"""The life of the build worker: when it starts, how it ends, and that it takes nothing with it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.builder import BuildCancelled, Builder, WorkerDied
from orchestrator.errors import BuildError
from tests.builder.conftest import DIGITS, MOBILENET, Build, recipe

ROOT = Path(__file__).parents[2]


def wait_for(condition: Callable[[], object], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def python(code: str, *arguments: str) -> subprocess.Popen[str]:
    head = "import sys\nfrom pathlib import Path\nfrom tests.builder.conftest import *\n"
    return subprocess.Popen(
        [sys.executable, "-c", head + code, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )


@pytest.mark.slow
def test_a_cached_artifact_starts_no_tensorflow(build: Build, builder: Builder) -> None:
    cache = build(DIGITS).path.parents[2]
    code = """
with Builder(Path(sys.argv[1])) as builder:
    assert builder.has(recipe(DIGITS))
    assert builder.cached(recipe(DIGITS)) == builder.build(recipe(DIGITS))
    assert builder.worker_pid is None
print(sorted(m for m in sys.modules if m.split(".")[0] in ("tensorflow", "keras", "sklearn", "numpy")))
"""
    out, _ = python(code, str(cache)).communicate(timeout=60)
    assert out == "[]\n"


@pytest.mark.slow
def test_one_worker_makes_everything(build: Build, builder: Builder) -> None:
    build(DIGITS)
    pid = builder.worker_pid
    build(DIGITS, "float16")
    if pid is not None:  # all of it may have been cached by earlier tests
        assert builder.worker_pid == pid


@pytest.mark.slow
def test_two_processes_build_once(tmp_path: Path, lab: Path) -> None:
    code = """
with Builder(Path(sys.argv[1])) as builder:
    print(builder.build(recipe(net("tiny"))).sha256, builder.worker_pid is not None)
"""
    both = [python(code, str(tmp_path)) for _ in range(2)]
    (first, first_built), (second, second_built) = [p.communicate(timeout=120)[0].split() for p in both]
    assert first == second
    assert sorted([first_built, second_built]) == ["False", "True"]


@pytest.mark.slow
def test_a_killed_worker_is_an_error_and_the_next_build_works(build: Build, tmp_path: Path) -> None:
    with Builder(tmp_path) as builder, ThreadPoolExecutor() as pool:
        future = pool.submit(builder.build, recipe(DIGITS))
        wait_for(lambda: builder.worker_pid)
        pid = builder.worker_pid
        assert pid is not None
        wait_for(lambda: any(builder.cache_dir.glob("artifacts/.part-*/build.log")))
        os.kill(pid, 9)
        with pytest.raises(WorkerDied, match=r"SIGKILL, perhaps out of memory.*while it built digits") as caught:
            future.result()
        assert caught.value.log is not None
        assert Path(caught.value.log).is_file()
        several = list(pool.map(builder.build, [recipe(DIGITS)] * 3))
        assert builder.worker_pid != pid
        assert len(list((tmp_path / "artifacts").glob("?" * 64))) == 1
    # made by another process than the one of the other tests: the same bytes
    assert {a.sha256 for a in several} == {build(DIGITS).sha256}


def test_a_build_can_be_cancelled(tmp_path: Path) -> None:
    with Builder(tmp_path) as builder:
        stop = threading.Event()
        threading.Timer(0.7, stop.set).start()
        begun = time.monotonic()
        with pytest.raises(BuildCancelled, match="MobileNetV2"):
            builder.build(recipe(MOBILENET), cancelled=stop.is_set)
        assert time.monotonic() - begun < 2
        wait_for(lambda: builder.worker_pid is None)
        assert builder.cached(recipe(MOBILENET)) is None


def test_closing_ends_a_build(tmp_path: Path) -> None:
    builder = Builder(tmp_path)
    with ThreadPoolExecutor() as pool:
        future = pool.submit(builder.build, recipe(MOBILENET))
        wait_for(lambda: builder.worker_pid)
        pid = builder.worker_pid
        builder.close()
        with pytest.raises(BuildCancelled):
            future.result(timeout=5)
    assert pid is not None
    assert not alive(pid)


def test_the_worker_dies_with_its_parent(tmp_path: Path) -> None:
    code = """
import threading, time
builder = Builder(Path(sys.argv[1]))
threading.Thread(target=builder.build, args=(recipe(MOBILENET),)).start()
while builder.worker_pid is None:
    time.sleep(0.01)
print(builder.worker_pid, flush=True)
"""
    with python(code, str(tmp_path)) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        time.sleep(0.3)  # let it be well under way
        assert alive(pid)
        parent.kill()
        wait_for(lambda: not alive(pid), 3)


def test_a_worker_that_cannot_start_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tensorflow.py").write_text("raise ImportError('libsomething.so.6 is missing')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with Builder(tmp_path / "cache") as builder:
        with pytest.raises(WorkerDied, match=r"libsomething\.so\.6 is missing"):
            builder.build(recipe(MOBILENET))


@pytest.mark.slow
def test_a_failed_download_names_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nobody answers there
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    with Builder(tmp_path) as builder:
        with pytest.raises(BuildError, match=r"ImageNet weights of MobileNet could not be loaded") as caught:
            builder.build(recipe(replace(MOBILENET, application="MobileNet", weights="imagenet")))
    assert "model.weights=random" in str(caught.value)
    assert caught.value.log is not None
    assert "URL fetch failure" in Path(caught.value.log).read_text()
