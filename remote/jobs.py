"""Jobs on disk and the one that runs: start, events, deadline, cancel, and how it ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time

from remote import contract
from remote.files import FileError, read_json, write_json
from remote.process import death, identity, is_alive, kill_group, oom_kills, python_command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

KILL_AFTER_S = 3.0


class Paths:
    """Every file of a job."""

    def __init__(self, workdir: str, run_id: str) -> None:
        self.folder = os.path.join(workdir, "jobs", run_id)
        self.job = os.path.join(self.folder, "job.json")
        self.events = os.path.join(self.folder, "events.jsonl")
        self.record = os.path.join(self.folder, "record.json")
        self.log = os.path.join(self.folder, "log.txt")
        self.status = os.path.join(self.folder, "status.json")


def checked_run_id(value: Any) -> str:
    """A run id from outside; it becomes part of a path."""
    import re

    if not isinstance(value, str) or not re.fullmatch(contract.RUN_ID, value):
        raise FileError("BadRequest", "%s is no run id" % repr(value)[:80])
    return value


def append_event(path: str, event: dict[str, Any]) -> None:
    """Add a line; a half line that a power cut left behind is dropped first."""
    with open(path, "ab+") as stream:
        size = stream.seek(0, os.SEEK_END)
        if size:
            stream.seek(0)
            whole = stream.read().rfind(b"\n") + 1
            if whole != size:
                stream.truncate(whole)
        stream.write(json.dumps(event, separators=(",", ":")).encode() + b"\n")
        stream.flush()
        os.fsync(stream.fileno())


def finish(paths: Paths, status: str, reason: str | None, began: Any = None) -> None:
    """Write the final status, then the last event."""
    now = time.time()
    write_json(paths.status, {"status": status, "reason": reason, "started_at": began, "finished_at": now})
    append_event(paths.events, {"event": contract.FINISHED, "at": now, "status": status, "reason": reason})


def settle(paths: Paths, running: Running | None) -> str:
    """The status of a job on disk. One that claims to run while its processes are gone has died with its supervisor."""
    known = read_json(paths.status)
    status = known.get("status") if isinstance(known, dict) else None
    if running is not None and running.paths.folder == paths.folder:
        return contract.RUNNING
    if status in contract.FINAL and _has_finished_event(paths):
        return str(status)
    if not os.path.isfile(paths.job):
        raise FileError("UnknownJob", "no such job on this board: %s" % os.path.basename(paths.folder))
    reason = "its supervisor was ended or the board restarted"
    if status in contract.FINAL:  # cut off between the two writes
        reason = known.get("reason")
    elif isinstance(known, dict) and is_alive(known):
        reason = "its supervisor is gone"
        kill_group(int(known["pid"]), signal.SIGKILL)
    final = status if status in contract.FINAL else contract.DIED
    finish(paths, str(final), reason, known.get("started_at") if isinstance(known, dict) else None)
    return str(final)


def _has_finished_event(paths: Paths) -> bool:
    try:
        with open(paths.events, "rb") as stream:
            last = stream.read().rstrip(b"\n").rpartition(b"\n")[2]
    except OSError:
        return False
    return b'"event":"%s"' % contract.FINISHED.encode() in last


class Running:
    """The benchmark of a job: a process group of its own, its events by a pipe, its log straight to a file."""

    def __init__(self, workdir: str, job: dict[str, Any], environment: dict[str, str]) -> None:
        self.run_id = str(job["run_id"])
        self.paths = Paths(workdir, self.run_id)
        os.makedirs(self.paths.folder, 0o700, exist_ok=True)
        write_json(self.paths.job, job)
        self.began_at = time.time()
        self.deadline = time.monotonic() + float(job["deadline_s"])
        self.ends_at = self.began_at + float(job["deadline_s"])
        self.ending: str | None = None
        self.kill_at: float | None = None
        self._oom_before = oom_kills()
        command = python_command("benchmark")
        command += ["--workdir", workdir, "--run-id", self.run_id, "--parent", str(os.getpid())]
        with open(self.paths.log, "ab") as log:
            self.child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
                cwd=self.paths.folder,
                env=environment,
                bufsize=0,
            )
        try:
            self._watch()
        except OSError:  # such as a full disk: what cannot be watched must not run
            kill_group(self.child.pid, signal.SIGKILL)
            self.child.wait()
            raise

    def _watch(self) -> None:
        assert self.child.stdout is not None
        self.pipe = self.child.stdout.fileno()
        os.set_blocking(self.pipe, False)
        self._events = os.open(self.paths.events, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        write_json(
            self.paths.status,
            dict(identity(self.child.pid), status=contract.RUNNING, started_at=self.began_at, ends_at=self.ends_at),
        )

    def drain(self) -> bool:
        """Move what the benchmark said to events.jsonl; False once it has closed its end."""
        while True:
            try:
                data = os.read(self.pipe, 65536)
            except BlockingIOError:
                return True
            if not data:
                return False
            os.write(self._events, data)

    def end(self, why: str) -> None:
        """Ask the whole group to end; after a grace it is killed."""
        if self.ending is None:
            self.ending = why
            self.kill_at = time.monotonic() + KILL_AFTER_S
            kill_group(self.child.pid, signal.SIGTERM)

    def tick(self, now: float) -> None:
        """What time alone brings about."""
        if now >= self.deadline:
            self.end(contract.TIMED_OUT)
        if self.kill_at is not None and now >= self.kill_at:
            self.kill_at = None
            kill_group(self.child.pid, signal.SIGKILL)

    def next_tick(self) -> float:
        """When :meth:`tick` has something to do."""
        times = [] if self.ending else [self.deadline]
        return min(times + ([self.kill_at] if self.kill_at is not None else []), default=float("inf"))

    def reap(self) -> bool:
        """True once it has ended and everything about that is on disk.

        It is looked at before it is waited for: until then its id, and so its group's, cannot go to another process.
        """
        if os.waitid(os.P_PID, self.child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            return False
        kill_group(self.child.pid, signal.SIGKILL)
        returncode = self.child.wait()
        self.drain()
        os.close(self._events)
        if self.child.stdout is not None:
            self.child.stdout.close()
        status, reason = self._verdict(returncode)
        finish(self.paths, status, reason, self.began_at)
        return True

    def _verdict(self, returncode: int) -> tuple[str, str | None]:
        recorded = os.path.isfile(self.paths.record)
        if returncode == 0 and recorded:
            return contract.DONE, None
        if returncode == 1 and recorded:
            return contract.FAILED, "the benchmark reported an error"
        if self.ending == contract.TIMED_OUT:
            return contract.TIMED_OUT, "the job's deadline passed"
        if self.ending == contract.CANCELLED:
            return contract.CANCELLED, None
        reason = "the benchmark %s" % death(returncode, self._oom_before)
        return contract.DIED, reason
