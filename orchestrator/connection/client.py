"""One factory for connections to boards: strict host keys on every hop, timeouts on everything.

Fabric opens the connections, chains the gateways and carries the files. Commands run on channels of its
transport directly: Fabric's ``run`` hands standard input over one character per 10 ms and re-joins its buffer every
1000 bytes.
"""

from __future__ import annotations

import random
import shlex
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import paramiko

from orchestrator.connection.address import Hop, route
from orchestrator.connection.chain import Chain
from orchestrator.connection.channels import Incoming, exit_status
from orchestrator.connection.files import Files
from orchestrator.connection.stream import Stream
from orchestrator.connection.translate import BANNER_ERROR, translated
from orchestrator.device import Board
from orchestrator.errors import CommandFailed, CommandTimedOut, ConnectionFailed

if TYPE_CHECKING:
    from orchestrator.connection.localserver import LocalServer

KEEPALIVE_S = 5
TCP_USER_TIMEOUT_MS = (
    20_000  # keepalives alone never notice a dead link: unacknowledged data keeps TCP busy for minutes
)
ATTEMPTS = 4
MAX_OUTPUT_BYTES = 16 * 1024 * 1024
HANDSHAKES = threading.BoundedSemaphore(8)  # sshd drops unauthenticated connections from the tenth on (MaxStartups)


@dataclass(frozen=True, slots=True)
class Output:
    """What a command on a board wrote and how it ended."""

    stdout: str
    stderr: str
    exit_code: int


def connect(
    board: Board,
    *,
    local: LocalServer | None = None,
    extra_known_hosts: Sequence[Path] = (),
    stop: threading.Event | None = None,
) -> Connection:
    """Open a connection to ``board`` through all its jump hosts. ``local`` is the server of the built-in board;
    ``stop`` ends a long upload.

    Raises ConnectionFailed, AuthenticationFailed, HostKeyMismatch (with the way out as hint), or ConfigError for
    a host or ``~/.ssh/config`` that makes no sense. Whatever was opened on the way is closed again.
    """
    if board.device.is_local:
        if local is None:
            raise ConnectionFailed("the built-in board has no server", board=board.name)
        hops, key = [local.hop], local.key
    else:
        hops, key = route(board, extra_known_hosts=tuple(extra_known_hosts)), None
    for attempt in range(1, ATTEMPTS + 1):
        begin = time.monotonic()
        try:
            with HANDSHAKES:
                return Connection(board, hops[-1], _opened(board, hops, key), stop)
        except ConnectionFailed as error:
            # Only a server that hangs up at once is worth another try: it is too busy (MaxStartups).
            quick = time.monotonic() - begin < board.device.connect_timeout_s / 2
            if attempt == ATTEMPTS or not quick or BANNER_ERROR not in str(error.__cause__):
                raise
        time.sleep(random.uniform(0.1, 0.4) * 2**attempt)
    raise AssertionError("the last attempt returns or raises")


def _opened(board: Board, hops: Sequence[Hop], key: paramiko.PKey | None) -> Chain:
    chain = Chain(board)
    try:
        for hop in hops:
            chain.extend(hop, key)
    except BaseException:
        chain.close()
        raise
    return chain


class Connection:
    """An open connection to one board; used by one thread, closed by its owner."""

    def __init__(self, board: Board, hop: Hop, chain: Chain, stop: threading.Event | None = None) -> None:
        self.board, self._hop, self._chain = board, hop, chain
        self._files = Files(chain.last, hop, board, self._free_bytes, stop)

    @property
    def address(self) -> str:
        """``user@host:port``."""
        return self._hop.address

    @property
    def is_alive(self) -> bool:
        """Whether the transport still stands, as far as TCP knows."""
        return bool(self._chain.last.is_connected)

    def run(
        self, argv: Sequence[str], *, timeout_s: float | None = None, stdin: bytes | None = None, check: bool = True
    ) -> Output:
        """Run a command and wait for it. ``argv`` is quoted, so ``~`` and ``$X`` in it stay as they are.

        ``timeout_s`` is ``device.command_timeout_s`` unless given. Raises CommandFailed for an exit status other
        than 0 (unless ``check`` is off), CommandTimedOut, ConnectionFailed.
        """
        limit_s = self.board.device.command_timeout_s if timeout_s is None else timeout_s
        end = time.monotonic() + limit_s
        stdout, stderr = bytearray(), bytearray()
        channel = self._channel(argv)
        incoming = Incoming(channel, stdout.extend, stderr.extend)
        try:
            with translated(self._hop, self.board.name, f"running {argv[0]}"):
                channel.settimeout(limit_s)
                if stdin is not None:
                    with suppress(OSError):  # a command that ended without reading says so by its exit status
                        channel.sendall(stdin)
                with suppress(OSError):
                    channel.shutdown_write()
                while incoming.pump(end - time.monotonic()):
                    self._within_limits(argv, len(stdout) + len(stderr), end, limit_s)
                while not channel.status_event.wait(max(0.0, end - time.monotonic())):
                    self._within_limits(argv, 0, end, limit_s)
            code = exit_status(channel, self._hop, self.board.name, 0.0)
        finally:
            channel.close()
        out = Output(stdout.decode(errors="replace"), stderr.decode(errors="replace"), -1 if code is None else code)
        if code is None or (check and code != 0):
            raise self._failed(argv, code, out)
        return out

    def open_stream(self, argv: Sequence[str]) -> Stream:
        """Start a program that talks JSON lines on its standard input and output."""
        channel = self._channel(argv)
        channel.settimeout(self.board.device.connect_timeout_s)
        return Stream(channel, self._hop, self.board.name)

    def put(self, local: Path, remote: str) -> None:
        """Copy a file to an absolute path. Raises TransferFailed (which says when the disk is full)."""
        self._files.put(local, remote)

    def get(self, remote: str, *, limit_bytes: int) -> bytes:
        """The content of a remote file. Raises TransferFailed when it is missing or larger than the limit."""
        return self._files.get(remote, limit_bytes=limit_bytes)

    def close(self) -> None:
        """Close this connection and those to its jump hosts."""
        self._chain.close()

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _channel(self, argv: Sequence[str]) -> paramiko.Channel:
        with translated(self._hop, self.board.name, f"starting {argv[0]}"):
            channel: paramiko.Channel = self._chain.last.transport.open_session(
                timeout=self.board.device.connect_timeout_s
            )
            try:
                channel.settimeout(self.board.device.connect_timeout_s)
                channel.exec_command(shlex.join(argv))
            except BaseException:
                channel.close()
                raise
            return channel

    def _within_limits(self, argv: Sequence[str], size_bytes: int, end: float, limit_s: float) -> None:
        if size_bytes > MAX_OUTPUT_BYTES:
            raise CommandFailed(f"{argv[0]} wrote more than {MAX_OUTPUT_BYTES} bytes", board=self.board.name)
        if time.monotonic() >= end:
            raise CommandTimedOut(
                f"{_short(argv)} did not end within {limit_s:g} s",
                hint="device.command_timeout_s sets the patience",
                board=self.board.name,
            )

    def _failed(self, argv: Sequence[str], code: int | None, out: Output) -> CommandFailed:
        said = (out.stderr.strip() or out.stdout.strip())[-500:]
        how = "was ended by a signal" if code is None else f"ended with exit status {code}"
        return CommandFailed(f"{_short(argv)} {how}" + (f": {said}" if said else ""), board=self.board.name)

    def _free_bytes(self, directory: str) -> int | None:
        out = self.run(["df", "-Pk", directory], check=False)
        words = out.stdout.splitlines()[-1].split() if out.stdout else []
        return int(words[3]) * 1024 if len(words) > 3 and words[3].isdigit() else None


def _short(argv: Sequence[str]) -> str:
    text = shlex.join(argv)
    return text if len(text) <= 120 else text[:117] + "..."
