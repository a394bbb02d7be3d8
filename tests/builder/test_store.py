"""The store: whole entries or none, one builder per key, damage found."""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import threading
import time
from pathlib import Path

import pytest

from orchestrator.builder.store import Store
from orchestrator.errors import BuildError

KEY = "ab" * 32
CONTENT = b"a model"


def never() -> bool:
    return False


def put(store: Store) -> None:
    with store.locked(KEY, never), store.part(KEY) as part:
        (part / "model.tflite").write_bytes(CONTENT)
        manifest = {"key": KEY, "sha256": hashlib.sha256(CONTENT).hexdigest(), "weights": "random", "format": "tflite"}
        (part / "manifest.json").write_text(json.dumps(manifest))
        (part / "build.log").write_text("said nothing")
        store.commit(KEY, part)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def test_what_was_put_is_found(store: Store) -> None:
    assert store.find(KEY) is None
    put(store)
    found = store.find(KEY)
    assert found is not None
    assert found.path.read_bytes() == CONTENT
    assert (found.key, found.size_bytes, found.weights) == (KEY, len(CONTENT), "random")
    assert not list(store.root.glob(".part-*"))


@pytest.mark.parametrize(
    ("file", "content"),
    [("model.tflite", b"a modem"), ("manifest.json", b'{"key": "'), ("manifest.json", b"[]"), ("manifest.json", None)],
)
def test_damage_is_a_warning_and_a_rebuild(
    store: Store, caplog: pytest.LogCaptureFixture, file: str, content: bytes | None
) -> None:
    put(store)
    damaged = store.root / KEY / file
    damaged.unlink() if content is None else damaged.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert store.find(KEY) is None
    assert f"{KEY} is damaged" in caplog.text
    put(store)
    assert store.find(KEY) is not None


def test_a_dead_builders_leftovers_go(store: Store) -> None:
    left = store.root / f".part-{KEY}-dead"
    left.mkdir(parents=True)
    (left / "model.tflite").write_bytes(b"half")
    assert store.find(KEY) is None
    put(store)
    assert not left.exists()


def test_one_at_a_time_per_key(store: Store) -> None:
    inside, most = [0], [0]

    def work() -> None:
        with store.locked(KEY, never):
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            time.sleep(0.05)
            inside[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]


def test_waiting_for_a_key_can_be_cancelled(store: Store) -> None:
    stop = threading.Event()
    with store.locked(KEY, never) as first:
        assert first
        threading.Timer(0.2, stop.set).start()
        with store.locked(KEY, stop.is_set) as second:
            assert not second


def test_a_lock_that_the_disk_refuses_is_a_build_error(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def refusing(*_: object, **__: object) -> None:
        raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))

    monkeypatch.setattr("filelock.FileLock._acquire", refusing)
    with pytest.raises(BuildError, match=r"cannot lock .*timed out"):
        put(store)


def test_an_unwritable_cache_is_a_build_error(tmp_path: Path) -> None:
    (tmp_path / "artifacts").write_text("a file is in the way")
    store = Store(tmp_path)
    with pytest.raises(BuildError, match=r"cannot write .*artifacts"):
        put(store)
