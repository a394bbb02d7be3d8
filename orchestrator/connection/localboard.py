"""The built-in board's SSH and SFTP server: a program of its own, so that it disturbs no measurement.

Started by :mod:`orchestrator.connection.localserver` with one JSON line on standard input, which stays open as long
as the parent lives: its end is the end of this process, however the parent died. (PR_SET_PDEATHSIG would fire when
the *thread* that started us ends, and exists on Linux only.) Imports nothing of this project.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pwd
import signal
import sys
from typing import Any

import asyncssh

CHUNK_BYTES = 65536
DRAIN_S = 1.0

running: set[int] = set()
"""Process groups of commands that somebody waits for."""


async def pump(reader: Any, writer: Any) -> None:
    """Copy until the end of the input; a peer that is gone ends it quietly."""
    with contextlib.suppress(OSError, asyncssh.Error):
        while data := await reader.read(CHUNK_BYTES):
            writer.write(data)
            await writer.drain()


async def feed(process: asyncssh.SSHServerProcess[bytes], child: asyncio.subprocess.Process) -> None:
    """Standard input, and its end."""
    assert child.stdin is not None
    await pump(process.stdin, child.stdin)
    with contextlib.suppress(OSError):
        child.stdin.close()


def environment() -> dict[str, str]:
    """What sshd would give, so that nothing of the controller's own environment (tokens!) reaches a benchmark."""
    user = pwd.getpwuid(os.getuid())
    keep = {key: os.environ[key] for key in ("PATH", "LANG", "LC_ALL", "TZ") if key in os.environ}
    home = os.environ.get("HOME", user.pw_dir)
    return {"PATH": os.defpath, **keep, "HOME": home, "USER": user.pw_name, "LOGNAME": user.pw_name, "SHELL": shell()}


def shell() -> str:
    """The user's login shell, unless the account has none."""
    path = pwd.getpwuid(os.getuid()).pw_shell
    refuses = os.path.basename(path) in ("false", "nologin", "true")  # noqa: PTH119
    return path if path and os.access(path, os.X_OK) and not refuses else "/bin/sh"


async def serve(process: asyncssh.SSHServerProcess[bytes]) -> None:
    """Run one command in a session of its own; kill its process group when the channel closes first."""
    env = environment()
    command = ["-c", process.command] if process.command is not None else ["-l"]
    child = await asyncio.create_subprocess_exec(
        env["SHELL"],
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=env["HOME"],
        env=env,
        start_new_session=True,
    )
    running.add(child.pid)
    feeding = asyncio.ensure_future(feed(process, child))
    output = [
        asyncio.ensure_future(pump(child.stdout, process.stdout)),
        asyncio.ensure_future(pump(child.stderr, process.stderr)),
    ]
    ended = asyncio.ensure_future(child.wait())
    gone = asyncio.ensure_future(process.wait_closed())
    await asyncio.wait([ended, gone], return_when=asyncio.FIRST_COMPLETED)
    if not ended.done():
        kill(child.pid)
    await ended
    running.discard(child.pid)
    await asyncio.wait(output, timeout=DRAIN_S)  # a background process may keep the pipes open
    for task in (feeding, gone, *output):
        task.cancel()
    with contextlib.suppress(OSError, asyncssh.Error):
        report(process, child.returncode or 0)


def report(process: asyncssh.SSHServerProcess[bytes], code: int) -> None:
    """Tell how the command ended, a signal by its name."""
    if code < 0:
        process.exit_with_signal(signal.Signals(-code).name.removeprefix("SIG"))
    else:
        process.exit(code)


def watch(parent_gone: asyncio.Event) -> None:
    """Standard input became readable: the parent says nothing more, so this is its end."""
    if not os.read(0, CHUNK_BYTES):
        parent_gone.set()


def kill(group: int) -> None:
    """End a process group at once."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


async def main() -> None:
    """Serve until standard input ends."""
    order = json.loads(sys.stdin.buffer.readline())
    host_key = asyncssh.generate_private_key("ssh-ed25519")
    server = await asyncssh.listen(
        "127.0.0.1",
        0,
        server_host_keys=[host_key],
        authorized_client_keys=asyncssh.import_authorized_keys(order["authorized_key"]),
        server_factory=lambda: OneUser(order["user"]),
        process_factory=serve,
        sftp_factory=True,
        encoding=None,
        password_auth=False,
        kbdint_auth=False,
        host_based_auth=False,
        gss_host=None,
        agent_forwarding=False,
        x11_forwarding=False,
        allow_pty=False,
        compression_algs=None,
        server_version="edge-orchestrator",
    )
    ready = {"port": server.get_port(), "host_key": host_key.export_public_key().decode()}
    print(json.dumps(ready), flush=True)
    parent_gone = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(0, watch, parent_gone)
    loop.add_signal_handler(signal.SIGTERM, parent_gone.set)
    await parent_gone.wait()
    for group in list(running):
        kill(group)
    server.close()


class OneUser(asyncssh.SSHServer):
    """Nobody but the user who started the controller."""

    def __init__(self, user: str) -> None:
        self._user = user

    def begin_auth(self, username: str) -> bool:
        """Always ask for a key; a wrong name ends the connection."""
        if username != self._user:
            raise asyncssh.PermissionDenied(f"only {self._user} may log in here")
        return True


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the controller's; it still needs its board to clean up
    asyncio.run(main())
    os._exit(0)  # nothing is left to save, and a hung SFTP client must not keep us alive
