"""Which process runs a sweep, so that a later one can tell whether it is still there."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from pathlib import Path

from filelock import FileLock, Timeout

from orchestrator.errors import ConfigError

LOCK_FILE = "sweep.lock"
RUNNING, GONE, ELSEWHERE = "running", "gone", "elsewhere"


def alone(directory: Path) -> FileLock:
    """Held as long as a process works on the sweep in this folder; the kernel frees it. Raises ConfigError."""
    lock = FileLock(directory / LOCK_FILE)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise ConfigError(f"another process works on the sweep in {directory}") from None
    return lock


def this_process() -> dict[str, str]:
    """Enough to recognize this very process: its id alone is given to others after it."""
    pid = os.getpid()
    return {"host": socket.gethostname(), "boot_id": _boot_id(), "pid": str(pid), "started": _started(pid)}


def state_of(process: Mapping[str, str]) -> str:
    """RUNNING, GONE, or ELSEWHERE: on another machine (or in another container), where we cannot look.

    GONE as well where nothing is known, as in what older versions have written.
    """
    if not process:
        return GONE
    if process.get("host") != socket.gethostname():
        return ELSEWHERE
    pid = process.get("pid", "")
    if process.get("boot_id") != _boot_id() or not pid.isdecimal():
        return GONE
    if started := process.get("started"):
        return RUNNING if _started(int(pid)) == started else GONE
    return RUNNING if _exists(int(pid)) else GONE


def _boot_id() -> str:
    """Empty where there is no /proc (macOS): then a process that happens to have the id counts as the one."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _started(pid: int) -> str:
    """Clock ticks after boot, field 22 of /proc/PID/stat; empty for a dead process, a zombie, or without /proc."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()  # the name before it may hold spaces and brackets
    return "" if fields[0] in "ZX" else fields[19]


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
