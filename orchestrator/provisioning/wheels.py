"""A board's Python environment, made on the controller: resolved, verified by hash, packed as one file.

``uv`` resolves and installs for a platform that this machine is not. Everything is cached under the digest of what
went in, so that a second sweep needs no network.
"""

from __future__ import annotations

import fnmatch
import gzip
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, cast

import uv
from filelock import FileLock

from orchestrator.errors import BoardNotReady, Interrupted
from orchestrator.provisioning.runtimes import RuntimeChoice

FORMAT = 1  # of the packed file; a new number makes new digests
COMPRESSION = 1  # boards unpack faster than links carry, and the controller packs once
UV_TIMEOUT_S = 900.0
LOCK_TIMEOUT_S = 1000.0


class NotFetched(BoardNotReady):
    """The board's wheels are not here, and the package index gave none: no fault of the board."""


@dataclass(frozen=True, slots=True)
class Environment:
    """Unpacked wheels as one ``tar.gz``, to be put on ``sys.path`` of a board."""

    digest: str
    tar_path: Path
    sha256: str
    size_bytes: int
    unpacked_bytes: int
    requirements: list[str]  # name==version


def _never() -> bool:
    return False


def prepare(choice: RuntimeChoice, cache: Path, cancelled: Callable[[], bool] = _never) -> Environment:
    """The environment of a runtime for a board, from the cache or made now. ``cancelled`` is asked twice a second.

    Raises BoardNotReady when its wheels cannot be found or fetched, naming them and the platform; Interrupted once
    ``cancelled`` says so.
    """
    shelf = cache / "wheels"
    shelf.mkdir(parents=True, exist_ok=True)
    if choice.pinned is not None:
        return _kept(shelf, choice.pinned)
    key = _digest({name: value for name, value in asdict(choice).items() if name != "pinned"})
    with FileLock(shelf / f".{key}.lock", timeout=LOCK_TIMEOUT_S):
        lock = _resolved(choice, shelf / f"{key}.txt", cancelled)
        digest = _digest({"format": FORMAT, "lock": lock, "drop": choice.drop, "platform": choice.platform})
        folder = shelf / digest
        if not (folder / "manifest.json").exists():
            _make(choice, lock, folder, cancelled)
    return _read(folder)


def is_kept(cache: Path, digest: str) -> bool:
    """Whether an environment that was made before is still there."""
    return (cache / "wheels" / digest / "manifest.json").is_file()


def _kept(shelf: Path, digest: str) -> Environment:
    """Raises BoardNotReady where it is not there any more."""
    if not is_kept(shelf.parent, digest):
        raise BoardNotReady(
            f"the environment {digest} (runtime.environment) is not in {shelf}",
            hint="it was made on another machine, or the cache was emptied: leave runtime.environment out",
        )
    return _read(shelf / digest)


def _read(folder: Path) -> Environment:
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    return Environment(digest=folder.name, tar_path=folder / "env.tar.gz", **manifest)


def packed_bytes(requirement: str, cache: Path) -> list[int]:
    """Sizes of the environments with a package that were made before, for whatever platforms."""
    sizes = []
    for path in (cache / "wheels").glob("*/manifest.json"):
        try:
            manifest = json.loads(path.read_text(encoding="utf-8"))
            if any(pinned.startswith(f"{requirement}==") for pinned in manifest["requirements"]):
                sizes.append(int(manifest["size_bytes"]))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
    return sorted(sizes)


def _digest(data: object) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:32]


def _resolved(choice: RuntimeChoice, path: Path, cancelled: Callable[[], bool]) -> str:
    """The pinned and hashed requirements, without what the interpreter never imports."""
    if path.exists():
        return path.read_text(encoding="utf-8")
    command = ["pip", "compile", "-", "--generate-hashes", "--no-header", "--no-annotate", *_platform(choice)]
    for name in choice.unneeded:
        command += ["--no-emit-package", name]
    lock = "".join(
        line + "\n"
        for line in _uv(command, choice, cancelled, "\n".join(choice.requirements)).splitlines()
        if not line.startswith("#")  # what was left out is listed in comments
    )
    _write(path, lock)
    return lock


def _make(choice: RuntimeChoice, lock: str, folder: Path, cancelled: Callable[[], bool]) -> None:
    """Install and pack; the folder appears whole or not at all."""
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".making-") as scratch:
        tree, made = Path(scratch) / "tree", Path(scratch) / "made"
        made.mkdir()
        (Path(scratch) / "lock.txt").write_text(lock, encoding="utf-8")
        install = ["pip", "install", "--target", str(tree), "--no-deps", "--require-hashes", "--no-compile-bytecode"]
        _uv([*install, *_platform(choice), "-r", str(Path(scratch) / "lock.txt")], choice, cancelled)
        unpacked_bytes = _pack(tree, made / "env.tar.gz", choice.drop)
        packed = made / "env.tar.gz"
        manifest = {
            "sha256": _sha256(packed),
            "size_bytes": packed.stat().st_size,
            "unpacked_bytes": unpacked_bytes,
            "requirements": re.findall(r"^(\S+==[^\s\\;]+)", lock, re.MULTILINE),
        }
        (made / "manifest.json").write_text(json.dumps(manifest, indent=1), encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        made.rename(folder)


def _platform(choice: RuntimeChoice) -> list[str]:
    return [
        *("--python-platform", choice.platform, "--python-version", choice.python),
        *("--only-binary", ":all:", "--python", sys.executable, "--quiet", "--no-progress"),
    ]


def _uv(arguments: list[str], choice: RuntimeChoice, cancelled: Callable[[], bool], text: str = "") -> str:
    environment = {key: value for key, value in os.environ.items() if key not in ("VIRTUAL_ENV", "PYTHONPATH")}
    try:
        child = subprocess.Popen(
            [uv.find_uv_bin(), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=os.sep,  # uv takes settings from a pyproject.toml or uv.toml of where it stands, and above
            start_new_session=True,  # Ctrl-C is for the controller, which ends it in its own way
        )
    except FileNotFoundError as error:
        raise BoardNotReady("the program uv is missing on this machine", hint="pip install uv") from error
    stdout, stderr = _waited(child, text, choice, cancelled)
    if child.returncode != 0:
        raise _failed(choice, " ".join(stderr.split())[-800:])
    return stdout


def _waited(
    child: subprocess.Popen[str], text: str, choice: RuntimeChoice, cancelled: Callable[[], bool]
) -> tuple[str, str]:
    """What a child says until it ends. It is killed when it takes too long or nobody wants it any more."""
    end, given = time.monotonic() + UV_TIMEOUT_S, text or None
    while True:
        try:
            return child.communicate(given, timeout=0.5)
        except subprocess.TimeoutExpired as error:
            given = None  # communicate goes on where it was
            if not cancelled() and time.monotonic() < end:
                continue
            child.kill()
            child.communicate()
            if cancelled():
                raise Interrupted("stopped while wheels were fetched") from error
            raise _failed(choice, f"no answer from the package index in {UV_TIMEOUT_S:g} s") from error


def _failed(choice: RuntimeChoice, why: str) -> BoardNotReady:
    what = f"{' '.join(choice.requirements)} for {choice.platform}, Python {choice.python}"
    if "No solution found" in why and "network was disabled" not in why:
        return BoardNotReady(f"there are no wheels of {what}: {why}", hint="try another Python in device.python")
    return NotFetched(
        f"the wheels of {what} are not cached and could not be fetched: {why}",
        hint="this machine (not the board) needs the package index once; a mirror goes into UV_DEFAULT_INDEX",
    )


def _pack(tree: Path, target: Path, drop: tuple[str, ...]) -> int:
    """Same files, same bytes: sorted, no times, no owners. Returns the size of what is inside."""
    total = 0
    with target.open("wb") as raw, gzip.GzipFile("", "wb", COMPRESSION, raw, mtime=0) as packed:
        with tarfile.open(fileobj=cast(IO[bytes], packed), mode="w", format=tarfile.PAX_FORMAT) as archive:
            for path in _packed(tree, drop):
                info = tarfile.TarInfo(path.relative_to(tree).as_posix())
                info.size = path.stat().st_size
                info.mode = 0o755 if os.access(path, os.X_OK) else 0o644
                with path.open("rb") as content:
                    archive.addfile(info, content)
                total += info.size
    return total


def _packed(tree: Path, drop: tuple[str, ...]) -> Iterator[Path]:
    for path in sorted(tree.rglob("*")):
        name = path.relative_to(tree).as_posix()
        if path.is_file() and name != ".lock" and not any(fnmatch.fnmatchcase(name, pattern) for pattern in drop):
            yield path


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write(path: Path, text: str) -> None:
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    part.write_text(text, encoding="utf-8")
    part.replace(path)
