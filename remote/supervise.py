"""Start of the supervisor: detach, take the hold, say so, serve."""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress

from remote import hold

_MAX_LOG_BYTES = 256 * 1024


def _detach(workdir: str) -> None:
    """The starter goes on, its grandchild lives; nothing of the SSH session is left open. Its own trouble, which
    nobody would see otherwise, goes to a log."""
    null = log = os.open(os.devnull, os.O_RDWR)
    with suppress(OSError):  # such as a full disk; the hold is ours by now, and somebody waits behind it
        log = os.open(os.path.join(workdir, "supervisor.log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        if os.fstat(log).st_size > _MAX_LOG_BYTES:
            os.ftruncate(log, 0)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.dup2(log, 2)


def main() -> int:
    """Settings come as JSON on stdin; one word goes to stdout: ``ready``, ``busy``, or what is wrong."""
    settings = json.loads(sys.stdin.buffer.read().decode("utf-8"))
    os.umask(0o077)
    if os.fork():
        os._exit(0)
    workdir = os.path.abspath(os.path.expanduser(settings["workdir"]))
    try:
        for name in ("blobs", "envs", "jobs"):
            os.makedirs(os.path.join(workdir, name), 0o700, exist_ok=True)
        listener = hold.bind(settings["hold"])
    except hold.HoldTaken:
        os.write(1, b"busy\n")
        return 0
    except OSError as error:
        os.write(1, ("%s\n" % error).encode())
        return 1
    from remote.server import Server

    try:
        server = Server(listener, workdir, settings)
    except OSError as error:
        os.write(1, ("%s\n" % error).encode())
        return 1
    os.write(1, b"ready\n")
    _detach(workdir)
    server.serve()
    return 0
