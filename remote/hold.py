"""The exclusive hold of a board: an abstract Unix socket, which the kernel frees the moment its owner is gone."""

from __future__ import annotations

import errno
import json
import os
import socket
import struct

from remote.schema import clean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

BUSY = "BoardBusy"
LOWEST, HIGHEST = -100, 100
"""Of a priority; 0 is a person at a desk."""
YIELD_S = 900.0
"""So long a holder of lower priority is waited for also by who would not wait: its turn is over by then (600 s of
windows at most, but for one process that takes longer by itself)."""


class HoldTaken(Exception):
    """The socket is bound already."""


def _address(hold: str) -> str:
    return "\0" + hold


def bind(hold: str) -> socket.socket:
    """Take the hold; raises :class:`HoldTaken`, or OSError where the name is no possible one. It lasts as long as the
    socket is open."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(_address(hold))
    except OSError as error:
        listener.close()
        if error.errno != errno.EADDRINUSE:
            raise
        raise HoldTaken(str(error)) from error
    listener.listen(16)
    listener.setblocking(False)
    return listener


def connect(hold: str, timeout_s: float = 3.0) -> socket.socket | None:
    """A connection to whoever has the hold; None where it is free. The time is for one that stands still while many
    knock."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(timeout_s)
    try:
        connection.connect(_address(hold))
    except OSError:
        connection.close()
        return None
    return connection


def peer_uid(connection: socket.socket) -> int:
    """The user at the other end, as the kernel knows it."""
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return int(struct.unpack("3i", raw)[1])


def busy(holder: dict[str, Any]) -> dict[str, Any]:
    """What everybody but the session's own client is told."""
    who = "%s@%s" % (holder.get("user") or "somebody", holder.get("host") or "an unknown host")
    priority = priority_of(holder.get("priority"))
    told = " (priority %d)" % priority if priority else ""
    return {"error": {"type": BUSY, "message": "the board is held by %s%s" % (who, told), "holder": holder}}


def priority_of(value: Any) -> int | None:
    """A priority that another process tells; None for what is none, as of a holder that does not know priorities."""
    return value if type(value) is int and LOWEST <= value <= HIGHEST else None


def short_texts(data: Any) -> dict[str, str]:
    """Who the controller says it is; a few short texts and nothing else."""
    if not isinstance(data, dict):
        return {}
    return {key: clean(data[key], 100) for key in ("user", "host") if isinstance(data.get(key), str)}


def told_by_a_stranger(answer: Any) -> dict[str, Any]:
    """What another user's supervisor says about itself: that it is busy and for whom, whatever else it may claim."""
    error = answer.get("error") if isinstance(answer, dict) else None
    holder = error.get("holder") if isinstance(error, dict) else None
    shown: dict[str, Any] = dict(short_texts(holder))
    if isinstance(holder, dict):
        shown.update({key: holder[key] for key in ("since", "until", "pid") if type(holder.get(key)) in (int, float)})
        if priority_of(holder.get("priority")) is not None:
            shown["priority"] = holder["priority"]
    return busy(shown)


def line(data: dict[str, Any]) -> bytes:
    """One message of the stream."""
    return json.dumps(data, separators=(",", ":")).encode() + b"\n"


def is_own(connection: socket.socket) -> bool:
    """Whether the other end is the same user."""
    return peer_uid(connection) == os.getuid()
