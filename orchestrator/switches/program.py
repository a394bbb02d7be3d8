"""Runs the program that a switch is, for so long and no longer."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from orchestrator.device import PowerSwitch
from orchestrator.plain import plain
from orchestrator.redact import redacted, secrets_of, without
from orchestrator.switches.seam import KEY, failed

TAIL = 300
"""Characters of its last words that an error quotes."""
_END_S = 1.0


@dataclass(frozen=True, slots=True)
class Ran:
    """How it ended, and its last words without the secrets among its arguments."""

    status: int
    out: str
    said: str


def ran(settings: PowerSwitch, argv: Sequence[str]) -> Ran:
    """Run it to its end in a process group of its own, so that a Ctrl-C for us is none for it; no shell, no input.

    Raises SwitchError where it cannot be started or does not end in time. Nothing of it is left, also after a Ctrl-C:
    what turns a board off must not run on beside what turns it on again.
    """
    name = argv[0]
    try:
        child = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
        )
    except OSError as error:
        way_out = f"install {name}, or write its whole path" if isinstance(error, FileNotFoundError) else None
        raise failed(settings, f"{plain(name)} cannot be started: {error.strerror}", way_out) from error
    try:
        out, err = child.communicate(timeout=settings.timeout_s)
    except subprocess.TimeoutExpired:
        _end(child)
        late = f"{plain(name)} did not end within {settings.timeout_s:g} s and was ended"
        raise failed(settings, late, f"does it wait for something? else {KEY}.timeout_s") from None
    except BaseException:
        _end(child)
        raise
    return Ran(child.returncode, out.decode(errors="replace"), _quoted(argv, err))


def _end(child: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, number)
        with suppress(subprocess.TimeoutExpired):
            child.wait(_END_S)
    for pipe in (child.stdout, child.stderr):
        if pipe is not None:
            pipe.close()


def _quoted(argv: Sequence[str], err: bytes) -> str:
    text = without(err.decode(errors="replace").strip(), secrets_of(argv))
    return plain(redacted(text))[-TAIL:]  # cut last: half a password is one, too
