"""Reading an SSH channel: waiting without polling, telling a dead link from a dead command."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import paramiko

from orchestrator.connection.address import Hop
from orchestrator.errors import ConnectionFailed

CHUNK_BYTES = 65536
NO_STATUS = -1  # paramiko's word for "the exit status never came"
SETTLE_S = 0.3


class Incoming:
    """What arrives on a channel, and where its bytes go; read by one thread.

    The wait is on an event, not on ``Channel.fileno()``: paramiko writes a byte into the pipe behind that number from
    its own thread while ``Channel.close`` closes it from ours, and the failed write ends the whole connection
    ("Bad file descriptor", about one flooding command in four), or lands in whatever file got the number next.
    """

    def __init__(
        self, channel: paramiko.Channel, stdout: Callable[[bytes], None], stderr: Callable[[bytes], None]
    ) -> None:
        self._channel, self._stdout, self._stderr = channel, stdout, stderr
        self._arrived = threading.Event()
        channel.in_buffer.set_event(self._arrived)
        channel.in_stderr_buffer.set_event(self._arrived)

    def pump(self, timeout_s: float) -> bool:
        """Wait up to ``timeout_s`` for something to read and pass it on; False once there will be no more."""
        # Emptying one buffer clears the event although the other may hold something: so never wait before a round
        # that found both empty.
        if self.drain():
            return True
        if self._ended():
            return self.drain()
        self._arrived.wait(max(0.0, timeout_s))
        return self.drain() or not self._ended()

    def drain(self) -> bool:
        """Pass on what has arrived, without waiting."""
        any_read = False
        while self._channel.recv_ready():
            self._stdout(self._channel.recv(CHUNK_BYTES))
            any_read = True
        while self._channel.recv_stderr_ready():
            self._stderr(self._channel.recv_stderr(CHUNK_BYTES))
            any_read = True
        return any_read

    def _ended(self) -> bool:
        return bool(self._channel.eof_received or self._channel.closed)


def exit_status(channel: paramiko.Channel, hop: Hop, board: str, timeout_s: float) -> int | None:
    """The exit status of the remote command; None when there is none, as after a signal (paramiko drops which).

    Raises ConnectionFailed when the link went instead: a lost link is never a failed command.
    """
    if not channel.status_event.wait(max(0.0, timeout_s)):
        return None
    if channel.exit_status != NO_STATUS:
        return channel.exit_status
    if _dies(channel):
        raise ConnectionFailed(f"{hop.label}: the link to {hop.address} was lost", board=board)
    return None


def _dies(channel: paramiko.Channel) -> bool:
    """paramiko closes the channels of a dead link a moment before it marks the transport inactive."""
    transport = channel.get_transport()
    end = time.monotonic() + SETTLE_S
    while transport.is_active() and time.monotonic() < end:
        time.sleep(0.02)
    return not transport.is_active()
