"""Every kind of fault: how it is brought about, and how it is over."""

from __future__ import annotations

import contextlib
import errno
import os
import random
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.board import FaultyBoard
from tests.sweeps.lab import TINY, Lab


@dataclass(slots=True)
class Scene:
    """What a fault can reach: the board it is about, the controller, the tracker, and who else wants the board."""

    lab: Lab
    board: FaultyBoard
    controller: subprocess.Popen[str]
    chance: random.Random
    clock: Path  # seconds by which the controller's clock is ahead, see CLOCK
    others: list[subprocess.Popen[str]] = field(default_factory=list)


def link_cut(scene: Scene) -> None:
    """Every connection to the board is reset."""
    scene.board.proxy.cut()


def link_stalled(scene: Scene) -> None:
    """Nothing passes for some seconds, and nobody is told."""
    scene.board.proxy.stall()
    time.sleep(scene.chance.uniform(2, 6))
    scene.board.proxy.go_on()


def link_slow(scene: Scene) -> None:
    """Every chunk takes a fifth of a second, for some seconds."""
    scene.board.proxy.delay_s = 0.2
    time.sleep(scene.chance.uniform(2, 5))
    scene.board.proxy.delay_s = 0.0


def link_truncated(scene: Scene) -> None:
    """Half of what is sent next arrives, and nothing more; then the connections are reset."""
    scene.board.proxy.spoils = "truncate"
    time.sleep(scene.chance.uniform(1, 3))
    scene.board.proxy.spoils = None
    scene.board.proxy.cut()
    scene.board.proxy.go_on()


def link_corrupted(scene: Scene) -> None:
    """A byte of what is sent next is another one; SSH sees that."""
    scene.board.proxy.spoils = "corrupt"
    time.sleep(1)
    scene.board.proxy.spoils = None


def link_silent(scene: Scene) -> None:
    """As long as it takes until silence counts as a lost link."""
    scene.board.proxy.stall()
    time.sleep(23)
    scene.board.proxy.cut()
    scene.board.proxy.go_on()


def sshd_killed(scene: Scene) -> None:
    """sshd and all its sessions die; it is started again."""
    for pid, _ in scene.board.processes("sshd"):
        _kill(pid, signal.SIGKILL)
    scene.board.wait()


def sshd_frozen(scene: Scene) -> None:
    """sshd and its sessions stop, while TCP stays; then they go on."""
    pids = [pid for pid, _ in scene.board.processes("sshd")]
    for pid in pids:
        _kill(pid, signal.SIGSTOP)
    time.sleep(scene.chance.choice((4.0, 24.0)))
    for pid in pids:
        _kill(pid, signal.SIGCONT)


def controller_killed(scene: Scene) -> None:
    """SIGKILL, in the middle of whatever it does."""
    scene.controller.send_signal(signal.SIGKILL)
    scene.controller.wait()


def supervisor_killed(scene: Scene) -> None:
    """SIGKILL to what holds the board; the kernel takes its job along."""
    for pid, line in scene.board.processes(" supervise"):
        if "supervise" in line.split():
            _kill(pid, signal.SIGKILL)


def board_restarted(scene: Scene) -> None:
    """The board's PID namespace dies with every process in it; the next one has another boot id."""
    scene.board.restart()


def disk_full(scene: Scene) -> None:
    """Somebody fills the board's disk to the last byte, and takes it away again some seconds later."""
    filler = scene.board.workdir / "somebody's file"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            try:
                file.write(bytes(1 << 20))
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                break
    time.sleep(scene.chance.uniform(1, 3))
    filler.unlink(missing_ok=True)


def tracker_locked(scene: Scene) -> None:
    """Somebody has the tracker's database to himself for longer than its patience."""
    path = scene.lab.root / "mlflow.db"
    if not path.exists():
        return
    with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(path, timeout=10)) as store:
        store.execute("BEGIN EXCLUSIVE")
        time.sleep(scene.chance.uniform(2, 5))
        store.rollback()


def tracker_gone(scene: Scene) -> None:
    """The tracker's database is not there for some seconds."""
    path = scene.lab.root / "mlflow.db"
    if not path.exists():
        return
    away = path.with_name("mlflow.db.away")
    path.rename(away)
    path.mkdir()  # so that nobody makes a new one
    time.sleep(scene.chance.uniform(1, 4))
    path.rmdir()
    away.rename(path)


def clock_stepped(scene: Scene) -> None:
    """The controller's clock jumps by an hour, forth or back; its monotonic one does not."""
    scene.clock.write_text(scene.chance.choice(("3600", "-3600")))
    time.sleep(0.5)


def second_controller(scene: Scene) -> None:
    """Another controller wants the same board for a sweep of its own."""
    words = ("-m", f"device={scene.board.name}", "model=digits", "optimization=none", *TINY)
    scene.others.append(scene.lab.start(*words, f"hydra.sweep.dir='{scene.lab.folder}/other/{time.time_ns()}'"))


ANYWHERE: dict[str, Callable[[Scene], None]] = {
    "link cut": link_cut,
    "link stalled": link_stalled,
    "link slow": link_slow,
    "link truncated": link_truncated,
    "link corrupted": link_corrupted,
    "link silent": link_silent,
    "sshd killed": sshd_killed,
    "sshd frozen": sshd_frozen,
    "controller killed": controller_killed,
    "supervisor killed": supervisor_killed,
    "tracker locked": tracker_locked,
    "tracker gone": tracker_gone,
    "second controller": second_controller,
    "clock stepped": clock_stepped,
}
AS_ROOT: dict[str, Callable[[Scene], None]] = {"board restarted": board_restarted, "disk full": disk_full}
CLOCK = """
import time
_time, _time_ns = time.time, time.time_ns

def ahead():
    try:
        with open({path!r}) as file:
            return int(file.read() or 0)
    except (OSError, ValueError):
        return 0

time.time = lambda: _time() + ahead()
time.time_ns = lambda: _time_ns() + ahead() * 10**9
"""
"""sitecustomize.py of a controller: nobody may step the clock of the machine that runs the tests."""
SLOW = ("link silent",)
"""Left out where time is short."""


def kinds(whole: bool) -> dict[str, Callable[[Scene], None]]:
    """What can be brought about here."""
    return ANYWHERE | (AS_ROOT if whole else {})


def _kill(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(OSError):
        os.kill(pid, number)
