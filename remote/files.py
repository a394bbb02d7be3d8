"""Files under the work folder: atomic writes, uploaded parts made blobs, environments unpacked safely."""

from __future__ import annotations

import errno
import os
from contextlib import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tarfile import TarFile, TarInfo
    from typing import Any, BinaryIO

_CHUNK = 1024 * 1024
MAX_UNPACKED_BYTES = 8 * 1024**3
MAX_MEMBERS = 200_000
_STALE_S = 86400.0


class FileError(Exception):
    """A file request that cannot be met; ``kind`` is the type the controller sees."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def sync_folder(path: str) -> None:
    """Make a rename in this folder survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_full(error: OSError) -> bool:
    """Whether the disk or the user's share of it is full."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def write_atomic(path: str, data: bytes) -> None:
    """All of it or nothing, also over a power cut; a part that a full disk refuses does not stay to fill it."""
    part = "%s.part-%d" % (path, os.getpid())
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(part, path)
    except OSError:
        with suppress(OSError):
            os.remove(part)
        raise
    sync_folder(os.path.dirname(path))


def write_json(path: str, data: Any) -> None:
    """JSON, atomically."""
    import json

    write_atomic(path, json.dumps(data, separators=(",", ":"), allow_nan=False).encode())


def read_json(path: str) -> Any:
    """The data of a JSON file; None where it is not there or no JSON."""
    import json

    try:
        with open(path, "rb") as stream:
            return json.loads(stream.read().decode("utf-8"))
    except (OSError, ValueError):
        return None


def sha256_of(stream: BinaryIO) -> str:
    """The digest of what is left in a stream."""
    import hashlib

    digest = hashlib.sha256()
    for chunk in iter(lambda: stream.read(_CHUNK), b""):
        digest.update(chunk)
    return digest.hexdigest()


def _digest(text: Any, pattern: str, what: str) -> str:
    import re

    if not isinstance(text, str) or not re.fullmatch(pattern, text):
        raise FileError("BadRequest", "%s is no %s" % (repr(text)[:80], what))
    return text


def _is_file_of(path: str, size: Any) -> bool:
    try:
        return os.stat(path).st_size == int(size)
    except (OSError, TypeError, ValueError):
        return False


def adopt(workdir: str, part: Any, sha256: Any, size: Any) -> dict[str, Any]:
    """Verify an uploaded part and give it its name; a part that is not what was sent is removed."""
    sha256 = _digest(sha256, r"[0-9a-f]{64}", "sha256")
    part = _digest(part, r"blobs/\.part-[A-Za-z0-9-]{1,80}", "uploaded part (blobs/.part-...)")
    source, target = os.path.join(workdir, part), os.path.join(workdir, "blobs", sha256)
    try:
        descriptor = os.open(source, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError as error:
        if error.errno == errno.ENOENT and _is_file_of(target, size):  # asked twice: the first answer got lost
            return {"sha256": sha256, "size": size}
        raise FileError("TransferFailed", "%s: %s" % (part, error.strerror)) from error
    with os.fdopen(descriptor, "rb") as stream:
        arrived = os.fstat(descriptor).st_size
        found = sha256_of(stream) if arrived == size else None
        if found == sha256:
            os.fsync(descriptor)
    if found != sha256:
        os.remove(source)
        said = "%d bytes of %s" % (arrived, size) if found is None else "sha256 %s, not %s" % (found, sha256)
        raise FileError("TransferFailed", "%s did not arrive as it was sent: %s" % (part, said))
    os.chmod(source, 0o600)
    os.replace(source, target)
    sync_folder(os.path.dirname(target))
    return {"sha256": sha256, "size": arrived}


def _safe_path(member: TarInfo, root: str) -> str:
    """Where a member goes; what could land or point elsewhere is refused, links of any kind too (wheels have none)."""
    name = member.name
    words = [word for word in name.split("/") if word not in ("", ".")]
    if name.startswith("/") or ".." in words or "\0" in name:
        raise FileError("BadArchive", "%r would land outside of the environment" % name[:200])
    if not (member.isreg() or member.isdir()):
        raise FileError("BadArchive", "%r is no plain file or folder" % name[:200])
    return os.path.join(root, *words)


def _extract(archive: TarFile, root: str) -> int:
    import shutil

    members = total = 0
    for member in archive:
        path = _safe_path(member, root)
        members, total = members + 1, total + member.size
        if members > MAX_MEMBERS or total > MAX_UNPACKED_BYTES:
            raise FileError("BadArchive", "more than %d files or %d bytes" % (MAX_MEMBERS, MAX_UNPACKED_BYTES))
        if member.isdir():
            os.makedirs(path, 0o700, exist_ok=True)
            continue
        os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
        source = archive.extractfile(member)
        if source is None:
            raise FileError("BadArchive", "%r holds no data" % member.name[:200])
        mode = 0o700 if member.mode & 0o100 else 0o600
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
        with os.fdopen(descriptor, "wb") as target:
            shutil.copyfileobj(source, target, _CHUNK)
    return members


def _sync_filesystem(path: str) -> None:
    """One syncfs instead of an fsync for each of thousands of files."""
    import ctypes

    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        ctypes.CDLL(None).syncfs(descriptor)
    finally:
        os.close(descriptor)


def _rename_new(part: str, target: str) -> bool:
    """Give a folder its name; False where another session that shares the work folder was faster with its own."""
    try:
        os.rename(part, target)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST) and os.path.isdir(target):
            return False
        raise
    return True


def unpack(workdir: str, blob: Any, env: Any) -> dict[str, Any]:
    """Extract a blob (a tar, compressed or not) to envs/<env>, all of it or nothing."""
    import shutil
    import tarfile

    blob = _digest(blob, r"[0-9a-f]{64}", "sha256")
    env = _digest(env, r"[0-9a-f]{8,64}", "digest of an environment")
    target = os.path.join(workdir, "envs", env)
    if os.path.isdir(target):
        return {"existing": True}
    # Not by process id: boards that share a home, or containers, may have the same ones.
    part = os.path.join(workdir, "envs", ".part-%s-%s" % (env[:16], os.urandom(8).hex()))
    os.makedirs(part, 0o700)
    try:
        with tarfile.open(os.path.join(workdir, "blobs", blob), "r:*") as archive:
            members = _extract(archive, part)
        _sync_filesystem(part)
        if not _rename_new(part, target):
            return {"existing": True}
    except (tarfile.TarError, EOFError, OSError) as error:
        kind = "NoSpace" if isinstance(error, OSError) and is_full(error) else "BadArchive"
        raise FileError(kind, "environment %s: %s" % (env[:16], error)) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    sync_folder(os.path.dirname(target))
    return {"existing": False, "members": members}


def sweep_parts(workdir: str) -> None:
    """Remove what broken uploads and a killed supervisor left behind, once it is a day old."""
    import shutil
    import time

    for folder in ("blobs", "envs"):
        for name in os.listdir(os.path.join(workdir, folder)):
            path = os.path.join(workdir, folder, name)
            with suppress(FileNotFoundError):  # another session is as far as we are
                if not name.startswith(".part-") or time.time() - os.lstat(path).st_mtime < _STALE_S:
                    continue
                if os.path.isdir(path) and not os.path.islink(path):
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    os.remove(path)
