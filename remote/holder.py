"""Who holds the board, and ending a hold from outside, both by its socket."""

from __future__ import annotations

import hashlib
import json
import os
import time
from contextlib import suppress

from remote import files, hold, waiting

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from typing import Any, Dict

RELEASED = "released.json"
ANSWER_S = 10.0
MAX_SHOWN = 8
END_S = 60.0
"""A job is asked to end, then killed, and the board's settings are put back."""


def main(arguments: list[str]) -> int:
    """``holder HOLD look|release [BY]``: a JSON line. ``BY`` is who ends it, as JSON."""
    name, verb = arguments[:2]
    connection = hold.connect(name)
    if connection is None:
        answer: Dict[str, Any] = {"ok": {"held": False}}
    elif verb == "look":
        answer = {"ok": _seen(connection, name)}
    else:
        answer = _released(connection, name, json.loads(arguments[2]))
    print(json.dumps(answer))
    return 0


def _seen(connection: socket.socket, name: str) -> Dict[str, Any]:
    """What the holder says of itself, and who waits for it; ``own``: whether it is this user's."""
    own, uid = hold.is_own(connection), hold.peer_uid(connection)
    if own:
        connection.sendall(hold.line({"look": True}))
    told = hold.told_by_a_stranger(_line(connection, ANSWER_S))["error"]["holder"]
    return dict(told, held=True, own=own, uid=uid, waiting=waiting.everybody(name, MAX_SHOWN))


def _released(connection: socket.socket, name: str, by: Dict[str, Any]) -> Dict[str, Any]:
    if not hold.is_own(connection):
        uid = hold.peer_uid(connection)
        message = "the hold is of another user of the board (uid %d), who has to release it" % uid
        return {"error": {"type": "NotOurs", "message": message}}
    connection.sendall(hold.line({"release": hold.short_texts(by)}))
    told = _line(connection, END_S)
    if "ok" in told:
        return {"ok": {"held": False, "left": told["ok"].get("left", [])}}
    end = time.monotonic() + ANSWER_S
    while time.monotonic() < end:
        left = hold.connect(name)
        if left is None:
            return {"ok": {"held": False, "left": told.get("ok", {}).get("left", [])}}
        left.close()
        time.sleep(0.1)
    return {"error": {"type": "StillHeld", "message": "the supervisor did not end within %d s" % (END_S + ANSWER_S)}}


def _line(connection: socket.socket, timeout_s: float) -> Dict[str, Any]:
    """Its last line before it closes, or what came until the time was over; an empty one where that is none."""
    raw, until_s = b"", time.monotonic() + timeout_s
    try:
        while len(raw) < 65536:
            connection.settimeout(max(0.01, until_s - time.monotonic()))
            data = connection.recv(4096)
            if not data:
                break
            raw += data
        answer = json.loads(raw.decode("utf-8").strip().rpartition("\n")[2])
    except (OSError, ValueError):
        return {}
    return answer if isinstance(answer, dict) else {}


def remember(workdir: str, session: str, words: str) -> None:
    """That this session's hold was ended, for when it comes back over a new link."""
    with suppress(OSError):
        files.write_json(os.path.join(workdir, RELEASED), {"session": _digest(session), "words": words})


def refusal(workdir: str, session: str, claim: bool) -> str:
    """Who ended the hold of this session, in words; empty where nobody did, or where it ``claim``s the board anew."""
    path = os.path.join(workdir, RELEASED)
    known = files.read_json(path)
    if not isinstance(known, dict) or known.get("session") != _digest(session):
        return ""
    if claim:
        with suppress(OSError):
            os.remove(path)
        return ""
    return str(known.get("words"))[:200]


def _digest(session: str) -> str:
    return hashlib.sha256(session.encode()).hexdigest()


def by_whom(data: Any) -> str:
    """``ann@desk``, as far as it is told."""
    told = hold.short_texts(data)
    return "%s@%s" % (told.get("user") or "somebody", told.get("host") or "an unknown host")
