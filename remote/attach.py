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

from remote import hold, waiting
from remote.process import child_environment, python_command
from remote.schema import clean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_RETRY_S = 2.0  # each try wakes the supervisor, which may be measuring
_BEAT_S = 4.0
_ANSWER_S = 10.0
_SPAWN_S = 60.0
_DEFER_S = 20.0  # a free hold is left so long to who waits for it with a higher priority: it tries every 2 s
_LOOK_S = 0.5
_CHUNK = 65536
_MAX_EARLY_BYTES = 1024 * 1024
BUSY_STATUS = 75  # EX_TEMPFAIL
GONE_STATUS = 1


def _options(arguments: list[str]) -> dict[str, str]:
    """``--name value`` pairs; argparse would cost 10 ms at each start."""
    options = {"wait": "0", "holder": "{}", "linger": "180", "claim": "0", "priority": "0"}
    for name, value in zip(arguments[::2], arguments[1::2]):
        options[name.lstrip("-")] = value
    return options


class _Controller:
    """Who is at the other end of stdin and stdout while the hold is not had yet.

    It hears beats, so that it does not take the link for a dead one; what it says already is kept for the supervisor;
    and its end is seen, which an SSH server does not always tell by a signal.
    """

    def __init__(self) -> None:
        self.early = b""
        self.gone = False
        self.sign: waiting.Sign | None = None  # that we wait, for all users of the board to see
        self.held: dict[str, Any] | None = None  # who holds the board meanwhile
        self._next_beat_s = time.monotonic() + _BEAT_S

    def say(self, data: dict[str, Any]) -> None:
        rest = hold.line(data)
        try:
            while rest:
                rest = rest[os.write(1, rest) :]
        except OSError:
            self.gone = True

    def beat(self) -> None:
        self._next_beat_s = time.monotonic() + _BEAT_S
        self.say({"beat": time.time()} if self.held is None else {"beat": time.time(), "held": self.held})

    def waits(self, options: dict[str, str], said: dict[str, Any]) -> None:
        """It waits from now on, or still, for who is ``said`` to hold the board."""
        self.held = said["error"].get("holder")
        if self.sign is None:
            with suppress(OSError, ValueError, hold.HoldTaken):  # else it waits unseen, as ever
                self.sign = waiting.Sign(options["hold"], int(options["priority"]), json.loads(options["holder"]))

    def enters(self) -> None:
        """It waits no more."""
        self.held = None
        if self.sign is not None:
            self.sign.close()
            self.sign = None

    def listen(self, until_s: float, other: int | None = None) -> bool:
        """True once ``other`` is readable, False when the time is over; without an ``other`` also when it is gone."""
        while True:
            now = time.monotonic()
            if now >= self._next_beat_s:
                self.beat()
            if now >= until_s or (self.gone and other is None):
                return False
            watched = ([] if self.gone else [0]) + ([] if other is None else [other])
            watched += [] if self.sign is None else [self.sign.fileno()]
            ready = select.select(watched, [], [], max(0.0, min(until_s, self._next_beat_s) - now))[0]
            if 0 in ready:
                self._hear()
            if self.sign is not None and self.sign.fileno() in ready:
                self.sign.answer()
            if other in ready:
                return True

    def _hear(self) -> None:
        try:
            data = os.read(0, _CHUNK)
        except OSError:
            data = b""
        self.early += data
        self.gone = not data or len(self.early) > _MAX_EARLY_BYTES


def _spawn(options: dict[str, str], controller: _Controller) -> str:
    """Start a supervisor; its last word says ``ready`` or ``busy`` (another was faster), anything else is its trouble.

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
        bufsize=0,
    )
    assert child.stdin is not None and child.stdout is not None
    with suppress(OSError), child.stdin:
        child.stdin.write(json.dumps(options).encode())
    said, output = b"", child.stdout.fileno()
    while controller.listen(time.monotonic() + _SPAWN_S, output):
        data = os.read(output, _CHUNK)
        said += data
        if not data:
            break
    child.stdout.close()
    child.wait()
    return said.decode("utf-8", "replace").strip()


def _first_line(connection: socket.socket, controller: _Controller) -> dict[str, Any]:
    """The answer to the greeting, byte by byte so that nothing behind it is taken; an empty one where there is none."""
    raw, until_s = b"", time.monotonic() + _ANSWER_S
    try:
        while not raw.endswith(b"\n") and len(raw) < 4096 and controller.listen(until_s, connection.fileno()):
            byte = connection.recv(1)
            if not byte:
                break
            raw += byte
        answer = json.loads(raw.decode("utf-8"))
    except (OSError, ValueError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _greet(connection: socket.socket, session: str, controller: _Controller) -> dict[str, Any]:
    """Show the token, but only to a process of the same user; and from another's, take nothing but that it is busy."""
    own = hold.is_own(connection)
    if own:
        with suppress(OSError):  # it may have refused us already; the answer says so
            connection.sendall(hold.line({"session": session}))
    answer = _first_line(connection, controller)
    if own and ("attached" in answer or isinstance(answer.get("error"), dict)):
        return answer
    return hold.told_by_a_stranger(answer)


def _enter(options: dict[str, str], controller: _Controller) -> tuple[socket.socket | None, dict[str, Any]]:
    """One try to get in: the connection, if we got one, and what was said."""
    fresh = False
    for _ in range(3):  # a supervisor may end between our two steps
        connection = hold.connect(options["hold"])
        if connection is not None:
            answer = _greet(connection, options["session"], controller)
            if "attached" in answer:
                return connection, dict(answer, fresh=fresh)
            connection.close()
            return None, answer
        ahead = _let_pass(options, controller)
        if ahead is not None:
            return None, hold.busy(ahead)
        said = _spawn(options, controller)
        word = said.rpartition("\n")[2]  # an interpreter may warn before it
        if word not in ("ready", "busy"):
            problem = "the supervisor did not start: %s" % clean(said[-2000:])
            return None, {"error": {"type": "BoardNotReady", "message": problem}}
        fresh = word == "ready"
    return None, hold.busy({})


def _let_pass(options: dict[str, str], controller: _Controller) -> dict[str, Any] | None:
    """Leave a free hold to who waits for it with a higher priority; None once nobody does, which is when it is in.

    Who does not come within ``_DEFER_S``, since it is stopped or only plays that it waits, counts no more, for the
    supervisor to come neither. The one that waits is returned where our controller is gone before that.
    """
    until_s, passed = time.monotonic() + _DEFER_S, options.get("passed", "").split()
    while True:
        ahead = waiting.best(options["hold"], int(options["priority"]), passed)
        if ahead is None:
            return None
        if controller.gone:
            return ahead
        if time.monotonic() >= until_s:
            passed.append(ahead["token"])
            options["passed"] = " ".join(passed[-100:])
        else:
            controller.listen(time.monotonic() + _LOOK_S)


def _patience_s(options: dict[str, str], said: dict[str, Any]) -> float:
    """How long to wait in all: for a holder of lower priority until its turn is over, even without leave to wait."""
    theirs, wait_s = hold.priority_of((said["error"].get("holder") or {}).get("priority")), float(options["wait"])
    return max(wait_s, hold.YIELD_S) if theirs is not None and theirs < int(options["priority"]) else wait_s


def _wait(options: dict[str, str], controller: _Controller) -> tuple[socket.socket | None, dict[str, Any]]:
    """Try until we are in, or the time or the controller's patience is over."""
    began = time.monotonic()
    while True:
        connection, said = _enter(options, controller)
        if connection is not None or said["error"].get("type") != hold.BUSY:
            return connection, said
        left = began + _patience_s(options, said) - time.monotonic()
        if left <= 0:
            return None, said
        controller.waits(options, said)
        controller.beat()
        controller.listen(time.monotonic() + min(_RETRY_S, left))
        if controller.gone:
            return None, said


def _give_back(connection: socket.socket) -> None:
    """A hold that nobody is left to use is not kept for the time of a reconnect."""
    with suppress(OSError):
        connection.settimeout(_ANSWER_S)
        connection.sendall(hold.line({"id": 0, "op": "release"}))
        while connection.recv(_CHUNK):
            pass


def _bridge(connection: socket.socket, controller: _Controller) -> None:
    """Copy both ways until the supervisor closes. The end of stdin is passed on, so that it can say its last word."""
    connection.settimeout(None)
    connection.sendall(controller.early)
    watched: list[Any] = [connection, 0]
    if controller.gone:
        watched.remove(0)
        connection.shutdown(socket.SHUT_WR)
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
    if hold.priority_of(int(options["priority"])) is None:
        sys.stderr.write("attach: --priority is beyond %d to %d\n" % (hold.LOWEST, hold.HIGHEST))
        return 2
    controller = _Controller()
    connection, said = _wait(options, controller)
    waited = float(options["wait"]) > 0 or controller.sign is not None
    controller.enters()
    if connection is None:
        controller.say(said)
        return GONE_STATUS if controller.gone else BUSY_STATUS
    if controller.gone and said["fresh"] and waited:
        _give_back(connection)
        return GONE_STATUS
    try:
        _bridge(connection, controller)
    except OSError:  # the channel or the supervisor is gone; the job goes on, and the controller comes back
        return GONE_STATUS
    return 0
