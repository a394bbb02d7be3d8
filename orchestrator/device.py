"""Devices (kinds of boards, as the inventory declares them) and boards (the physical hosts)."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import Annotated

from orchestrator.limits import NAME, Between, Matching, NotEmpty

LOCAL = "local"
"""Name of the built-in device: this machine, reached through an SSH server of our own."""

HOLD = Matching(
    r"([A-Za-z0-9_.-]|\{board\}){1,64}", "letters, digits, '_', '-' and '.', at most 64; {board} stands for the host"
)


GOVERNOR = Matching(r"[a-z_]{1,30}", "small letters and '_', at most 30")
POWER_MODE = Matching(r"[A-Za-z0-9_]{1,60}", "letters, digits and '_', at most 60")

LONGEST_HOLD = 107
"""Characters of a hold, which is the address of a socket."""
_LONGEST_NAME = 32
"""Characters of a board's name within another one."""


# Settings are plain, not frozen, dataclasses: OmegaConf makes the node of a frozen one read-only, so that no
# override could reach it. Nothing assigns to them after composition.
@dataclass(slots=True)
class PowerRange:
    """What sources disagree about is kept as a range, in watts."""

    low_w: Annotated[float, Between(0, 2000)]
    high_w: Annotated[float, Between(0, 2000)]


@dataclass(slots=True)
class PowerProfile:
    """Published idle and full-load power of a board, for estimates only; never a measurement.

    ``scope`` says what the watts include (``board_dc_in``, ``module_in``, ``wall_ac``), ``source`` who says so.
    """

    idle: PowerRange | None = None
    load: PowerRange | None = None
    scope: str = "board_dc_in"
    source: str = ""


@dataclass(slots=True)
class Tune:
    """Settings of a board that are changed for the time of a session and put back at its end."""

    governor: Annotated[str | None, GOVERNOR] = None  # of the CPU: performance, ...
    cpu_mhz: Annotated[float | None, Between(1, 100_000)] = None  # lowest and highest clock are this one
    power_mode: Annotated[str | None, POWER_MODE] = (
        None  # of a Jetson: the name of an nvpmodel mode, such as 15W or MAXN
    )
    jetson_clocks: bool = False
    fan: Annotated[int | None, Between(0, 100)] = None  # percent


@dataclass(slots=True)
class Device:
    """One entry of the inventory. A lab's file needs only ``name`` and ``hosts``."""

    name: Annotated[str, NAME]
    hosts: Annotated[list[str], NotEmpty()]  # each [user@]host[:port], or an alias of ~/.ssh/config
    description: str = ""
    tags: dict[str, list[str]] = field(default_factory=dict)  # by host, or '*': words such as heatsink, fan, 8gb
    where: list[str] = field(default_factory=list)  # only boards that have all these tags
    board_model: list[str] = field(default_factory=list)  # what its device tree says, as globs; another is doubted
    user: str | None = None
    port: Annotated[int | None, Between(1, 65535)] = None
    identity_file: str | None = None
    known_hosts: str | None = None  # the lab's own file, read beside ~/.ssh/known_hosts
    python: str = "python3"
    workdir: str = "~/.cache/edge-orchestrator"
    machine: str | None = None  # boards of one machine never measure at the same time; 'controller' is this one
    cores: Annotated[int | None, Between(1, 1024)] = None  # more threads than that are skipped as impossible
    memory_mb: list[int] = field(default_factory=list)  # the sizes it is sold with; your own board has one of them
    accelerators: list[str] = field(default_factory=list)  # beside the CPU
    cpus: list[int] = field(default_factory=list)  # measure on these alone; none: whatever the kernel chooses
    cool_to_c: Annotated[float | None, Between(0, 150)] = None  # a process starts below; None: as warm as it is
    tune: Tune = field(default_factory=Tune)
    power: PowerProfile = field(default_factory=PowerProfile)
    connect_timeout_s: Annotated[float, Between(0.5, 300)] = 10.0
    command_timeout_s: Annotated[float, Between(1, 3600)] = 60.0
    hold: Annotated[str, HOLD] = "edge-orchestrator"  # boards sharing one kernel (containers) may use distinct names
    wait_for_hold_s: Annotated[float, Between(0, 86400)] = 0.0  # 0: a busy board fails at once

    @property
    def is_local(self) -> bool:
        """True for the built-in board, which brings its own SSH server."""
        return self.name == LOCAL and self.hosts == [LOCAL]

    @property
    def boards(self) -> list[Board]:
        """The boards of this device that ``where`` lets through, in the order of ``hosts``."""
        boards = [Board(self, host) for host in self.hosts]
        return [board for board in boards if set(self.where) <= set(board.tags)]


@dataclass(frozen=True, slots=True)
class Board:
    """One physical host of a device."""

    device: Device
    host: str  # as the inventory spells it

    @property
    def name(self) -> str:
        """How the board is called in tables and tags: its host without user."""
        return self.host.rpartition("@")[2]

    @property
    def tags(self) -> tuple[str, ...]:
        """What the inventory says about this board: the tags of all boards, then its own."""
        return tuple(dict.fromkeys([*self.device.tags.get("*", []), *self.device.tags.get(self.host, [])]))

    @property
    def hold(self) -> str:
        """The name under which this board is held, in its kernel."""
        return _for_board(self.device.hold, self.name)

    @property
    def workdir(self) -> str:
        """The only folder written on this board."""
        return _for_board(self.device.workdir, self.name)

    @property
    def machine(self) -> str:
        """Boards with the same machine never measure at the same time."""
        return self.device.machine or f"board:{self.host}"


def _for_board(text: str, name: str) -> str:
    """``text`` with the board's name in it; where that had to be changed or cut, a digest keeps boards apart."""
    plain = re.sub(r"[^A-Za-z0-9_.-]", "-", name)[:_LONGEST_NAME]
    if plain != name:
        plain += f"-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    return text.replace("{board}", plain)
