"""Questions and answers with the supervisor on a board, over one channel."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from orchestrator.errors import (
    BoardBusy,
    BoardError,
    BoardNotReady,
    CommandFailed,
    ConnectionFailed,
    HoldLost,
    Interrupted,
    TransferFailed,
)

SILENCE_S = 20.0
"""The supervisor beats every 5 s; four missed beats are a lost link."""

ENDING = ("cancel", "release")
"""What is still asked for after the sweep was told to end."""

ERRORS: dict[str, type[BoardError]] = {
    "BoardBusy": BoardBusy,
    "HoldReleased": HoldLost,
    "BoardNotReady": BoardNotReady,
    "TransferFailed": TransferFailed,
    "BadArchive": TransferFailed,
    "NoSpace": BoardNotReady,
    "MissingFile": TransferFailed,  # somebody else has made room: what is asked for once more is sent once more
    "CommandFailed": CommandFailed,
}


class Stream(Protocol):
    """JSON objects both ways."""

    def send(self, message: dict[str, Any]) -> None: ...

    def receive(self, timeout_s: float) -> dict[str, Any] | None: ...

    def close(self) -> None: ...


class Dialogue:
    """Matches replies to requests; everything unsolicited waits for :meth:`next_event`.

    Used by one thread. Any method raises :class:`ConnectionFailed` when the link is gone or silent.
    """

    def __init__(self, stream: Stream, stop: threading.Event, held: Callable[[object], None] | None = None) -> None:
        """``held`` hears who holds the board, as long as it is waited for."""
        self._stream = stream
        self._held = held
        self._stop = stop
        self._events: deque[dict[str, Any]] = deque()
        self._number = 0
        self._heard = time.monotonic()

    def request(self, op: str, *, timeout_s: float = 60.0, **fields: Any) -> dict[str, Any]:
        """Send ``op`` and wait for its reply.

        Raises:
            BoardError: the supervisor refused, as the class it named.
            ConnectionFailed: no reply within ``timeout_s``, or no beat for 20 s.
            Interrupted: the sweep ends, and this was not a request to end something.
        """
        self._number += 1
        try:
            self._stream.send({"id": self._number, "op": op, **fields})
        except BoardError:
            self._last_words()
            raise
        deadline = time.monotonic() + timeout_s
        while True:
            if self._stop.is_set() and op not in ENDING:
                raise Interrupted(f"interrupted while the board was asked to {op}")
            message = self._receive(deadline - time.monotonic())
            if message is None:
                if time.monotonic() >= deadline:
                    raise ConnectionFailed(f"the board did not answer '{op}' within {timeout_s:.0f} s")
            elif message.get("id") == self._number:
                return answer(message)
            elif "event" in message:
                self._events.append(message)

    def _last_words(self) -> None:
        """What the board had said before it closed; raises :class:`HoldLost` where that was who ended the hold."""
        with contextlib.suppress(ConnectionFailed, CommandFailed, TransferFailed):
            while self._receive(0.0) is not None:
                pass

    def next_event(self, timeout_s: float) -> dict[str, Any] | None:
        """The next message nobody asked for (an event), or None after ``timeout_s``."""
        if self._events:
            return self._events.popleft()
        message = self._receive(timeout_s)
        return message if message is not None and "event" in message else None

    def close(self) -> None:
        """Close the channel; the supervisor notices."""
        self._stream.close()

    def _receive(self, timeout_s: float) -> dict[str, Any] | None:
        message = self._stream.receive(max(0.0, min(timeout_s, 1.0)))
        now = time.monotonic()
        if message is not None:
            self._heard = now
            if self._held is not None and "held" in message:
                self._held(message["held"])
            if message.get("id") is None and "error" in message:  # of the whole conversation
                answer(message)
        elif now - self._heard > SILENCE_S:
            raise ConnectionFailed(f"the board has been silent for {SILENCE_S:.0f} s")
        return message


def answer(message: dict[str, Any]) -> dict[str, Any]:
    """The payload of a reply, or the error it carries."""
    error = message.get("error")
    if error is None:
        payload = message.get("ok")
        return payload if isinstance(payload, dict) else {}
    kind = str(error.get("type")) if isinstance(error, dict) else ""
    text = str(error.get("message")) if isinstance(error, dict) else str(error)
    if kind == "BoardBusy":
        raise BoardBusy(f"{text[:2000]}{since(error)}", hint="wait for it with device.wait_for_hold_s=300")
    if kind == "HoldReleased":
        raise HoldLost(text[:2000], hint="ask them; then start again with resume=last")
    raise ERRORS.get(kind, BoardError)(text[:2000])


def since(error: Any) -> str:
    """When the holder of a busy board took it, as far as the board tells."""
    holder = error.get("holder") if isinstance(error, dict) else None
    began = holder.get("since") if isinstance(holder, dict) else None
    if isinstance(began, bool) or not isinstance(began, int | float) or not 0 < began < 1e11:
        return ""
    return time.strftime(" since %Y-%m-%d %H:%M:%S", time.localtime(began))
