"""What a work folder keeps: artifacts, programs, environments, engines, jobs; how much, and what may go first."""

from __future__ import annotations

import json
import os
import shutil
import time
from contextlib import suppress

from remote.files import FileError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterable, List

CACHES = ("blobs", "envs", "engines")
TAKEN = "taken"
"""A file in a job's folder: the controller has its record on its own disk."""
TAKEN_KEPT_S = 7 * 86400.0
STRANGER_S = 3600.0
"""What somebody else has used so lately stays: a board that shares the folder may be working with it."""
SPARE_BYTES = 16 * 1024 * 1024


class Shelf:
    """The caches of one work folder. Used by one supervisor, in a thread beside its loop."""

    def __init__(self, workdir: str) -> None:
        self.workdir = workdir
        self._used: Dict[str, float] = {}  # path -> when this supervisor last used it

    def use(self, paths: Iterable[str]) -> None:
        """These are needed now: the least recently used go first."""
        now = time.time()
        for path in paths:
            self._used[path] = now
            with suppress(OSError):
                os.utime(path, (now, now))

    def room(self, needed: int, limit: int, keep: Iterable[str]) -> Dict[str, Any]:
        """Make room for ``needed`` bytes: on the disk, and below ``limit`` bytes of caches (0: no limit).

        ``keep`` are names that stay whatever happens. Raises :class:`FileError` where there is none to be had.
        """
        kept, evicted = set(keep), []
        items = self._items()
        total = sum(size for _, _, size in items)
        for used_at, path, size in sorted(items):
            if not self._lacks(needed, total, limit):
                break
            if os.path.basename(path) in kept or self._is_a_strangers(path, used_at):
                continue
            _remove(path)
            total -= size
            evicted.append(os.path.basename(path))
        if self._free() < needed + SPARE_BYTES:
            raise FileError(
                "NoSpace",
                "not enough space in %s: %s are needed, %s are free, and nothing more can be removed from its caches"
                % (self.workdir, _mb(needed + SPARE_BYTES), _mb(self._free())),
            )
        return {"evicted": evicted, "free": self._free(), "used": total}

    def _lacks(self, needed: int, total: int, limit: int) -> bool:
        return self._free() < needed + SPARE_BYTES or bool(limit and total + needed > limit)

    def _is_a_strangers(self, path: str, used_at: float) -> bool:
        return path not in self._used and abs(time.time() - used_at) < STRANGER_S

    def _free(self) -> int:
        return shutil.disk_usage(self.workdir).free

    def _items(self) -> List[Any]:
        """When each was last used, its path and its bytes."""
        found = []
        for folder in CACHES:
            for path in _entries(os.path.join(self.workdir, folder)):
                if not os.path.basename(path).startswith("."):
                    with suppress(OSError):
                        found.append((os.lstat(path).st_mtime, path, size_of(path)))
        return found


def take(workdir: str, run_ids: Iterable[str]) -> int:
    """Note that the records of these jobs are on the controller's disk; how many there were."""
    count = 0
    for run_id in run_ids:
        folder = os.path.join(workdir, "jobs", run_id)
        with suppress(OSError):
            os.close(os.open(os.path.join(folder, TAKEN), os.O_WRONLY | os.O_CREAT, 0o600))
            count += 1
    return count


def forget_taken(workdir: str, older_than_s: float = TAKEN_KEPT_S) -> int:
    """Remove the jobs whose records have long been on a controller's disk, or that left none; how many there were."""
    count = 0
    for folder in _entries(os.path.join(workdir, "jobs")):
        with suppress(OSError):
            mark = os.path.join(folder, TAKEN)
            if not os.path.exists(mark) and not os.path.exists(os.path.join(folder, "record.json")):
                mark = folder  # it came to no record that somebody could take
            if time.time() - os.stat(mark).st_mtime >= older_than_s:
                _remove(folder)
                count += 1
    return count


def summary(workdir: str) -> Dict[str, Any]:
    """Bytes of each kind, and how many jobs wait for somebody to take their record."""
    told: Dict[str, Any] = {name + "_bytes": size_of(os.path.join(workdir, name)) for name in (*CACHES, "jobs")}
    jobs = _entries(os.path.join(workdir, "jobs"))
    told["jobs"] = len(jobs)
    told["waiting"] = sum(
        os.path.exists(os.path.join(job, "record.json")) and not os.path.exists(os.path.join(job, TAKEN))
        for job in jobs
    )
    return dict(told, workdir=workdir, free_bytes=shutil.disk_usage(workdir).free)


def clean(workdir: str) -> Dict[str, Any]:
    """Remove all caches, also of other boards that share the folder, and the jobs whose records were taken; the caller
    has the hold."""
    before = summary(workdir)
    for folder in CACHES:
        for path in _entries(os.path.join(workdir, folder)):
            if not path.endswith(os.path.basename(_program())):
                _remove(path)
    for folder in _entries(os.path.join(workdir, "jobs")):
        if os.path.exists(os.path.join(folder, TAKEN)):
            _remove(folder)
    return {"before": before, "after": summary(workdir)}


def size_of(path: str) -> int:
    """Bytes of a file, or of everything in a folder."""
    if not os.path.isdir(path) or os.path.islink(path):
        try:
            return os.lstat(path).st_size
        except OSError:
            return 0
    return sum(size_of(inside) for inside in _entries(path))


def main(arguments: list[str]) -> int:
    """``shelf WORKDIR HOLD look|clean``: a JSON line. Cleaning takes the hold, so that no job loses what it needs."""
    from remote import hold

    workdir, name, verb = arguments
    workdir = os.path.abspath(os.path.expanduser(workdir))
    answer: Dict[str, Any]
    if verb == "look":
        answer = {"ok": summary(workdir)}
    else:
        try:
            with hold.bind(name):
                answer = {"ok": clean(workdir)}
        except hold.HoldTaken:
            answer = {"error": {"type": hold.BUSY, "message": "the board is held; nothing was removed"}}
    print(json.dumps(answer))
    return 0


def _program() -> str:
    import sys

    return os.path.abspath(sys.argv[0])


def _entries(folder: str) -> List[str]:
    try:
        return sorted(os.path.join(folder, name) for name in os.listdir(folder))
    except OSError:
        return []


def _remove(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            os.remove(path)


def _mb(size: int) -> str:
    return "%.1f MB" % (size / 1e6)
