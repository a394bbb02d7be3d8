"""Jobs on disk and the one that runs: start, events, deadline, cancel, and how it ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from contextlib import suppress

from remote import contract
from remote.files import FileError, read_json, write_json
from remote.journal import GROWTH_BYTES, Journal, cap_log
from remote.process import boot_id, death, identity, is_alive, kill_group, note, oom_kills, python_command
from remote.shelf import TAKEN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Sequence

KILL_AFTER_S = 3.0
NO_SPACE_STATUS = 74  # EX_IOERR, of the benchmark
_FAILED = "the benchmark reported an error"


class Paths:
    """Every file of a job."""

    def __init__(self, workdir: str, run_id: str) -> None:
        self.folder = os.path.join(workdir, "jobs", run_id)
        self.job = os.path.join(self.folder, "job.json")
        self.events = os.path.join(self.folder, "events.jsonl")
        self.record = os.path.join(self.folder, "record.json")
        self.log = os.path.join(self.folder, "log.txt")
        self.status = os.path.join(self.folder, "status.json")

    def clear(self) -> None:
        """Remove every file, so that nothing of a start that failed passes for a result of the next one."""
        for path in (self.job, self.events, self.record, self.log, self.status):
            with suppress(FileNotFoundError):
                os.remove(path)


def checked_run_id(value: Any) -> str:
    """A run id from outside; it becomes part of a path."""
    import re

    if not isinstance(value, str) or not re.fullmatch(contract.RUN_ID, value):
        raise FileError("BadRequest", "%s is no run id" % repr(value)[:80])
    return value


def whole(value: Any, what: str) -> int:
    """A count from outside."""
    if type(value) is not int or value < 0:
        raise FileError("BadRequest", "%s is no %s" % (repr(value)[:80], what))
    return value


def needs(job: dict[str, Any]) -> list[tuple[str, str]]:
    """Folder and name of every file that a job works with."""
    found = [("blobs", str(job["artifact"]["sha256"]))]
    if job["env"]:
        found.append(("envs", str(job["env"])))
    if job["quality"]:
        found.append(("blobs", str(job["quality"]["sha256"])))
    return found


class Ended:
    """How a job ended, for as long as the disk does not say so itself."""

    def __init__(self, paths: Paths, data: dict[str, Any], journal: Journal) -> None:
        self.paths = paths
        self.data = data
        self.journal = journal

    def save(self) -> str | None:
        """Write the final status, then the last events; the reason when the disk does not take them."""
        try:
            write_json(self.paths.status, self.data)
        except OSError as error:
            return str(error)
        return None if self.journal.flush(sync=True) else "events.jsonl cannot be written"


class Ledger:
    """How every job of this board ended: on disk, and in memory what the disk did not take."""

    def __init__(self, workdir: str, place: str = "") -> None:
        """``place``: of these jobs, among those of other boards that share the folder."""
        self._workdir, self._place = workdir, place
        self._unsaved: dict[str, Ended] = {}

    def finish(self, paths: Paths, journal: Journal, status: str, reason: str | None, began: Any) -> None:
        """Note a job's end; never raises, since a full disk must not cost the hold or the answer."""
        cap_log(paths.log)
        now = time.time()
        data = {"status": status, "reason": reason, "started_at": began, "finished_at": now, "place": self._place}
        ended = Ended(paths, data, journal)
        problem = None
        try:
            write_json(paths.status, data)
        except OSError as error:
            problem = str(error)
            more = "its status is in memory only: %s" % error
            reason = data["reason"] = "%s; %s" % (reason, more) if reason else more
        event = {"event": contract.FINISHED, "at": now, "status": status, "reason": reason}
        journal.append(json.dumps(event, separators=(",", ":")).encode() + b"\n")
        if problem or not journal.flush(sync=True):
            self._unsaved[os.path.basename(paths.folder)] = ended
            note("%s ended as %s, which the disk did not take: %s" % (paths.folder, status, problem or paths.events))
        else:
            journal.close()

    def tail(self, run_id: str) -> bytes:
        """What follows the events on disk."""
        ended = self._unsaved.get(run_id)
        return ended.journal.tail if ended else b""

    def settle(self, run_id: str, running: Running | None) -> str:
        """The status of a job. One that claims to run while its processes are gone has died with its supervisor, unless
        it left a record: that is written last and whole."""
        if running is not None and running.run_id == run_id:
            return contract.RUNNING
        ended = self._unsaved.get(run_id)
        if ended is not None:
            if ended.save() is None:
                self._unsaved.pop(run_id).journal.close()
            return str(ended.data["status"])
        paths = Paths(self._workdir, run_id)
        known = read_json(paths.status)
        known = known if isinstance(known, dict) else {}
        status, reason = known.get("status"), known.get("reason")
        if status in contract.FINAL and _has_finished_event(paths):
            return str(status)
        if not os.path.isfile(paths.job):
            raise FileError("UnknownJob", "no such job on this board: %s" % run_id)
        if status not in contract.FINAL:  # otherwise it was cut off between the two writes
            status, reason = _left_behind(paths, known)
        self.finish(paths, Journal(paths.events), str(status), reason, known.get("started_at"))
        return str(status)

    def listed(self, prefix: str, running: Running | None) -> list[dict[str, Any]]:
        """The jobs whose ids begin like that and whose records nobody has taken home."""
        found = []
        for run_id in sorted(os.listdir(os.path.join(self._workdir, "jobs"))):
            paths = Paths(self._workdir, run_id)
            job = read_json(paths.job) if run_id.startswith(prefix) else None
            known = read_json(paths.status)
            foreign = isinstance(known, dict) and known.get("place", self._place) != self._place
            if isinstance(job, dict) and not foreign and not os.path.exists(os.path.join(paths.folder, TAKEN)):
                told = {key: job.get(key) for key in ("cell_id", "artifact", "env", "runtime", "first", "deadline_s")}
                found.append(dict(told, run_id=run_id, status=self.settle(run_id, running)))
        return found


def _end_of(path: str) -> bytes | None:
    """The last bytes of a record, whose last key is ``error``; parsing all of a large one could cost a small board its
    memory. None where there is no record."""
    try:
        with open(path, "rb") as stream:
            stream.seek(max(0, os.fstat(stream.fileno()).st_size - 32))
            return stream.read()
    except OSError:
        return None


def _left_behind(paths: Paths, known: dict[str, Any]) -> tuple[str, str | None]:
    """What became of a job whose supervisor is gone; a process of it that still runs is ended."""
    alive = is_alive(known)
    if alive:
        kill_group(int(known["pid"]), signal.SIGKILL)
    end = _end_of(paths.record)
    if end is not None:
        return (contract.DONE, None) if end.endswith(b'"error":null}') else (contract.FAILED, _FAILED)
    if known.get("boot_id", boot_id()) != boot_id():
        return contract.LOST, "the board restarted while it ran"
    return contract.LOST, "its supervisor was ended while it ran"


def _has_finished_event(paths: Paths) -> bool:
    try:
        with open(paths.events, "rb") as stream:
            last = stream.read().rstrip(b"\n").rpartition(b"\n")[2]
    except OSError:
        return False
    return b'"event":"%s"' % contract.FINISHED.encode() in last


class Running:
    """The benchmark of a job: a process group of its own, its events by a pipe, its log straight to a file."""

    def __init__(
        self,
        workdir: str,
        job: dict[str, Any],
        environment: dict[str, str],
        options: Sequence[str] = (),
        place: str = "",
    ) -> None:
        """``options``: of the benchmark. Raises OSError, such as for a full disk, and then the job was never there."""
        self.run_id = str(job["run_id"])
        self.job, self.place = job, place
        self.paths = Paths(workdir, self.run_id)
        self.began_at = time.time()
        self.deadline = time.monotonic() + float(job["deadline_s"])
        self.ends_at = self.began_at + float(job["deadline_s"])
        self.ending: str | None = None
        self.kill_at: float | None = None
        self.outcome: tuple[str, str | None] = (contract.DIED, None)
        self._oom_before = oom_kills()
        os.makedirs(self.paths.folder, 0o700, exist_ok=True)
        self.paths.clear()
        self.journal = Journal(self.paths.events)
        try:
            write_json(self.paths.job, job)
            self.child = self._launch(workdir, environment, options)
        except OSError:
            self.journal.close()
            with suppress(OSError):
                self.paths.clear()
                os.rmdir(self.paths.folder)
            raise
        assert self.child.stdout is not None
        self.pipe = self.child.stdout.fileno()

    def _launch(self, workdir: str, environment: dict[str, str], options: Sequence[str]) -> subprocess.Popen[bytes]:
        command = python_command("benchmark")
        command += ["--workdir", workdir, "--run-id", self.run_id, "--parent", str(os.getpid()), *options]
        with open(self.paths.log, "ab") as log:
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
                cwd=self.paths.folder,
                env=environment,
                bufsize=0,
            )
        assert child.stdout is not None
        try:
            os.set_blocking(child.stdout.fileno(), False)
            known = identity(child.pid)
            known.update(status=contract.RUNNING, started_at=self.began_at, ends_at=self.ends_at, place=self.place)
            write_json(self.paths.status, known)
        except OSError:  # what cannot be found again must not run
            kill_group(child.pid, signal.SIGKILL)
            child.wait()
            child.stdout.close()
            raise
        return child

    def drain(self) -> bool:
        """Move what the benchmark said to the journal; False once it has closed its end."""
        while True:
            try:
                data = os.read(self.pipe, 65536)
            except BlockingIOError:
                return True
            if not data:
                return False
            self.journal.append(data)

    def bound_log(self) -> None:
        """Called now and then: a look at one number, unless the log threatens to fill the disk."""
        cap_log(self.paths.log, GROWTH_BYTES)

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
        """True once it has ended; ``outcome`` says how.

        It is looked at before it is waited for: until then its id, and so its group's, cannot go to another process.
        """
        if os.waitid(os.P_PID, self.child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            return False
        kill_group(self.child.pid, signal.SIGKILL)
        returncode = self.child.wait()
        self.drain()
        if self.child.stdout is not None:
            self.child.stdout.close()
        self.outcome = self._verdict(returncode)
        return True

    def _verdict(self, returncode: int) -> tuple[str, str | None]:
        recorded = os.path.isfile(self.paths.record)
        if returncode == 0 and recorded:
            return contract.DONE, None
        if returncode == 1 and recorded:
            return contract.FAILED, _FAILED
        if self.ending == contract.TIMED_OUT:
            return contract.TIMED_OUT, "the job's deadline passed"
        if self.ending == contract.CANCELLED:
            return contract.CANCELLED, None
        if self.ending == contract.LOST or (self.ending is None and returncode == -signal.SIGTERM):
            return contract.LOST, "it was told to end by SIGTERM, as at a shutdown of the board"
        if returncode == NO_SPACE_STATUS:
            return contract.LOST, "there was no space left on the board's disk for the record"
        reason = "the benchmark %s" % death(returncode, self._oom_before)
        return contract.DIED, reason
