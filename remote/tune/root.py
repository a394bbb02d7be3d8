"""What needs root: directly where we may, else by one fixed script that root has put there and sudo allows."""

from __future__ import annotations

import os
import subprocess

from remote.process import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Sequence

SCRIPT = "/usr/local/sbin/edge-orchestrator-tune"
"""Checks every word it is given, and writes nothing but the settings that ``device.tune`` names."""
_PATIENCE_S = 30.0  # nvpmodel takes some seconds
_NO_PERMISSION = "no permission, and %s (docs/board.md, Tuning: what root has to allow once)"


class Refused(Exception):
    """A setting was not changed; the text says why."""


def is_root() -> bool:
    """Whether no help is needed."""
    return os.geteuid() == 0


def run(argv: Sequence[str]) -> tuple[int, str]:
    """Exit status and what it said. It can ask for nothing: its standard input is empty."""
    try:
        done = subprocess.run(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_PATIENCE_S,
            cwd="/",
        )
    except subprocess.TimeoutExpired:
        return 124, "no end after %g s" % _PATIENCE_S
    except OSError as error:
        return 127, str(error)
    return done.returncode, done.stdout.decode("utf-8", "replace").strip()


def ask(*words: str) -> None:
    """Have the script do it. Raises :class:`Refused`."""
    status, said = asked(*words)
    if status:
        raise Refused((said.splitlines() or ["exit status %d of %s" % (status, SCRIPT)])[-1][:300])


def asked(*words: str) -> tuple[int, str]:
    """Exit status of the script and what it said. Raises :class:`Refused` where sudo does not let us."""
    sudo = command("sudo")
    if sudo is None:
        raise Refused(_NO_PERMISSION % "there is no sudo")
    status, said = run([sudo, "-n", SCRIPT, *words])
    if status == 1 and said.startswith("sudo:"):
        raise Refused(_NO_PERMISSION % ("sudo says: %s" % said[len("sudo:") :].strip().splitlines()[0][:200]))
    return status, said


def _direct(path: str, value: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC)
    try:
        os.write(descriptor, value.encode())
    finally:
        os.close(descriptor)


def write(path: str, value: str, words: Sequence[str]) -> None:
    """Write a file of /sys; ``words`` ask the script for the same. Raises :class:`Refused`."""
    try:
        _direct(path, value)
    except PermissionError:
        ask(*words, value)
    except OSError as error:
        raise Refused("the kernel refuses %s: %s" % (value, error.strerror)) from error
