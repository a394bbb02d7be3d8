"""A board that can be broken in every way: a real sshd behind a proxy, where that is allowed in its own namespaces."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import threading
import time
import uuid
from pathlib import Path

from tests.sshd import SSHD, Proxy, Sshd, free_port, keygen
from tests.sweeps.lab import Lab

DISK = "600m"
INIT = """mount --bind {boot} /proc/sys/kernel/random/boot_id || exit 9
while :; do {sshd} -D -e -f {config}; sleep 0.3; done"""
"""Process 1 of a board: sshd is started again when it dies, as systemd would."""


def can_have_namespaces() -> bool:
    """Whether this user may make a mount and a PID namespace, and mount a disk."""
    probe = ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "true"]
    with contextlib.suppress(OSError):
        return os.geteuid() == 0 and subprocess.run(probe, capture_output=True).returncode == 0
    return False


class FaultyBoard:
    """``name`` is the device's in the lab. With ``whole`` it restarts for real: its PID namespace dies with every
    process in it, and the next one shows another boot id; its disk is a small tmpfs that outlives it."""

    def __init__(self, lab: Lab, name: str, whole: bool) -> None:
        self.name, self.whole, self.folder = name, whole, lab.folder / f"faulty {name}"
        self.folder.mkdir(parents=True)
        self.boot = self.folder / "boot_id"
        self.boot.write_text(f"{uuid.uuid4()}\n")
        self.port, self.user_key = free_port(), keygen(self.folder / "user_key")
        self.host_key = keygen(self.folder / "host_key")
        self._config()
        self._process: subprocess.Popen[bytes] | None = None
        self.start()
        self.proxy = Proxy(self.port)
        self.workdir = lab.folder / f"board of {name}"
        self._mounted = whole and self._mount()
        self._add_to(lab)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.proxy.port}"

    def _config(self) -> None:
        (self.folder / "authorized_keys").write_text(self.user_key.with_suffix(".pub").read_text())
        lines = [f"Port {self.port}", "ListenAddress 127.0.0.1", f'HostKey "{self.host_key}"']
        lines += [f'AuthorizedKeysFile "{self.folder}/authorized_keys"', f'PidFile "{self.folder}/pid"']
        lines += ["StrictModes no", "UsePAM no", "PasswordAuthentication no", "KbdInteractiveAuthentication no"]
        lines += ["PermitRootLogin yes", "Subsystem sftp internal-sftp"]
        (self.folder / "config").write_text("\n".join(lines) + "\n")

    def _mount(self) -> bool:
        self.workdir.mkdir()
        return not subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "none", str(self.workdir)], capture_output=True
        ).returncode

    def _add_to(self, lab: Lab) -> None:
        known = lab.folder / f"known_hosts_{self.name}"
        key = " ".join(self.host_key.with_suffix(".pub").read_text().split()[:2])
        known.write_text(f"[127.0.0.1]:{self.proxy.port} {key}\n")
        server = Sshd.__new__(Sshd)  # what Lab.add wants of a server, without starting one
        server.port, server.user_key = self.proxy.port, self.user_key
        server.pin = lambda path: known  # type: ignore[method-assign]
        hold = f"faulty-{os.getpid()}-{self.name}-{uuid.uuid4().hex[:8]}"
        lab.add(self.name, server, hold=hold, wait_for_hold_s=240, connect_timeout_s=5)

    # -- life

    def start(self) -> None:
        """Switch it on; returns when sshd answers."""
        if self.whole:
            script = INIT.format(boot=_quoted(self.boot), sshd=SSHD, config=_quoted(self.folder / "config"))
            argv = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", script]
        else:
            argv = ["sh", "-c", INIT.split("\n")[1].format(sshd=SSHD, config=_quoted(self.folder / "config"))]
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        log = (self.folder / "log").open("ab")
        with log:
            self._process = subprocess.Popen(argv, stderr=log, start_new_session=True)
        self.wait()

    def wait(self, timeout_s: float = 20.0) -> None:
        import socket

        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1) as sock:
                if sock.recv(4) == b"SSH-":
                    return
            time.sleep(0.05)
        raise RuntimeError(f"sshd of {self.name} does not answer: {(self.folder / 'log').read_text()[-500:]}")

    def restart(self) -> None:
        """Power off and on: everything on it is killed at once, and the boot id is another one."""
        assert self._process is not None and self.whole
        self._process.send_signal(signal.SIGKILL)  # --kill-child: process 1 goes, and with it the namespace
        self._process.wait()
        self.proxy.cut()
        end = time.monotonic() + 10
        while self.processes("") and time.monotonic() < end:
            time.sleep(0.02)
        self.boot.write_text(f"{uuid.uuid4()}\n")
        self.start()

    def forget_files(self) -> None:
        """Its caches are empty, as of a new board."""
        for folder in ("blobs", "envs"):
            shutil.rmtree(self.workdir / folder, ignore_errors=True)

    def stop(self) -> None:
        """For good."""
        self.proxy.close()
        for pid, _ in self.processes(""):
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        if self._process is not None:
            with contextlib.suppress(OSError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        if self._mounted:
            subprocess.run(["umount", "-l", str(self.workdir)], check=False)

    # -- what runs on it

    def processes(self, verb: str) -> list[tuple[int, str]]:
        """Ids and command lines of what runs on it: ``benchmark``, ``supervise``, ``sshd``; everything for ''."""
        found = []
        for pid, line in _all_processes():
            ours = str(self.workdir) in line or self._is_inside(pid) or f"{self.folder}/config" in line
            is_sshd = line.startswith(("sshd", str(SSHD))) and (ours or self._is_session(pid))
            if is_sshd if verb == "sshd" else ours and verb in line:
                found.append((pid, line))
        return found

    def _is_inside(self, pid: int) -> bool:
        if not self.whole or self._process is None:
            return False
        with contextlib.suppress(OSError):
            inside = Path(f"/proc/{self._process.pid}/ns/pid_for_children").readlink()
            return Path(f"/proc/{pid}/ns/pid").readlink() == inside
        return False

    def _is_session(self, pid: int) -> bool:
        """A child, or its child, of this board's sshd."""
        for _ in range(4):
            with contextlib.suppress(OSError, IndexError):
                stat = Path(f"/proc/{pid}/stat").read_text()
                pid = int(stat.rpartition(")")[2].split()[1])
                line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
                if str(self.folder) in line:
                    return True
                continue
            return False
        return False


class Witness:
    """Looks all the time which jobs run on which board, whatever the software says about that."""

    def __init__(self, boards: list[FaultyBoard]) -> None:
        self._boards = boards
        self.wrong: list[str] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(0.1):
            running: dict[str, set[str]] = {}
            for _, line in _all_processes():
                found = re.search(r" benchmark --workdir (.*?) --run-id (\S+)", line)
                if found:
                    running.setdefault(found[1], set()).add(found[2])
            for workdir, jobs in running.items():
                if len(jobs) > 1 and any(str(board.workdir) == workdir for board in self._boards):
                    self.wrong.append(f"{workdir} runs {sorted(jobs)}")


def _all_processes() -> list[tuple[int, str]]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if line:
                found.append((int(entry.name), line))
    return found


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "'\\''") + "'"
