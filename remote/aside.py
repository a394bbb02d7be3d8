"""Slow work of the supervisor, in threads beside its loop, which is woken when an answer is there."""

from __future__ import annotations

import signal
import socket
import threading
from contextlib import suppress

from remote import files
from remote.wire import Client, error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable


class Aside:
    """``wake`` is readable once something has happened, a signal included; then :meth:`answer`."""

    def __init__(self) -> None:
        self.wake, self._waker = socket.socketpair()
        for end in (self.wake, self._waker):
            end.setblocking(False)
        signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        self._answers: list[tuple[Client, dict[str, Any]]] = []

    def begin(self, client: Client, number: Any, work: Callable[[], dict[str, Any]]) -> None:
        """Do it in a thread, and have the answer to the request of that number when it is done."""

        def run() -> None:
            answer = error(number, "TransferFailed", "it went wrong in a way that only supervisor.log tells")
            try:
                answer = {"id": number, "ok": work()}
            except files.FileError as problem:
                answer = error(number, problem.kind, str(problem))
            except OSError as problem:
                kind = "NoSpace" if files.is_full(problem) else "TransferFailed"
                answer = error(number, kind, str(problem))
            finally:  # an archive can break its decompressor in many ways; that somebody waits stays true
                self._answers.append((client, answer))
                with suppress(BlockingIOError):  # full: awake already
                    self._waker.send(b"\0")

        threading.Thread(target=run, daemon=True).start()

    def answer(self) -> None:
        """Hand over what has come."""
        with suppress(BlockingIOError):
            self.wake.recv(4096)
        while self._answers:
            client, answer = self._answers.pop(0)
            client.send(answer)
