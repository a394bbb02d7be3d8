"""One connection of the supervisor, and the messages on it."""

from __future__ import annotations

import json
import socket
import time

from remote import hold
from remote.schema import clean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_GREETING_S = 10.0
_MAX_UNSENT_BYTES = 8 * 1024 * 1024


class Client:
    """One connection; ``admitted`` once it has shown the session's token."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self.connection = connection
        self.admitted = False
        self.last = False  # close it when all is sent
        self.received = b""
        self.unsent = b""
        self.follows: dict[str, int] = {}  # run id -> offset in its events
        self.greet_until = time.monotonic() + _GREETING_S

    def send(self, data: dict[str, Any]) -> None:
        """Queue a message; the loop sends it when the other end takes it."""
        self.unsent += hold.line(data)

    def flush(self) -> bool:
        """Send what goes; False when the connection is of no more use."""
        try:
            while self.unsent:
                self.unsent = self.unsent[self.connection.send(self.unsent) :]
        except BlockingIOError:
            return len(self.unsent) <= _MAX_UNSENT_BYTES
        except OSError:
            return False
        return not self.last


def parsed(raw: bytes) -> dict[str, Any]:
    """A message; what is none counts as an empty one."""
    try:
        data = json.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def error(number: Any, kind: str, message: str) -> dict[str, Any]:
    return {"id": number, "error": {"type": kind, "message": clean(message, 4000)}}


def events_from(path: str, offset: int, tail: bytes = b"") -> list[tuple[dict[str, Any], int]]:
    """Whole events from a byte on, each with the byte after it; ``tail`` is what the disk did not take.

    An offset that is no beginning of a line comes from a supervisor whose tail went with it: then all are told again.
    """
    try:
        with open(path, "rb") as stream:
            data = stream.read()
    except OSError:
        data = b""
    data += tail
    if offset and data[offset - 1 : offset] != b"\n":
        offset = 0
    found = []
    for raw in data[offset : data.rfind(b"\n") + 1].splitlines(True):
        offset += len(raw)
        found.append((parsed(raw), offset))
    return found
