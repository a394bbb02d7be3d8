"""The content-addressed store of artifacts: ``<cache>/artifacts/<key>/{model.<format>,manifest.json,build.log}``.

``evaluation.npz`` beside them is the same for many: one file on the disk, linked from ``evaluations/<sha256>.npz``.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from orchestrator.artifact import Artifact
from orchestrator.errors import BuildError

MANIFEST, LOG, EVALUATION = "manifest.json", "build.log", "evaluation.npz"
_POLL_S = 0.1

log = logging.getLogger(__name__)


def model_name(form: str) -> str:
    """The model's file in an entry."""
    return f"model.{form}"


class Store:
    """Entries appear whole or not at all, and are verified whenever they are found."""

    def __init__(self, cache: Path) -> None:
        self.root = cache / "artifacts"

    def find(self, key: str) -> Artifact | None:
        """The verified artifact; None where there is none or, with a warning, where it is damaged."""
        folder = self.root / key
        if not folder.is_dir():
            return None
        try:
            return _verified(key, folder)
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("artifact %s is damaged and will be built again: %s", folder, error)
            return None

    def has(self, key: str) -> bool:
        """True where there is an entry, looked at from outside only."""
        return (self.root / key / MANIFEST).is_file()

    def manifest(self, key: str) -> dict[str, Any] | None:
        """What an entry says about itself; nothing is verified."""
        try:
            return dict(json.loads((self.root / key / MANIFEST).read_bytes()))
        except (OSError, ValueError, TypeError):
            return None

    @contextmanager
    def locked(self, key: str, cancelled: Callable[[], bool]) -> Iterator[bool]:
        """Hold the key against all threads and processes; yields False when cancelled while waiting."""
        locks = self.root / "locks"
        with _disk(locks):
            locks.mkdir(parents=True, exist_ok=True)
        lock = FileLock(locks / f"{key}.lock", thread_local=False)
        while not cancelled():
            try:
                lock.acquire(timeout=_POLL_S, poll_interval=_POLL_S / 2)
            except Timeout:
                continue
            except OSError as error:  # a network disk has its own
                raise BuildError(f"cannot lock {locks}: {error.strerror or error}", hint="a local cache?") from error
            try:
                yield True
            finally:
                lock.release()
            return
        yield False

    @contextmanager
    def part(self, key: str) -> Iterator[Path]:
        """A folder to build in, beside the entries; gone afterwards. Needs the lock of the key."""
        with _disk(self.root):
            for left in self.root.glob(f".part-{key}-*"):  # of a process that died; nobody else holds the lock
                shutil.rmtree(left, ignore_errors=True)
            folder = self.root / f".part-{key}-{uuid.uuid4().hex[:8]}"
            folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def commit(self, key: str, part: Path) -> Artifact:
        """Turn a finished part into the entry; a damaged one in its place gives way."""
        entry = self.root / key
        with _disk(entry):
            self._share_evaluation(part)
            for file in part.iterdir():
                _sync(file)
            _sync(part)
            if entry.exists():
                shutil.rmtree(entry)
            part.rename(entry)
            _sync(self.root)
        artifact = self.find(key)
        if artifact is None:
            raise BuildError(f"artifact {entry} was damaged while it was written", hint="look at the disk")
        return artifact

    def _share_evaluation(self, part: Path) -> None:
        """One file for all that have the same; where a disk has no links, each keeps its own."""
        own = part / EVALUATION
        if not own.exists():
            return
        sha256 = _sha256(own)
        shared, fresh = self.root / "evaluations" / f"{sha256}.npz", own.with_suffix(f".{uuid.uuid4().hex[:8]}")
        shared.parent.mkdir(exist_ok=True)
        with suppress(OSError):
            if shared.exists() and _sha256(shared) == sha256:
                os.link(shared, fresh)
                fresh.replace(own)
            else:
                os.link(own, fresh)
                fresh.replace(shared)  # whole at once, in the place of a damaged one
        fresh.unlink(missing_ok=True)

    def keep_failed_log(self, key: str, part: Path) -> Path:
        """Save the log of a failed build; returns where it is."""
        kept = self.root / "failed" / f"{key}.log"
        source = part / LOG
        with _disk(kept):
            kept.parent.mkdir(exist_ok=True)
            kept.write_bytes(source.read_bytes() if source.exists() else b"")
        return kept


def _verified(key: str, folder: Path) -> Artifact:
    manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_bytes())
    path = folder / model_name(str(manifest["format"]))
    sha256 = _sha256(path)
    if manifest["key"] != key or manifest["sha256"] != sha256:
        raise ValueError(f"{path} has the digest {sha256[:12]}, its manifest says {str(manifest['sha256'])[:12]}")
    if (told := manifest.get("evaluation")) and _sha256(folder / EVALUATION) != told["sha256"]:
        raise ValueError(f"{folder / EVALUATION} is not what its manifest says")
    return Artifact(key, path, sha256, path.stat().st_size, manifest)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _disk(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BuildError(f"cannot write {path}: {error.strerror or error}", hint="space, permissions?") from error
