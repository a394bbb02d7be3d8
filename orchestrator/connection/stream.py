"""A conversation with a program on the board: one JSON object per line, both ways."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from typing import Any

import paramiko

from orchestrator.connection.address import Hop
from orchestrator.connection.channels import Incoming, exit_status
from orchestrator.connection.translate import translated
from orchestrator.errors import CommandFailed, TransferFailed

MAX_LINE_BYTES = 4 * 1024 * 1024
STDERR_TAIL_BYTES = 8 * 1024
EXIT_PATIENCE_S = 5.0


class ProgramEnded(CommandFailed):
    """The program at the other end of a stream is gone."""

    def __init__(self, message: str, *, exit_code: int | None, stderr: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.exit_code = exit_code  # None: ended by a signal
        self.stderr = stderr


class Stream:
    """Life cycle: opened by ``Connection.open_stream``, read by one thread, written by any, closed by its owner."""

    def __init__(
        self, channel: paramiko.Channel, hop: Hop, board: str, *, max_line_bytes: int = MAX_LINE_BYTES
    ) -> None:
        self._channel, self._hop, self._board = channel, hop, board
        self._max_line_bytes = max_line_bytes
        self._partial = bytearray()
        self._messages: deque[dict[str, Any]] = deque()
        self._stderr = bytearray()
        self._noise: deque[str] = deque(maxlen=5)
        self._sending = threading.Lock()
        self._incoming = Incoming(channel, self._take, self._take_stderr)

    def send(self, message: dict[str, Any] | str) -> None:
        """Write one line. Raises ConnectionFailed when the link is gone, ProgramEnded when the program is."""
        line = json.dumps(message, separators=(",", ":"), allow_nan=False).encode() + b"\n"
        if self._channel.closed or self._channel.eof_received:
            raise self._ended()
        with self._sending, translated(self._hop, self._board, "sending a request"):
            self._channel.sendall(line)

    def receive(self, timeout_s: float) -> dict[str, Any] | None:
        """The next message, None if none came in time. Lines that are no JSON object (login banners) are skipped.

        Raises ProgramEnded after the last message of a program that ended, ConnectionFailed when the link was
        lost, TransferFailed for a line without end.
        """
        end = time.monotonic() + timeout_s
        while not self._messages:
            left = end - time.monotonic()
            if not self._incoming.pump(left):
                self._line(bytes(self._partial))
                self._partial.clear()
                if not self._messages:
                    raise self._ended()
            elif left <= 0 and not self._messages:
                return None
        return self._messages.popleft()

    def close(self) -> None:
        """End the conversation; the program sees the end of its input."""
        self._channel.close()

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _take(self, data: bytes) -> None:
        *lines, rest = (bytes(self._partial) + data).split(b"\n") if b"\n" in data else (data,)
        if not lines:
            self._partial += rest
        else:
            for line in lines:
                self._line(line)
            self._partial = bytearray(rest)
        if len(self._partial) > self._max_line_bytes:
            self._channel.close()
            raise TransferFailed(
                f"{self._hop.label} sent a line of more than {self._max_line_bytes} bytes; the stream was closed",
                board=self._board,
            )

    def _line(self, line: bytes) -> None:
        text = line.strip()
        if text.startswith(b"{") and len(text) <= self._max_line_bytes:
            try:
                self._messages.append(json.loads(text))
                return
            except (ValueError, RecursionError):
                pass
        if text:
            self._noise.append(text[:200].decode(errors="replace"))

    def _take_stderr(self, data: bytes) -> None:
        self._stderr = (self._stderr + data)[-STDERR_TAIL_BYTES:]

    def _ended(self) -> ProgramEnded:
        code = exit_status(self._channel, self._hop, self._board, EXIT_PATIENCE_S)
        stderr = self._stderr.decode(errors="replace").strip()
        how = "ended without an exit status, as after a signal" if code is None else f"ended with exit status {code}"
        said = stderr.splitlines()[-1] if stderr else "; ".join(self._noise)
        return ProgramEnded(
            f"{self._hop.label}: the program on the board {how}" + (f": {said[:500]}" if said else ""),
            exit_code=code,
            stderr=stderr,
        ).located(board=self._board)
