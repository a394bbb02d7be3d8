"""The bridge between the SSH channel (stdin, stdout) and the supervisor's socket; starts one where the hold is free."""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import sys
import time
from contextlib import suppress

from remote import hold
from remote.process import child_environment, python_command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_RETRY_S = 2.0  # each try wakes the supervisor, which may be measuring
_CHUNK = 65536
BUSY_STATUS = 75  # EX_TEMPFAIL


def _options(arguments: list[str]) -> dict[str, str]:
    """``--name value`` pairs; argparse would cost 10 ms at each start."""
    options = {"wait": "0", "holder": "{}", "linger": "180"}
    for name, value in zip(arguments[::2], arguments[1::2]):
        options[name.lstrip("-")] = value
    return options


def _say(data: dict[str, Any]) -> None:
    sys.stdout.buffer.write(hold.line(data))
    sys.stdout.buffer.flush()


def _spawn(options: dict[str, str]) -> str:
    """Start a supervisor; its one word says ``ready`` or ``busy`` (another was faster), anything else is its trouble.

    The token goes by a pipe, so that the long-lived process does not show it in its arguments.
    """
    child = subprocess.Popen(
        python_command("supervise"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        cwd="/",
        env=child_environment(),
    )
    said, _ = child.communicate(json.dumps(options).encode())
    return said.decode("utf-8", "replace").strip()


def _first_line(connection: socket.socket) -> dict[str, Any]:
    """The answer to the greeting, byte by byte so that nothing behind it is taken."""
    raw = b""
    try:
        while not raw.endswith(b"\n") and len(raw) < 4096:
            byte = connection.recv(1)
            if not byte:
                break
            raw += byte
        answer = json.loads(raw.decode("utf-8"))
    except (OSError, ValueError):
        answer = None
    return answer if isinstance(answer, dict) else hold.busy({})


def _greet(connection: socket.socket, session: str) -> dict[str, Any]:
    """Show the token, but only to a process of the same user."""
    if hold.is_own(connection):
        with suppress(OSError):  # it may have refused us already; the answer says so
            connection.sendall(hold.line({"session": session}))
    return _first_line(connection)


def _enter(options: dict[str, str]) -> socket.socket | dict[str, Any]:
    """One try to get in: the connection, or what to tell the controller."""
    for _ in range(3):  # a supervisor may end between our two steps
        connection = hold.connect(options["hold"])
        if connection is not None:
            answer = _greet(connection, options["session"])
            if "attached" in answer:
                return connection
            connection.close()
            return answer if "error" in answer else hold.busy({})
        said = _spawn(options)
        if said not in ("ready", "busy"):
            return {"error": {"type": "BoardNotReady", "message": "the supervisor did not start: %s" % said[-2000:]}}
    return hold.busy({})


def _bridge(connection: socket.socket) -> None:
    """Copy both ways until the supervisor closes. The end of stdin is passed on, so that it can say its last word."""
    connection.settimeout(None)
    watched: list[Any] = [connection, 0]
    while True:
        ready, _, _ = select.select(watched, [], [])
        if 0 in ready:
            data = os.read(0, _CHUNK)
            if data:
                connection.sendall(data)
            else:
                watched.remove(0)
                connection.shutdown(socket.SHUT_WR)
        if connection in ready:
            data = connection.recv(_CHUNK)
            if not data:
                return
            view = memoryview(data)
            while view:
                view = view[os.write(1, view) :]


def main(arguments: list[str]) -> int:
    """Wait for the hold as long as allowed, then bridge."""
    options = _options(arguments)
    missing = [name for name in ("workdir", "hold", "session") if not options.get(name)]
    if missing:
        sys.stderr.write("attach: --%s is missing\n" % missing[0])
        return 2
    give_up = time.monotonic() + float(options["wait"])
    while True:
        entered = _enter(options)
        if isinstance(entered, socket.socket):
            break
        left = give_up - time.monotonic()
        if entered["error"].get("type") != hold.BUSY or left <= 0:
            _say(entered)
            return BUSY_STATUS
        time.sleep(min(_RETRY_S, left))
    try:
        _bridge(entered)
    except OSError:  # the channel or the supervisor is gone; the job goes on, and the controller comes back
        return 1
    return 0
