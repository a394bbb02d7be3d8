"""The built-in board, seen from the controller: a child process with a key that lives in memory only."""

from __future__ import annotations

import io
import json
import select
import subprocess
import sys
import tempfile
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import IO

import paramiko
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from orchestrator.connection.address import Hop, host_key_name
from orchestrator.device import LOCAL
from orchestrator.errors import ConnectionFailed
from orchestrator.whoami import user_name

START_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 3.0


class LocalServer:
    """Starts with its construction and gets ready while the caller does something else.

    The user's key is made for this one server and never leaves the memory of this process; the host's never leaves
    that of the child. The host's public key lies in a private temporary directory as a known_hosts file, so that it
    is checked as every other board's. Life cycle: construct, hand to ``connect``, close.
    """

    def __init__(self) -> None:
        self.key = one_shot_key()
        self._directory = tempfile.TemporaryDirectory(prefix="edge-local-")
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        self._child = subprocess.Popen(
            # By path and with -P, so that it works from any directory; in a session of its own, so that Ctrl-C
            # reaches the controller alone.
            [sys.executable, "-P", str(Path(__file__).with_name("localboard.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            start_new_session=True,
        )
        order = {"authorized_key": f"{self.key.get_name()} {self.key.get_base64()}", "user": self.user}
        assert self._child.stdin is not None
        with suppress(BrokenPipeError):  # it died already; hop says why
            self._child.stdin.write(json.dumps(order).encode() + b"\n")
            self._child.stdin.flush()

    @property
    def user(self) -> str:
        """Who may log in: the current user."""
        return user_name()

    @property
    def pid(self) -> int:
        """Of the child."""
        return self._child.pid

    @cached_property
    def hop(self) -> Hop:
        """Where the server listens; waits until it does. Raises ConnectionFailed when it does not start."""
        port, host_key = self._ready()
        name = host_key_name("127.0.0.1", port)
        known_hosts = Path(self._directory.name) / "known_hosts"
        known_hosts.write_text(f"{name} {host_key}\n")
        return Hop(LOCAL, "127.0.0.1", port, self.user, (), True, name, (known_hosts,))

    def close(self) -> None:
        """End the server and every command that somebody waited for on it."""
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        try:
            self._child.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        self._log.close()
        self._directory.cleanup()

    def __enter__(self) -> LocalServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ready(self) -> tuple[int, str]:
        assert self._child.stdout is not None
        answers, _, _ = select.select([self._child.stdout], [], [], START_TIMEOUT_S)
        line = self._child.stdout.readline() if answers else b""
        if not line:
            self._log.seek(0)
            said = self._log.read()[-1000:].decode(errors="replace").strip()
            raise ConnectionFailed(f"the built-in board's SSH server did not start: {said or 'no answer'}", board=LOCAL)
        ready = json.loads(line)
        kind, blob = str(ready["host_key"]).split()[:2]
        return int(ready["port"]), f"{kind} {blob}"


def one_shot_key() -> paramiko.Ed25519Key:
    """A new ed25519 key that was never on a disk."""
    pem = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    return paramiko.Ed25519Key.from_private_key(io.StringIO(pem.decode()))
