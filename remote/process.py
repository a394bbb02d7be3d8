"""Processes as the Linux kernel shows them: identity, life with a parent, groups, causes of death."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PR_SET_PDEATHSIG = 1
_SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


def read_text(path: str) -> str | None:
    """A small file of /proc or /sys; None where it cannot be read."""
    try:
        with open(path, "rb") as stream:
            return stream.read().decode("utf-8", "replace").strip("\0 \n\t")
    except OSError:
        return None


def command(name: str) -> str | None:
    """Where a program of the board's is; the PATH of an SSH command often leaves out ``sbin``."""
    folders = os.environ.get("PATH", "").split(os.pathsep) + list(_SYSTEM_FOLDERS)
    paths = (os.path.join(folder, name) for folder in folders if folder)
    return next((path for path in paths if os.access(path, os.X_OK) and os.path.isfile(path)), None)


def note(text: str) -> None:
    """A line for the supervisor's log; a full disk is no reason to end over it."""
    with suppress(OSError):
        os.write(2, text.encode("utf-8", "backslashreplace") + b"\n")


def boot_id() -> str:
    """Differs after every boot."""
    return read_text("/proc/sys/kernel/random/boot_id") or "unknown"


def stat_fields(text: str) -> list[str]:
    """The fields of /proc/<pid>/stat after the name, which may itself hold blanks and brackets; [0] is the state."""
    return text.rpartition(")")[2].split()


def start_ticks(pid: int) -> int | None:
    """When a process started, in ticks since boot; with its id it names a process beyond doubt."""
    text = read_text("/proc/%d/stat" % pid)
    return int(stat_fields(text)[19]) if text else None


def identity(pid: int) -> dict[str, Any]:
    """What tells this process from a later one with the same id."""
    return {"pid": pid, "start_ticks": start_ticks(pid), "boot_id": boot_id()}


def is_alive(known: dict[str, Any]) -> bool:
    """Whether the process that ``identity`` described still runs."""
    pid = known.get("pid")
    if not isinstance(pid, int) or known.get("boot_id") != boot_id():
        return False
    text = read_text("/proc/%d/stat" % pid)
    if not text:
        return False
    fields = stat_fields(text)
    return int(fields[19]) == known.get("start_ticks") and fields[0] not in "ZX"


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent is gone, however that went."""
    import ctypes

    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it was gone before we asked
        os._exit(1)


class ImpossibleCpus(ValueError):
    """CPUs that this process may not have."""


def pinned_to(cpus: list[int]) -> list[int]:
    """Keep this process, and what it starts, to some CPUs (none: as it is); those that it may use now.

    Raises :class:`ImpossibleCpus` unless it gets them all: the kernel drops silently those that are offline or kept
    from this user, and fewer CPUs than asked for would be another measurement.
    """
    allowed = os.sched_getaffinity(0)
    if cpus:
        with suppress(OSError):
            os.sched_setaffinity(0, cpus)
        now = os.sched_getaffinity(0)
        if now != set(cpus):
            asked, there = (",".join(map(str, sorted(which))) for which in (set(cpus), allowed))
            raise ImpossibleCpus("device.cpus asks for CPU %s, and a process may use %s here" % (asked, there))
    return sorted(os.sched_getaffinity(0))


def kill_group(group: int, number: int) -> None:
    """Signal a whole process group; one that is gone is fine."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def signal_name(number: int) -> str:
    """SIGSEGV rather than 11."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return "signal %d" % number


def oom_kills() -> int | None:
    """How many processes this kernel has killed for want of memory since boot (Linux >= 4.13)."""
    for line in (read_text("/proc/vmstat") or "").splitlines():
        if line.startswith("oom_kill "):
            return int(line.split()[1])
    return None


def was_out_of_memory(returncode: int, oom_before: int | None) -> bool:
    """Whether a child was killed and the kernel counts a new victim since."""
    after = oom_kills()
    return returncode == -signal.SIGKILL and after is not None and oom_before is not None and after > oom_before


def death(returncode: int, oom_before: int | None) -> str:
    """Why a child ended, in words; ``returncode`` as subprocess gives it, below 0 for a signal."""
    if returncode >= 0:
        return "ended with exit status %d" % returncode
    name = signal_name(-returncode)
    if was_out_of_memory(returncode, oom_before):
        return "was ended by %s: out of memory (the kernel says so)" % name
    if returncode == -signal.SIGKILL:
        return "was ended by %s, which we did not send; out of memory is the usual cause" % name
    return "was ended by %s" % name


def python_command(verb: str, own_packages: bool = False) -> list[str]:
    """How this program starts another verb of itself: without the board's own packages unless they are asked for."""
    flags = ["-I"] + (["-S"] if sys.flags.no_site and not own_packages else [])
    return [sys.executable] + flags + [os.path.abspath(sys.argv[0]), verb]


def child_environment() -> dict[str, str]:
    """The same few variables for every child, wherever it was started from: the size of the environment moves the
    stack and with it the timing. One OpenBLAS thread, since numpy would otherwise start one per core for nothing."""
    kept = ("HOME", "PATH", "LD_LIBRARY_PATH", "TMPDIR")
    environment = {name: os.environ[name] for name in kept if name in os.environ}
    environment.update({"LANG": "C.UTF-8", "OPENBLAS_NUM_THREADS": "1"})
    return environment
