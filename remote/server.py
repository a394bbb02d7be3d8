"""The supervisor's loop: one thread that sleeps until something happens, so that a measurement is left alone."""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import sys
import time
from contextlib import suppress

from remote import contract, files, hold, holder, jobs, shelf, waiting
from remote.aside import Aside
from remote.process import boot_id, child_environment, note
from remote.tune import Tuning
from remote.wire import Client, error, events_from, parsed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

BEAT_S = 5.0
USE_S = 600.0
"""So often it is noted what is in use, for other boards that share the folder."""


class Server:
    """Serves one session at a time; whoever else knocks is told who holds the board."""

    def __init__(self, listener: socket.socket, workdir: str, settings: dict[str, Any]) -> None:
        self.listener = listener
        self.workdir = workdir
        self.session = str(settings["session"])
        self.linger_s = float(settings.get("linger", 180))
        self.since = time.time()
        self.owner = hold.short_texts(json.loads(settings.get("holder") or "{}"))
        self.name = str(settings.get("hold"))
        self.priority = hold.priority_of(int(settings.get("priority", 0))) or 0
        self.passed = frozenset(str(settings.get("passed", "")).split())  # who was waited for in vain: no more
        self.clients: list[Client] = []
        self.running: jobs.Running | None = None
        self.tuned: list[dict[str, Any]] = []  # of the running job
        self.place = "%s/%s" % (os.uname().nodename, self.name)  # boards may share the folder
        self.ledger = jobs.Ledger(workdir, self.place)
        self.refused = holder.refusal(workdir, self.session, str(settings.get("claim", "0")) == "1")
        self.released: list[tuple[Client, Any]] = []
        self.ended = self.stopping = False
        self.idle_since = time.monotonic()
        self.next_beat = self.idle_since + BEAT_S
        self.next_use = self.idle_since
        self.aside = Aside()
        self.environment = child_environment()
        self.root = str(settings.get("root", "/"))
        self.tuning = Tuning(workdir, self.root)
        self.shelf = shelf.Shelf(workdir)
        self._note(self.tuning.left)
        self._listen()
        files.sweep_parts(workdir)
        shelf.forget_taken(workdir)
        self._show_holder()

    def _listen(self) -> None:
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.listener, selectors.EVENT_READ, self._accept)
        self.selector.register(self.aside.wake, selectors.EVENT_READ, lambda *_: self.aside.answer())
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: self._stop(contract.LOST))
        for ignored in (signal.SIGHUP, signal.SIGINT, signal.SIGPIPE):
            signal.signal(ignored, signal.SIG_IGN)

    # -- who holds the board

    def holder(self) -> dict[str, Any]:
        """For everybody to see; never the token."""
        until = self.running.ends_at + self.linger_s if self.running else None
        return dict(self.owner, since=self.since, until=until, pid=os.getpid(), priority=self.priority)

    def _show_holder(self) -> None:
        """It is there to be read; that it cannot be written ends nothing."""
        try:
            files.write_json(os.path.join(self.workdir, "holder.json"), self.holder())
        except OSError as problem:
            note("holder.json: %s" % problem)

    def _forget_holder(self) -> None:
        with suppress(OSError):
            os.remove(os.path.join(self.workdir, "holder.json"))

    # -- the loop

    def serve(self) -> None:
        """Until released, told to stop, or alone for too long."""
        try:
            while not self.ended:
                timeout = max(0.0, self._next_tick() - time.monotonic())
                for key, mask in self.selector.select(timeout):
                    key.data(key.fileobj, mask)
                self._tick(time.monotonic())
                self._flush()
        finally:
            self._restore()
        self._close()

    def _next_tick(self) -> float:
        times = [self.next_beat] if self._attached() or self.running else [time.monotonic() + 60.0]
        times += [client.greet_until for client in self.clients if not client.admitted]
        if self.running:
            times.append(self.running.next_tick())
        elif not self._attached():
            times.append(self.idle_since + self.linger_s)
        return min(times)

    def _tick(self, now: float) -> None:
        if self.running:
            self.running.tick(now)
            if self.running.reap():
                self._job_ended(self.running)
        if self.stopping and not self.running:
            self._end()
        if not self.running and not self._attached() and now >= self.idle_since + self.linger_s:
            self.ended = True
        if now >= self.next_beat:
            self.next_beat = now + BEAT_S
            for client in self._attached():
                client.send({"beat": time.time()})
            if self.running:
                self.running.bound_log()
            if now >= self.next_use:
                self.next_use = now + USE_S
                self.shelf.use([os.path.abspath(sys.argv[0]), *(self._paths(self.running.job) if self.running else [])])
        for client in self.clients:
            client.last = client.last or (not client.admitted and now >= client.greet_until)

    def _attached(self) -> list[Client]:
        return [client for client in self.clients if client.admitted]

    def _job_ended(self, job: jobs.Running) -> None:
        self.selector.unregister(job.pipe) if job.pipe in self.selector.get_map() else None
        self.running = None
        self.ledger.finish(job.paths, job.journal, *job.outcome, job.began_at)
        self.idle_since = time.monotonic()
        self._pump()
        self._show_holder()

    def _stop(self, why: str = contract.CANCELLED) -> None:
        self.stopping = True
        if self.running:
            self.running.end(why)

    def _end(self) -> None:
        """Put the board back as it was, free the hold, then say so. From then on holder.json is the next one's."""
        left = self._restore()
        self._forget_holder()
        self.selector.unregister(self.listener)
        self.listener.close()
        for client, number in self.released:
            client.send({"id": number, "ok": {"left": left} if left else {}})
        self.stopping, self.ended = False, True

    def _restore(self) -> list[str]:
        """Whoever comes next finds the board as it was; in words, what it does not find so."""
        left = self.tuning.restore(for_good=True)
        self._note(left)
        return left

    def _note(self, left: list[str]) -> None:
        for words in left:
            note("tuning: %s" % words)

    def _close(self) -> None:
        if self.listener.fileno() != -1:
            self._forget_holder()
        for client in self.clients:
            client.connection.settimeout(2.0)
            client.flush()
            client.connection.close()

    # -- connections

    def _accept(self, _: Any, __: int) -> None:
        try:
            connection, _address = self.listener.accept()
        except OSError:
            return
        client = Client(connection)
        self.clients.append(client)
        self.selector.register(connection, selectors.EVENT_READ, lambda _, mask: self._talk(client, mask))
        if not hold.is_own(connection):
            self._refuse(client)

    def _refuse(self, client: Client) -> None:
        client.send(hold.busy(self.holder()))
        client.last = True

    def _talk(self, client: Client, mask: int) -> None:
        if not mask & selectors.EVENT_READ or client.last:
            return
        try:
            data = client.connection.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        client.received += data
        *lines, client.received = client.received.split(b"\n")
        for raw in lines:
            self._line(client, raw)
        if not data or len(client.received) > contract.MAX_LINE_BYTES:
            client.last = True

    def _line(self, client: Client, raw: bytes) -> None:
        if client.last:
            return
        if client.admitted:
            self._request(client, raw)
        else:
            self._greeting(client, raw)

    def _greeting(self, client: Client, raw: bytes) -> None:
        import hmac

        data = parsed(raw)
        if "release" in data:
            self._evict(client, data["release"])
            return
        if not hmac.compare_digest(str(data.get("session")).encode(), self.session.encode()):
            self._refuse(client)
            return
        if self.refused:  # it lost its link before it could be told
            client.send({"error": {"type": "HoldReleased", "message": self.refused}})
            client.last = True
            self._stop()
            return
        for older in self._attached():  # the same session again: the link of the older one is dead
            older.last = True
            older.unsent = b""
        client.admitted = True
        client.send({"attached": self.holder()})

    def _evict(self, client: Client, by: Any) -> None:
        """The same user ends the hold from outside: what runs is stopped, and whoever had it is told who did that."""
        words = "the hold was ended by %s" % holder.by_whom(by)
        note(words)
        holder.remember(self.workdir, self.session, words)
        for older in self._attached():
            older.send({"error": {"type": "HoldReleased", "message": words}})
            older.last = True
        client.greet_until = float("inf")
        self.released.append((client, None))
        self._stop()

    def _flush(self) -> None:
        for client in list(self.clients):
            if client.flush():
                wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if client.unsent else 0)
                if self.selector.get_key(client.connection).events != wanted:
                    self.selector.modify(client.connection, wanted, self.selector.get_key(client.connection).data)
            else:
                self._drop(client)

    def _drop(self, client: Client) -> None:
        self.selector.unregister(client.connection)
        client.connection.close()
        self.clients.remove(client)
        if client.admitted and not self.running:  # a visitor who was refused does not prolong the hold
            self.idle_since = time.monotonic()

    # -- requests

    def _request(self, client: Client, raw: bytes) -> None:
        data = parsed(raw)
        number = data.get("id")
        operation = self._operations().get(str(data.get("op")))
        try:
            if operation is None:
                raise files.FileError("BadRequest", "no such operation: %s" % repr(data.get("op"))[:80])
            answer = operation(client, data)
        except files.FileError as problem:
            client.send(error(number, problem.kind, str(problem)))
        except contract.ContractError as problem:
            client.send(error(number, "BadJob", str(problem)))
        except OSError as problem:
            client.send(error(number, "NoSpace" if files.is_full(problem) else "BoardNotReady", str(problem)))
        else:
            if answer is not None:
                client.send({"id": number, "ok": answer})

    def _operations(self) -> dict[str, Callable[[Client, dict[str, Any]], dict[str, Any] | None]]:
        return {
            "hello": self._hello,
            "clock": self._clock,
            "adopt": self._adopt,
            "unpack": self._unpack,
            "tune": self._tune,
            "room": self._room,
            "jobs": self._jobs,
            "taken": self._taken,
            "start": self._start,
            "follow": self._follow,
            "cancel": self._cancel,
            "waiting": self._waiting,
            "release": self._release,
        }

    def _hello(self, client: Client, data: dict[str, Any]) -> dict[str, Any]:
        known = {"contract": contract.CONTRACT, "pid": os.getpid(), "boot_id": boot_id(), "workdir": self.workdir}
        return dict(known, left=self.tuning.left)

    def _clock(self, client: Client, data: dict[str, Any]) -> dict[str, Any]:
        """At once, also while a job runs: the controller finds by round trips how far our clock is from its own."""
        return {"t": time.monotonic()}

    def _adopt(self, client: Client, data: dict[str, Any]) -> None:
        part, sha256, size = data.get("part"), data.get("sha256"), data.get("size")
        self.aside.begin(client, data.get("id"), lambda: files.adopt(self.workdir, part, sha256, size))

    def _unpack(self, client: Client, data: dict[str, Any]) -> None:
        self.aside.begin(client, data.get("id"), lambda: files.unpack(self.workdir, data.get("blob"), data.get("env")))

    def _tune(self, client: Client, data: dict[str, Any]) -> dict[str, Any] | None:
        """While a job runs nothing is changed, and looking would disturb it."""
        wanted = contract.check_tune(data.get("settings"))
        if self.running:
            return {"tuning": self.tuned}
        self.aside.begin(client, data.get("id"), lambda: {"tuning": self.tuning.apply(wanted)})
        return None

    def _room(self, client: Client, data: dict[str, Any]) -> None:
        """For an upload: what was used least lately goes, never what a job needs."""
        needed, limit = jobs.whole(data.get("bytes"), "size"), jobs.whole(data.get("limit"), "limit")
        keep = {str(name) for name in data.get("keep") or []} | {os.path.basename(os.path.abspath(sys.argv[0]))}
        if self.running:
            keep |= {name for _, name in jobs.needs(self.running.job)}
        self.aside.begin(client, data.get("id"), lambda: self.shelf.room(needed, limit, keep))

    def _jobs(self, client: Client, data: dict[str, Any]) -> dict[str, Any]:
        """Those of a sweep that nobody has taken home: of a controller that died, say."""
        return {"jobs": self.ledger.listed(str(data.get("prefix")), self.running)}

    def _waiting(self, client: Client, data: dict[str, Any]) -> dict[str, Any] | None:
        """Who waits for the board with a higher priority than its holder's; while a job runs nobody is looked for."""
        if self.running:
            return {"waiting": None}
        look = waiting.best
        self.aside.begin(client, data.get("id"), lambda: {"waiting": look(self.name, self.priority, self.passed)})
        return None

    def _taken(self, client: Client, data: dict[str, Any]) -> dict[str, Any]:
        ids = [jobs.checked_run_id(run_id) for run_id in data.get("run_ids") or []]
        return {"taken": shelf.take(self.workdir, ids)}

    def _start(self, client: Client, data: dict[str, Any]) -> dict[str, Any]:
        job = contract.check_job(data.get("job"))
        paths = jobs.Paths(self.workdir, str(job["run_id"]))
        known = files.read_json(paths.job)
        if known is None and os.path.lexists(paths.job):
            raise files.FileError("BoardNotReady", "%s cannot be read" % paths.job)
        if known is not None:
            if known != job:
                raise files.FileError("JobConflict", "another job has the run id %s" % job["run_id"])
            return {"status": self.ledger.settle(str(job["run_id"]), self.running)}
        if self.running:
            raise files.FileError("JobRunning", "%s runs; one job at a time" % self.running.run_id)
        self._need(job)
        self.tuned = self.tuning.look()
        options = ["--sys-root", os.path.join(self.root, "sys"), "--tuning", json.dumps(self.tuned)]
        self.running = jobs.Running(self.workdir, job, self.environment, options, self.place)
        self.selector.register(self.running.pipe, selectors.EVENT_READ, self._events)
        self._show_holder()
        return {"status": contract.RUNNING}

    def _need(self, job: dict[str, Any]) -> None:
        """What a job names must be here; better said now than by a runtime that cannot open a file."""
        paths = self._paths(job)
        for path in paths:
            if not os.path.exists(path):
                raise files.FileError("MissingFile", "%s is not on this board" % os.path.relpath(path, self.workdir))
        self.shelf.use(paths)

    def _paths(self, job: dict[str, Any]) -> list[str]:
        return [os.path.join(self.workdir, folder, name) for folder, name in jobs.needs(job)]

    def _follow(self, client: Client, data: dict[str, Any]) -> None:
        run_id, offset = jobs.checked_run_id(data.get("run_id")), data.get("offset", 0)
        if type(offset) is not int or offset < 0:
            raise files.FileError("BadRequest", "%s is no offset" % repr(offset)[:80])
        status = self.ledger.settle(run_id, self.running)
        client.send({"id": data.get("id"), "ok": {"status": status}})
        client.follows[run_id] = offset
        self._pump()

    def _cancel(self, client: Client, data: dict[str, Any]) -> dict[str, Any]:
        run_id = jobs.checked_run_id(data.get("run_id"))
        if self.running and self.running.run_id == run_id:
            self.running.end(contract.CANCELLED)
            return {"status": contract.RUNNING}
        return {"status": self.ledger.settle(run_id, self.running)}

    def _release(self, client: Client, data: dict[str, Any]) -> None:
        self.released.append((client, data.get("id")))
        self._stop()

    # -- events

    def _events(self, _: Any, __: int) -> None:
        if self.running and not self.running.drain():
            self.selector.unregister(self.running.pipe)
        self._pump()

    def _pump(self) -> None:
        """Send what is new to those who follow; the last event ends that."""
        for client in self._attached():
            for run_id, offset in list(client.follows.items()):
                for event, after in events_from(jobs.Paths(self.workdir, run_id).events, offset, self._tail(run_id)):
                    client.follows[run_id] = after
                    client.send({"event": event, "run_id": run_id, "offset": after})
                    if event.get("event") == contract.FINISHED:
                        del client.follows[run_id]
                        break

    def _tail(self, run_id: str) -> bytes:
        """The events that are not on disk."""
        if self.running and self.running.run_id == run_id:
            return self.running.journal.tail
        return self.ledger.tail(run_id)
