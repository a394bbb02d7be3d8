"""Getting files onto a board: content-addressed, sent once, verified before they get their name."""

from __future__ import annotations

import hashlib
import logging
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from orchestrator.device import Device
from orchestrator.errors import BoardNotReady, TransferFailed
from orchestrator.provisioning.shell import Requests, Shell
from orchestrator.provisioning.survey import Facts, interpreter
from orchestrator.provisioning.wheels import Environment
from remote import bundle

log = logging.getLogger(__name__)

Progress = Callable[[str], None]

SPARE_BYTES = 16 * 1024 * 1024
"""Left free, for the job's own files."""
SLOW_CARD_S = 600.0
"""Verifying and unpacking 100 MB on an old SD card takes minutes."""

# The program cannot verify itself before it is there, so these few lines do.
ADOPT_PROGRAM = """
import hashlib, os, sys
part, target, sha256 = sys.argv[1:]
with open(part, "rb") as stream:
    found = hashlib.sha256(stream.read()).hexdigest()
    os.fsync(stream.fileno())
if found != sha256:
    os.remove(part)
    sys.exit("the program arrived with sha256 " + found)
os.replace(part, target)
"""


@dataclass(frozen=True, slots=True)
class Program:
    """The benchmark program as one file."""

    path: Path
    sha256: str
    size_bytes: int

    @classmethod
    def built(cls, cache: Path) -> Program:
        """Pack ``remote/``; the same sources always give the same bytes."""
        content = bundle.build()
        sha256 = hashlib.sha256(content).hexdigest()
        path = cache / "programs" / f"{sha256}.pyz"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_suffix(f".{uuid.uuid4().hex}")
            part.write_bytes(content)
            part.replace(path)
        return cls(path, sha256, len(content))


def program_command(facts: Facts, device: Device, program: Program) -> list[str]:
    """How the program is started; a verb and its options follow.

    ``-I -S``: neither the environment nor the board's own packages get in.
    """
    return [*interpreter(device.python, facts.home), "-I", "-S", _blob(facts, program.sha256)]


def push_program(shell: Shell, facts: Facts, device: Device, program: Program) -> None:
    """Bring the program if it is missing. Raises BoardNotReady for a full disk, TransferFailed, CommandFailed."""
    if program.sha256 in facts.blobs:
        return
    _must_fit(facts, program.size_bytes)
    part = _upload(shell, facts, program.path)
    python = interpreter(device.python, facts.home)
    argv = [*python, "-I", "-S", "-c", ADOPT_PROGRAM]
    out = shell.run([*argv, f"{facts.workdir}/{part}", _blob(facts, program.sha256), program.sha256], check=False)
    if out.exit_code != 0:
        raise TransferFailed(f"the benchmark program did not arrive as it was sent: {out.stderr.strip()[-300:]}")
    facts.blobs.add(program.sha256)


@dataclass(frozen=True, slots=True)
class Room:
    """What the board's caches may take, and names in them that have to stay."""

    limit_bytes: int = 0  # 0: as much as there is
    keep: frozenset[str] = frozenset()


def push_blob(
    shell: Shell,
    supervisor: Requests,
    facts: Facts,
    path: Path,
    sha256: str,
    progress: Progress,
    room: Room = Room(),
    extra_bytes: int = 0,
) -> None:
    """Bring a file if it is missing. ``extra_bytes`` of space are needed beside it. What was used least lately makes
    room.

    Raises BoardNotReady for a full disk, TransferFailed.
    """
    if sha256 in facts.blobs:
        return
    size_bytes = path.stat().st_size
    _make_room(supervisor, facts, room, size_bytes + extra_bytes)
    progress(f"sending {path.name} ({_mb(size_bytes)})")
    part = _upload(shell, facts, path)
    supervisor.request("adopt", timeout_s=SLOW_CARD_S, part=part, sha256=sha256, size=size_bytes)
    facts.blobs.add(sha256)


def push_environment(
    shell: Shell,
    supervisor: Requests,
    facts: Facts,
    environment: Environment,
    progress: Progress,
    room: Room = Room(),
) -> None:
    """Bring and unpack a runtime's wheels if they are missing. Raises as :func:`push_blob` does."""
    if environment.digest in facts.envs:
        return
    extra = environment.unpacked_bytes
    push_blob(shell, supervisor, facts, environment.tar_path, environment.sha256, progress, room, extra)
    progress(f"unpacking {', '.join(environment.requirements)}")
    supervisor.request("unpack", timeout_s=SLOW_CARD_S, blob=environment.sha256, env=environment.digest)
    facts.envs.add(environment.digest)


def _must_fit(facts: Facts, needed_bytes: int) -> None:
    """Before there is a program on the board that could make room."""
    free = facts.disk_free_bytes
    if free is not None and needed_bytes + SPARE_BYTES > free:
        raise BoardNotReady(
            f"not enough space in {facts.workdir}: {_mb(needed_bytes + SPARE_BYTES)} are needed, {_mb(free)} are free",
            hint=f"make room, or remove {facts.workdir}/envs and {facts.workdir}/blobs (they come back when needed)",
        )


def _make_room(supervisor: Requests, facts: Facts, room: Room, needed_bytes: int) -> None:
    told = supervisor.request(
        "room", timeout_s=SLOW_CARD_S, bytes=needed_bytes, limit=room.limit_bytes, keep=sorted(room.keep)
    )
    evicted = told.get("evicted")
    gone = {str(name) for name in evicted} if isinstance(evicted, list) else set()
    if gone:
        log.info("%s: made room: %s", facts.hostname, ", ".join(sorted(gone)))
    facts.blobs.difference_update(gone)
    facts.envs.difference_update(gone)


def _upload(shell: Shell, facts: Facts, path: Path) -> str:
    """Send under a temporary name, relative to the work folder."""
    part = f"blobs/.part-{uuid.uuid4().hex}"
    try:
        shell.put(path, f"{facts.workdir}/{part}")
    except TransferFailed:
        shell.run(["rm", "-f", f"{facts.workdir}/{part}"], check=False)  # half a file must not fill the disk
        raise
    return part


def _blob(facts: Facts, sha256: str) -> str:
    return f"{facts.workdir}/blobs/{sha256}"


def _mb(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.1f} MB"
