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

from remote import contract, files, hold, holder, jobs, shelf
from remote.aside import Aside
from remote.operations import OPERATIONS
from remote.process import child_environment, note
from remote.tune import Tuning
from remote.wire import Client, error, events_from, parsed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

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
                self.shelf.use([os.path.abspath(sys.argv[0]), *(self.paths(self.running.job) if self.running else [])])
        for client in self.clients:
            client.last = client.last or (not client.admitted and now >= client.greet_until)

    def _attached(self) -> list[Client]:
        return [client for client in self.clients if client.admitted]

    def _job_ended(self, job: jobs.Running) -> None:
        self.selector.unregister(job.pipe) if job.pipe in self.selector.get_map() else None
        self.running = None
        self.ledger.finish(job.paths, job.journal, *job.outcome, job.began_at)
        self.idle_since = time.monotonic()
        self.pump()
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
        self.release(client, None)

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
        operation = OPERATIONS.get(str(data.get("op")))
        try:
            if operation is None:
                raise files.FileError("BadRequest", "no such operation: %s" % repr(data.get("op"))[:80])
            answer = operation(self, client, data)
        except files.FileError as problem:
            client.send(error(number, problem.kind, str(problem)))
        except contract.ContractError as problem:
            client.send(error(number, "BadJob", str(problem)))
        except OSError as problem:
            client.send(error(number, "NoSpace" if files.is_full(problem) else "BoardNotReady", str(problem)))
        else:
            if answer is not None:
                client.send({"id": number, "ok": answer})

    def run(self, job: dict[str, Any]) -> None:
        """Start a job that may run now. Raises OSError."""
        self.tuned = self.tuning.look()
        options = ["--sys-root", os.path.join(self.root, "sys"), "--tuning", json.dumps(self.tuned)]
        self.running = jobs.Running(self.workdir, job, self.environment, options, self.place)
        self.selector.register(self.running.pipe, selectors.EVENT_READ, self._events)
        self._show_holder()

    def paths(self, job: dict[str, Any]) -> list[str]:
        """What a job needs on this board."""
        return [os.path.join(self.workdir, folder, name) for folder, name in jobs.needs(job)]

    def release(self, client: Client, number: Any) -> None:
        """End, and answer the request of that number when the hold is free."""
        self.released.append((client, number))
        self._stop()

    # -- events

    def _events(self, _: Any, __: int) -> None:
        if self.running and not self.running.drain():
            self.selector.unregister(self.running.pipe)
        self.pump()

    def pump(self) -> None:
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
