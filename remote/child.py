"""Processes of this program, seen from the runner that has started them."""

from __future__ import annotations

import json
import os
import select
import subprocess
import time
from contextlib import suppress

from remote.board import State
from remote.process import child_environment, death, oom_kills, python_command, was_out_of_memory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Iterable, Iterator


class WorkerFailed(Exception):
    """A measuring process gave no result; ``error`` is the record's."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error["message"])
        self.error = error


class Child:
    """A process of this program and the JSON lines that it says."""

    def __init__(self, verb: str, order: dict[str, Any], own_packages: bool = False) -> None:
        self._waiting = b""
        self._open = True
        self.forced = False  # whether it had to be killed in the end
        self._process = subprocess.Popen(
            python_command(verb, own_packages=own_packages),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=child_environment(),
            bufsize=0,
        )
        self.pid = self._process.pid
        self.send(order)

    def send(self, data: Any) -> None:
        """A line to its stdin; if it is gone, reading will tell why."""
        with suppress(OSError, ValueError):  # ValueError: its stdin was closed here
            self._process.stdin.write(json.dumps(data).encode() + b"\n")  # type: ignore[union-attr]

    def pipe(self) -> int | None:
        """What to wait for; None once it has closed its end."""
        return self._process.stdout.fileno() if self._open else None  # type: ignore[union-attr]

    def receive(self) -> None:
        """Take what is in the pipe, once that is readable."""
        data = os.read(self._process.stdout.fileno(), 1 << 20)  # type: ignore[union-attr]
        self._waiting += data
        self._open = bool(data)

    def said(self) -> dict[str, Any] | None:
        """Its next message of those that were received; None: there is none yet."""
        line, found, rest = self._waiting.partition(b"\n")
        if not found:
            return None
        self._waiting = rest
        message: dict[str, Any] = json.loads(line.decode("utf-8"))
        return message

    def runs(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def kill(self) -> None:
        """At once."""
        self._process.kill()

    def end_stdin(self) -> None:
        """What tells it to end."""
        with suppress(OSError):
            self._process.stdin.close()  # type: ignore[union-attr]

    def close(self, limit_s: float = 10.0) -> int:
        """Wait for its end, and force it where it does not come; its exit status."""
        self.end_stdin()
        self._process.stdout.close()  # type: ignore[union-attr]
        self._open = False
        try:
            return self._process.wait(limit_s)
        except subprocess.TimeoutExpired:
            self.forced = True
            self._process.kill()
            return self._process.wait()


class Worker:
    """A measuring process. Beside what it says, whoever waits for it serves tickers (``next_s``, ``fire()``) and
    listens to other processes (``pipe()``, ``hear()``)."""

    def __init__(self, order: dict[str, Any], state: State, verb: str = "worker", beside: Iterable[Any] = ()) -> None:
        self._state = state
        self._beside = list(beside)
        self._oom_before = oom_kills()
        self._child = Child(verb, order, own_packages=order["env"] is None)
        self.send = self._child.send
        state.child = self._child.pid

    def messages(
        self, *tickers: Any, until_s: float | None = None, enough: Callable[[], bool] = lambda: False
    ) -> Iterator[dict[str, Any]]:
        """What it says, as it comes, while all others are served; ends at ``until_s``, when it is ``enough``, or when
        it closes its pipe."""
        while True:
            message = self._child.said()
            if message is not None:
                yield message
                continue
            now = time.monotonic()
            own = self._child.pipe()
            if own is None or enough() or (until_s is not None and now >= until_s):
                return
            for ticker in tickers:
                if now >= ticker.next_s:
                    ticker.fire()
            due = min([ticker.next_s for ticker in tickers] + ([until_s] if until_s is not None else []))
            others = {one.pipe(): one for one in self._beside if one.pipe() is not None}
            for pipe in select.select([own, *others], [], [], max(0.0, due - time.monotonic()))[0]:
                if pipe == own:
                    self._child.receive()
                else:
                    others[pipe].hear()

    def expect(self, key: str, *tickers: Any, limit_s: float | None = None) -> dict[str, Any]:
        """Wait for one message; raises :class:`WorkerFailed` when an error or the process's end comes first, or when
        it has not come within ``limit_s``, and then the process is killed."""
        until_s = None if limit_s is None else time.monotonic() + limit_s
        for message in self.messages(*tickers, until_s=until_s):
            if "error" in message:
                self.close()
                raise WorkerFailed(message["error"])
            if key in message:
                return message
        late = until_s is not None and time.monotonic() >= until_s and self._child.runs()
        if late:
            self._child.kill()
        returncode = self.close()
        if late:
            said = "the measuring process did not say '%s' within %.3g s and was stopped" % (key, limit_s or 0)
            raise WorkerFailed({"type": "TimedOut", "message": said, "traceback": "", "phase": "before " + key})
        kind = "OutOfMemory" if was_out_of_memory(returncode, self._oom_before) else "WorkerDied"
        said = "the measuring process %s before it said '%s'" % (death(returncode, self._oom_before), key)
        raise WorkerFailed({"type": kind, "message": said, "traceback": "", "phase": "before " + key})

    def close(self) -> int:
        """Wait for its end, and force it where it does not come."""
        returncode = self._child.close()
        self._state.child = None
        return returncode
