"""Command lines that repair a board, with its real name and host, to be copied."""

from __future__ import annotations

import os
import shlex
from importlib.resources import files
from pathlib import Path

from orchestrator.connection.address import SSH_PORT, Target
from orchestrator.device import Board
from orchestrator.lab import LAB_VARIABLE

TUNE_SCRIPT = "edge-orchestrator-tune"


def ours(board: Board, *words: str) -> str:
    """A verb of ours for the board's device, in the same lab."""
    lab = os.environ.get(LAB_VARIABLE)
    where = ["--config-dir", lab] if lab else []
    return shlex.join(["python", "-m", "orchestrator", *where, *words, f"device={board.device.name}"])


def on_board(board: Board, command: str) -> str:
    """A command line that runs something on the board, as its own user; on the built-in one without SSH."""
    if board.device.is_local:
        return command
    return shlex.join(["ssh", "-t", *_options(board, "-p"), _destination(board), command])


def allow_tuning(board: Board) -> str:
    """Bring the one script that root lets us run, and let sudo run it without a password: for ``device.tune``."""
    script = str(Path(str(files("remote").joinpath("tune", TUNE_SCRIPT))))
    source = script if board.device.is_local else TUNE_SCRIPT
    rule = f"/usr/local/sbin/{TUNE_SCRIPT}"
    steps = (
        f"sudo install -o root -g root -m 755 {shlex.quote(source)} /usr/local/sbin/"
        f' && echo "$(id -un) ALL=(root) NOPASSWD: {rule}" | sudo tee /etc/sudoers.d/edge-orchestrator'
        " && sudo chmod 440 /etc/sudoers.d/edge-orchestrator && sudo visudo -c"
    )
    if board.device.is_local:
        return steps
    copied = shlex.join(["scp", *_options(board, "-P"), script, f"{_destination(board, brackets=True)}:"])
    return f"{copied}\n{on_board(board, steps)}"


def _options(board: Board, port_flag: str) -> list[str]:
    """The port and the key, where they are not what ssh would take by itself."""
    target, device = Target.parse(board.host), board.device
    port = target.port or device.port
    known = ["-o", f"UserKnownHostsFile={Path(device.known_hosts).expanduser()}"] if device.known_hosts else []
    identity = ["-i", str(Path(device.identity_file).expanduser())] if device.identity_file else []
    return [*known, *identity, *([port_flag, str(port)] if port and port != SSH_PORT else [])]


def _destination(board: Board, *, brackets: bool = False) -> str:
    """``pi@pi4``, or an alias of ``~/.ssh/config``; ``brackets``: scp wants them around an IPv6 address."""
    target = Target.parse(board.host)
    user = target.user or board.device.user
    host = f"[{target.host}]" if brackets and ":" in target.host else target.host
    return f"{user}@{host}" if user else host
