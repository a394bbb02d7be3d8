"""A measuring process, seen from the runner that has started it."""

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
    from typing import Any, Iterator


class WorkerFailed(Exception):
    """A measuring process gave no result; ``error`` is the record's."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error["message"])
        self.error = error


class Worker:
    """A measuring process and what it says."""

    def __init__(self, order: dict[str, Any], state: State, verb: str = "worker") -> None:
        self._state = state
        self._oom_before = oom_kills()
        self._waiting = b""
        self._phase = "start"
        self._child = subprocess.Popen(
            python_command(verb, own_packages=order["env"] is None),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=child_environment(),
            bufsize=0,
        )
        state.child = self._child.pid
        self.send(order)

    def send(self, data: Any) -> None:
        """A line to its stdin; if it is gone, reading will tell why."""
        with suppress(OSError):
            self._child.stdin.write(json.dumps(data).encode() + b"\n")  # type: ignore[union-attr]

    def messages(self, *tickers: Any, until_s: float | None = None) -> Iterator[dict[str, Any]]:
        """What it says, as it comes, while the tickers are served; ends at ``until_s`` or when it closes its pipe."""
        pipe = self._child.stdout.fileno()  # type: ignore[union-attr]
        while True:
            line, found, rest = self._waiting.partition(b"\n")
            if found:
                self._waiting = rest
                yield json.loads(line.decode("utf-8"))
                continue
            now = time.monotonic()
            if until_s is not None and now >= until_s:
                return
            for ticker in tickers:
                if now >= ticker.next_s:
                    ticker.fire()
            due = min([ticker.next_s for ticker in tickers] + ([until_s] if until_s is not None else []))
            if select.select([pipe], [], [], max(0.0, due - time.monotonic()))[0]:
                data = os.read(pipe, 1 << 20)
                if not data:
                    return
                self._waiting += data

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
        late = until_s is not None and time.monotonic() >= until_s and self._child.poll() is None
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
        for stream in (self._child.stdin, self._child.stdout):
            if stream is not None:
                stream.close()
        try:
            returncode = self._child.wait(10)
        except subprocess.TimeoutExpired:
            self._child.kill()
            returncode = self._child.wait()
        self._state.child = None
        return returncode
