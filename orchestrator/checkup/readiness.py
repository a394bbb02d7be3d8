"""The checks of what a board is: SSH, host key, Python, work folder, memory."""

from __future__ import annotations

import shlex

from orchestrator.checkup import fixes
from orchestrator.checkup.check import NOTE, OK, PROBLEM, UNKNOWN, Check
from orchestrator.checkup.names import FOLDER, HOST_KEY, MEMORY, PYTHON, SSH
from orchestrator.device import Board
from orchestrator.errors import AuthenticationFailed, BoardError, BoardNotReady, HostKeyMismatch, OrchestratorError
from orchestrator.provisioning import Facts, NoWorkFolder

RUNTIME_BYTES = 200_000_000
"""A runtime packed and unpacked, before it is there: LiteRT takes 27 MB and 76 MB, larger ones twice that."""
LEAST_BYTES = 32_000_000
"""For a model and the files of a job, once a runtime is there."""
ROOMY_BYTES = 1_000_000_000
LITTLE_MEMORY_BYTES, ROOMY_MEMORY_BYTES = 100_000_000, 256_000_000
"""An interpreter with numpy takes 70 MB before any model."""


def reached(board: Board, address: str, took_s: float) -> list[Check]:
    """The link stands, so the host key is the pinned one and our key was taken."""
    if board.device.is_local:
        return [
            Check(SSH, OK, f"the built-in server of this machine, in {took_s:.2f} s"),
            Check(HOST_KEY, OK, "made for this run"),
        ]
    return [Check(SSH, OK, f"{address} in {took_s:.2f} s"), Check(HOST_KEY, OK, "the pinned one")]


def not_reached(board: Board, error: OrchestratorError) -> list[Check]:
    """Why there is no link. The host key comes before our key: one that is refused was shown a good host key."""
    if isinstance(error, HostKeyMismatch):
        changed = error.hint if error.hint and "ssh-keygen" in error.hint else None
        fix = changed or f"compare it with the board's own, and pin it:\n{fixes.ours(board, 'enrol')}"
        return [
            Check(SSH, UNKNOWN, "it answers; our key is shown only to a host that is known"),
            Check(HOST_KEY, PROBLEM, error.message, fix),
        ]
    checks = [Check(SSH, PROBLEM, error.message, error.hint)]
    if isinstance(error, AuthenticationFailed):
        checks.append(Check(HOST_KEY, OK, "the pinned one"))
    return checks


def python(board: Board, facts: Facts) -> Check:
    """It has answered, so it is new enough."""
    found = f"{facts.python_implementation} {facts.python_text}, {facts.userland}, {' '.join(facts.libc).strip()}"
    return Check(PYTHON, OK, f"{board.device.python} is {found}".rstrip(", "))


def folder(board: Board, facts: Facts) -> Check:
    """Whether what a cell needs has room."""
    free = facts.disk_free_bytes
    if free is None:
        return Check(FOLDER, UNKNOWN, f"{facts.workdir}: the free space is not told")
    needed = LEAST_BYTES if facts.envs else RUNTIME_BYTES
    found = f"{_size(free)} free in {facts.workdir}"
    if free < needed:
        what = "a model and its files" if facts.envs else "a runtime and a model"
        largest = fixes.on_board(board, _largest(facts.workdir))
        fix = f"{fixes.ours(board, 'board', 'clean')}\nor see what else is large: {largest}"
        return Check(FOLDER, PROBLEM, f"{found}: {what} need {_size(needed)}", fix)
    if free < ROOMY_BYTES:
        return Check(FOLDER, NOTE, f"{found}: large models will not fit", fixes.ours(board, "board", "clean"))
    return Check(FOLDER, OK, found)


def _largest(workdir: str) -> str:
    """What is large on the file system of the work folder, which may be another than that of the home."""
    there = f"$(df --output=target {shlex.quote(workdir)} 2>/dev/null | tail -n 1)"
    return f'df -h {shlex.quote(workdir)}; du -xh --max-depth=3 "{there}" 2>/dev/null | sort -h | tail'


def no_folder(board: Board, error: NoWorkFolder) -> Check:
    """It cannot be made, or not be written."""
    if "No space left" in error.message:
        largest = fixes.on_board(board, _largest(error.facts.workdir))
        return Check(FOLDER, PROBLEM, error.message, f"make room; what is large: {largest}")
    look = fixes.on_board(board, f"ls -ld {shlex.quote(error.facts.workdir)}")
    return Check(FOLDER, PROBLEM, error.message, f"{error.hint}\nor see what is there: {look}")


def not_brought(board: Board, facts: Facts, error: BoardError) -> Check:
    """Our program did not get there. Where there is no room for it, none of our verbs can make any."""
    if not isinstance(error, BoardNotReady):
        return Check(FOLDER, PROBLEM, error.message, error.hint)
    caches = shlex.join([f"{facts.workdir}/{name}" for name in ("envs", "blobs")])
    fix = f"{fixes.on_board(board, f'rm -rf {caches}')}\n(both come back when they are needed)"
    return Check(FOLDER, PROBLEM, error.message, fix)


def memory(board: Board, facts: Facts) -> Check:
    """What is available now, which the kernel estimates."""
    there, total = facts.available_memory_bytes, facts.memory_bytes
    if there is None:
        return Check(MEMORY, UNKNOWN, "not told")
    found = f"{_size(there)} available" + (f" of {_size(total)}" if total is not None else "")
    if there >= ROOMY_MEMORY_BYTES:
        return Check(MEMORY, OK, found)
    largest = fixes.on_board(board, "ps -eo rss,pid,comm --sort=-rss | head")
    level = PROBLEM if there < LITTLE_MEMORY_BYTES else NOTE
    return Check(MEMORY, level, f"{found}: a runtime with its model takes more", f"end what takes it: {largest}")


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 1e9:.1f} GB" if size_bytes >= 1e9 else f"{size_bytes / 1e6:.0f} MB"
