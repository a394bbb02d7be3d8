"""Real SSH servers for tests: OpenSSH's sshd and the built-in board on loopback ports, and a proxy that breaks links.

Keys are made for each test; the developer's own ~/.ssh is never read (HOME is redirected). Import the fixtures into
a conftest: ``from tests.sshd import home, sshd, start_sshd, local_server``.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orchestrator.connection import LocalServer
from orchestrator.device import Board, Device

SSHD = shutil.which("sshd", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
needs_sshd = pytest.mark.skipif(SSHD is None, reason="needs OpenSSH's sshd (Debian: openssh-server)")


def keygen(path: Path, kind: str = "ed25519", passphrase: str = "") -> Path:
    """A new key pair; returns the private key's path."""
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-f", str(path)], check=True)
    return path


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class Sshd:
    """One sshd for the current user. ``user_key`` may log in, ``host_key`` is what it shows."""

    def __init__(self, folder: Path, *, extra: str = "", sftp: bool = True, host_keys: tuple[str, ...] = ("ed25519",)):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.port = folder, free_port()
        self.host_keys = [keygen(folder / f"host_{kind}", kind) for kind in host_keys]
        self.user_key = keygen(folder / "user_key")
        (folder / "authorized_keys").write_text(self.user_key.with_suffix(".pub").read_text())
        lines = [
            f"Port {self.port}",
            "ListenAddress 127.0.0.1",
            *(f"HostKey {key}" for key in self.host_keys),
            f"AuthorizedKeysFile {folder / 'authorized_keys'}",
            f"PidFile {folder / 'pid'}",
            "StrictModes no",
            "UsePAM no",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            "PermitRootLogin yes",
            "Subsystem sftp internal-sftp" if sftp else "",
            extra,
        ]
        (folder / "config").write_text("\n".join(lines) + "\n")
        self._start()

    def _start(self) -> None:
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        with (self.folder / "log").open("wb") as log:
            self._process = subprocess.Popen([str(SSHD), "-D", "-e", "-f", str(self.folder / "config")], stderr=log)
        end = time.monotonic() + 10
        while time.monotonic() < end:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1) as sock:
                if sock.recv(4) == b"SSH-":
                    return
            time.sleep(0.02)
        raise RuntimeError((self.folder / "log").read_text())

    @property
    def name(self) -> str:
        """As known_hosts spells it."""
        return f"[127.0.0.1]:{self.port}"

    def known_hosts_line(self, number: int = 0) -> str:
        return f"{self.name} {' '.join(self.host_keys[number].with_suffix('.pub').read_text().split()[:2])}\n"

    def pin(self, path: Path) -> Path:
        """Append the host key to a known_hosts file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as file:
            file.write(self.known_hosts_line())
        return path

    def device(self, name: str = "board", **settings: object) -> Device:
        """A device file's content for this server; its key is pinned in a known_hosts of its own."""
        known_hosts = self.folder / "known_hosts"
        if not known_hosts.exists():
            self.pin(known_hosts)
        given: dict[str, object] = {
            "identity_file": str(self.user_key),
            "known_hosts": str(known_hosts),
            "connect_timeout_s": 5.0,
            "workdir": str(self.folder / "workdir"),
        }
        return Device(name, [f"127.0.0.1:{self.port}"], **(given | settings))  # type: ignore[arg-type]

    def board(self, name: str = "board", **settings: object) -> Board:
        device = self.device(name, **settings)
        return Board(device, device.hosts[0])

    def stop(self) -> None:
        """Also ends the children that serve open connections."""
        subprocess.run(["pkill", "-KILL", "-P", str(self._process.pid)], check=False)
        self._process.kill()
        self._process.wait()


class Proxy:
    """A TCP proxy in front of a server that stalls, resets, delays, truncates and corrupts."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._flowing = threading.Event()
        self._flowing.set()
        self.delay_s = 0.0  # of each chunk
        self.spoils: str | None = None  # what is done to the next one
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                try:
                    far = socket.create_connection(("127.0.0.1", self._target))
                except OSError:  # as from a board whose sshd does not run
                    near.close()
                    continue
                self._pairs.append((near, far))
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=self._copy, args=(source, sink), daemon=True).start()

    def _copy(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self._flowing.wait()
                time.sleep(self.delay_s)
                sink.sendall(self._spoilt(data))
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)

    def _spoilt(self, data: bytes) -> bytes:
        """What is left of a chunk: all of it, half of it and then nothing more, or with one byte changed."""
        how, self.spoils = self.spoils, None
        if how == "truncate":
            self._flowing.clear()
            return data[: len(data) // 2]
        if how == "corrupt":
            at = len(data) // 2
            return data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :]
        return data

    def stall(self) -> None:
        """Nothing passes any more, and nobody is told."""
        self._flowing.clear()

    def go_on(self) -> None:
        """After a stall."""
        self._flowing.set()

    def cut(self) -> None:
        """Reset every connection."""
        for pair in self._pairs:
            for sock in pair:
                with contextlib.suppress(OSError):
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    sock.shutdown(socket.SHUT_RDWR)
                sock.close()

    def close(self) -> None:
        self._flowing.set()
        self.cut()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home directory, and no SSH agent."""
    path = tmp_path / "home"
    (path / ".ssh").mkdir(parents=True, mode=0o700)
    monkeypatch.setenv("HOME", str(path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return path


@pytest.fixture
def start_sshd(tmp_path: Path) -> Iterator[Callable[..., Sshd]]:
    """Start as many servers as a test wants; skips where there is no sshd."""
    if SSHD is None:
        pytest.skip("needs OpenSSH's sshd (Debian: openssh-server)")
    servers: list[Sshd] = []

    def start(**settings: object) -> Sshd:
        servers.append(Sshd(tmp_path / f"sshd{len(servers)}", **settings))  # type: ignore[arg-type]
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def sshd(start_sshd: Callable[..., Sshd]) -> Sshd:
    """One server."""
    return start_sshd()


@pytest.fixture(scope="module")
def local_server() -> Iterator[LocalServer]:
    """The built-in board's server."""
    with LocalServer() as server:
        yield server


@pytest.fixture
def local_board() -> Board:
    """The built-in board."""
    return Board(Device("local", ["local"]), "local")
