"""Who waits for a board: sockets named by its hold and a priority, which the kernel shows to all users of the board."""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress

from remote import hold

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from typing import Any, Collection

TABLE = "/proc/net/unix"
MAX_TABLE_BYTES = 4 * 1024 * 1024
MAX_ASKED = 16
ANSWER_S = 1.0
ALL_ANSWERS_S = 4.0
"""For all that are asked: names cost nothing, and behind them may be anybody."""
_TOKEN_BYTES = 8
_LONGEST = 80  # of what a name begins with; the kernel takes 107 bytes in all
_LISTENS, _STREAM = b"00010000", b"0001"  # flags and type as the table shows them


class Sign:
    """Says that its process waits for a hold, as long as it is open; the kernel takes it down with the process."""

    def __init__(self, name: str, priority: int, who: dict[str, Any]) -> None:
        """``who`` is told to the same user. Raises OSError or :class:`hold.HoldTaken` where it cannot be put up."""
        self._who = hold.line(hold.short_texts(who))
        self._listener = hold.bind("%s%d.%s" % (_beginning(name), priority, os.urandom(_TOKEN_BYTES).hex()))

    def fileno(self) -> int:
        return self._listener.fileno()

    def answer(self) -> None:
        """Say who waits to the one that asks, once the listener is readable."""
        with suppress(OSError):
            asking, _ = self._listener.accept()
            with asking:
                asking.setblocking(False)
                if hold.is_own(asking):
                    asking.sendall(self._who)

    def close(self) -> None:
        self._listener.close()


def _beginning(name: str) -> str:
    """Of the names of all who wait for a hold."""
    if len(name.encode("utf-8", "surrogateescape")) > _LONGEST:
        import hashlib

        name = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()
    return "%s.waiting." % name


def shown(name: str) -> list[tuple[int, str]]:
    """Priority and token of every sign of a hold, the highest priority first. Anybody may have put one up."""
    try:
        with open(TABLE, "rb") as stream:
            table = stream.read(MAX_TABLE_BYTES)
    except OSError:
        return []
    beginning = b"@" + _beginning(name).encode("utf-8", "surrogateescape")
    found = {sign for sign in (_parsed(line, beginning) for line in table.split(b"\n")) if sign is not None}
    return sorted(found, key=lambda sign: (-sign[0], sign[1]))


def _parsed(line: bytes, beginning: bytes) -> tuple[int, str] | None:
    """One line of the table; None for what is not exactly a sign of ours: a name may be any bytes."""
    words = line.split(None, 7)
    if len(words) != 8 or not words[7].startswith(beginning) or (words[3], words[4]) != (_LISTENS, _STREAM):
        return None
    number, _, token = words[7][len(beginning) :].decode("ascii", "replace").partition(".")
    if len(token) != 2 * _TOKEN_BYTES or not set(token) <= set("0123456789abcdef"):
        return None
    digits = number[1:] if number.startswith("-") else number
    if not digits.isdigit() or len(digits) > 3 or str(int(number)) != number:
        return None
    return (int(number), token) if hold.priority_of(int(number)) is not None else None


def best(name: str, above: int, passed: Collection[str] = ()) -> dict[str, Any] | None:
    """Who of a priority higher than ``above`` waits for the hold: ``priority``, ``token``, ``own`` (of this user), and
    ``user`` and ``host`` where it is. Tokens in ``passed`` do not count."""
    signs = [sign for sign in shown(name) if sign[0] > above and sign[1] not in passed]
    return next(iter(_asked(name, signs, 1)), None)


def everybody(name: str, most: int) -> list[dict[str, Any]]:
    """All who wait for the hold, as :func:`best` tells them, those of the highest priority first."""
    return _asked(name, shown(name), most)


def _asked(name: str, signs: list[tuple[int, str]], most: int) -> list[dict[str, Any]]:
    """Those behind whose signs a process is."""
    found: list[dict[str, Any]] = []
    until_s = time.monotonic() + ALL_ANSWERS_S
    for priority, token in signs[:MAX_ASKED]:
        if len(found) == most or time.monotonic() > until_s:
            break
        connection = hold.connect("%s%d.%s" % (_beginning(name), priority, token), ANSWER_S)
        if connection is not None:
            with connection:
                found.append(dict(_who(connection), priority=priority, token=token))
    return found


def _who(connection: socket.socket) -> dict[str, Any]:
    """Another user's process is not asked: it may say anything, and be slow about it."""
    if not hold.is_own(connection):
        return {"own": False}
    raw, until_s = b"", time.monotonic() + ANSWER_S
    with suppress(OSError, ValueError, RecursionError):
        while b"\n" not in raw and len(raw) < 4096:
            connection.settimeout(max(0.01, until_s - time.monotonic()))
            data = connection.recv(4096)
            if not data:
                break
            raw += data
        return dict(hold.short_texts(json.loads(raw.decode("utf-8"))), own=True)
    return {"own": True}
