"""Who used the CPU: everybody, and our own processes; and how often the measuring process was put aside."""

from __future__ import annotations

import os

from remote.process import read_text, stat_fields
from remote.sensors import opened

_IDLE_FIELDS = (3, 4)  # of /proc/stat: idle, iowait


class Load:
    """Shares of all cores since the last look: of everybody, and of our own processes.

    Ours are the runner, its child and the supervisor. When the child ends its time moves to the runner's account of
    ended children, so the sum has no step.
    """

    def __init__(self, proc_root: str) -> None:
        self._root = proc_root
        self._stat = opened(os.path.join(proc_root, "stat"))
        self._cores = os.cpu_count() or 1
        self._tick_s = 1.0 / os.sysconf("SC_CLK_TCK")
        self._last = self._now(None)

    def _now(self, child: int | None) -> tuple[float, float, float]:
        total, busy = self._everybody()
        times = os.times()
        own = times.user + times.system + times.children_user + times.children_system
        for pid in (child, os.getppid()):
            text = read_text("%s/%d/stat" % (self._root, pid)) if pid else None
            own += sum(int(field) for field in stat_fields(text)[11:13]) * self._tick_s if text else 0.0
        return total, busy, own

    def _everybody(self) -> tuple[float, float]:
        """Seconds of all cores and those not idle; time stolen by a hypervisor is no idling either."""
        text = self._stat.read(512) if self._stat else None
        if not text:
            return 0.0, 0.0
        ticks = [int(field) for field in text.splitlines()[0].split()[1:9]]
        return sum(ticks) * self._tick_s, (sum(ticks) - sum(ticks[i] for i in _IDLE_FIELDS)) * self._tick_s

    def read(self, child: int | None) -> tuple[float | None, float | None]:
        total, busy, own = self._now(child)
        past = total - self._last[0]
        if past < 0.1 * self._cores:  # less than 100 ms: the kernel counts in steps of 10
            return None, None
        shares = (busy - self._last[1]) / past, (own - self._last[2]) / past
        self._last = total, busy, own
        return min(1.0, max(0.0, shares[0])), min(1.0, max(0.0, shares[1]))


def involuntary_switches(proc_root: str, pid: int | None) -> int | None:
    """How often the kernel took the CPU from a process, all its threads together, since it began; None where it is
    gone or does not say."""
    if pid is None:
        return None
    tasks = os.path.join(proc_root, str(pid), "task")
    try:
        names = os.listdir(tasks)
    except OSError:
        return None
    counts = [_switches(os.path.join(tasks, name, "status")) for name in names]
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _switches(path: str) -> int | None:
    text = read_text(path) or ""
    _, found, rest = text.rpartition("nonvoluntary_ctxt_switches:")
    return int(rest.split()[0]) if found and rest.split() else None
