"""Reading an SSH channel: waiting without polling, telling a dead link from a dead command."""

from __future__ import annotations

import select
import time
from collections.abc import Callable
from dataclasses import dataclass

import paramiko

from orchestrator.connection.address import Hop
from orchestrator.errors import ConnectionFailed

CHUNK_BYTES = 65536
NO_STATUS = -1  # paramiko's word for "the exit status never came"
SETTLE_S = 0.3


@dataclass(frozen=True, slots=True)
class Sinks:
    """Where the bytes of a channel go."""

    stdout: Callable[[bytes], None]
    stderr: Callable[[bytes], None]


def pump(channel: paramiko.Channel, sinks: Sinks, timeout_s: float) -> bool:
    """Wait up to ``timeout_s`` for something to read and pass it on; False once there will be no more."""
    if drain(channel, sinks):
        return True
    if channel.eof_received or channel.closed:
        return drain(channel, sinks)
    poller = select.poll()
    poller.register(channel.fileno(), select.POLLIN)
    poller.poll(max(0.0, timeout_s) * 1000)
    return drain(channel, sinks) or not (channel.eof_received or channel.closed)


def drain(channel: paramiko.Channel, sinks: Sinks) -> bool:
    """Pass on what has arrived, without waiting."""
    any_read = False
    while channel.recv_ready():
        sinks.stdout(channel.recv(CHUNK_BYTES))
        any_read = True
    while channel.recv_stderr_ready():
        sinks.stderr(channel.recv_stderr(CHUNK_BYTES))
        any_read = True
    return any_read


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
