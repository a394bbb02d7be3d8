"""Devices (kinds of boards, as the inventory declares them) and boards (the physical hosts)."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field, replace
from typing import Annotated

from orchestrator.limits import NAME, Between, Matching, NotEmpty, OneOf
from remote.contract import SCOPES

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
    """Idle and full-load power of a board, published or by ``calibrate``: for estimates only, never a measurement.

    ``scope`` says what the watts include (``board_dc_in``, ``module_in``, ``wall_ac``), ``source`` who says so.
    """

    idle: PowerRange | None = None
    load: PowerRange | None = None
    scope: str = "board_dc_in"
    source: str = ""


METERS = ("none", "shelly", "tasmota", "scpi", "host", "command")


@dataclass(slots=True)
class Meter:
    """An instrument beside the board that reads its power; what is None is usual for its kind.

    ``{board}`` in ``address`` and in ``command`` stands for the board's name; ``addresses`` and ``channels`` are by
    host.
    """

    kind: Annotated[str, OneOf(METERS)] = "none"
    address: str = ""  # host[:port], of kind scpi also a VISA resource, of kind host [user@]host[:port]
    addresses: dict[str, str] = field(default_factory=dict)
    channel: Annotated[int, Between(0, 1000)] = 0  # of a plug with several outlets, of a bench supply
    channels: dict[str, int] = field(default_factory=dict)
    command: list[str] = field(default_factory=list)  # kind command: prints 'timestamp watts', a line for each reading
    query: str = "MEAS:POW?"  # kind scpi: answers W
    setup: list[str] = field(default_factory=list)  # kind scpi: sent once, before the first query
    scope: Annotated[str | None, OneOf(SCOPES)] = None  # what its power includes
    user: str | None = None
    password_env: str | None = None  # the environment variable that holds the password
    python: str = "python3"  # kind host: of that host
    rate_hz: Annotated[float | None, Between(0.01, 1000)] = None
    lag_s: Annotated[float | None, Between(0, 600)] = None  # how long a reading trails what it reads, at most
    gain: Annotated[float | None, Between(0, 1)] = None  # limit of its error as a share of the reading
    offset_w: Annotated[float | None, Between(0, 1000)] = None  # limit of its error in W, beside that
    timeout_s: Annotated[float, Between(0.1, 60)] = 3.0


SWITCHES = ("none", "shelly", "tasmota", "pdudaemon", "uhubctl", "command")


@dataclass(slots=True)
class PowerSwitch:
    """What turns a board's supply off and on, for when it does not answer any more.

    ``{board}`` in ``address``, ``turn_on`` and ``turn_off`` stands for the board's name; ``addresses`` and ``outlets``
    are by host, as ``device.hosts`` spells it. Boards that share an outlet would lose their power together: that is
    refused.
    """

    kind: Annotated[str, OneOf(SWITCHES)] = "none"
    address: str = ""  # shelly, tasmota: host[:port]; pdudaemon: host[:port]/PDU; uhubctl: the hub's location, 1-1.4
    addresses: dict[str, str] = field(default_factory=dict)
    outlet: Annotated[int, Between(0, 1000)] = 0  # shelly, tasmota: from 0; of a PDU or a USB hub: as it numbers them
    outlets: dict[str, int] = field(default_factory=dict)
    turn_on: list[str] = field(default_factory=list)  # kind command: a program and its arguments, without a shell
    turn_off: list[str] = field(default_factory=list)  # not 'off': as a key of YAML that is false
    user: str | None = None
    password_env: str | None = None  # the environment variable that holds the password
    off_s: Annotated[float, Between(0, 600)] = 5.0  # how long it stays off
    timeout_s: Annotated[float, Between(0.1, 600)] = 20.0  # patience for the switch, or for its program


@dataclass(slots=True)
class Recovery:
    """What is tried with a board that failed three times in a row, before it is taken out; then a health check."""

    wait_s: Annotated[float, Between(0, 3600)] = 300.0  # in a night: a router or a cable may be at fault
    reboot: list[str] = field(default_factory=list)  # the command on the board, where it answers: [sudo, -n, reboot]
    boot_s: Annotated[float, Between(1, 3600)] = 180.0  # after which it has to answer again
    per_hour: Annotated[int, Between(0, 60)] = 2  # reboots and power cycles together; 0: never


@dataclass(slots=True)
class Calibration:
    """A line from what a board's own sensor reads to what a better meter read beside it: W = slope x reading +
    intercept. ``error`` is the limit of what is left, as a share."""

    reader: str  # of the sensor: pmic, ina3221, hwmon, ...
    slope: Annotated[float, Between(0.01, 100)]
    intercept_w: Annotated[float, Between(-1000, 1000)]
    error: Annotated[float, Between(0, 1)]
    scope: Annotated[str, OneOf(SCOPES)] = "board_dc_in"  # of the meter
    host: str = "*"  # as device.hosts spells it; '*': all boards that have none of their own
    source: str = ""  # who fitted it, when, against what


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
    powers: dict[str, PowerProfile] = field(default_factory=dict)  # by host: of one board, as 'calibrate' fits it
    calibrations: list[Calibration] = field(default_factory=list)
    sensor_scopes: dict[str, str] = field(default_factory=dict)  # glob of chip/label: what that sensor's power includes
    meter: Meter = field(default_factory=Meter)
    power_switch: PowerSwitch = field(default_factory=PowerSwitch)
    recovery: Recovery = field(default_factory=Recovery)
    connect_timeout_s: Annotated[float, Between(0.5, 300)] = 10.0
    reconnect_s: Annotated[float, Between(0, 3600)] = (
        120.0  # how long a lost link is retried; the job goes on meanwhile
    )
    command_timeout_s: Annotated[float, Between(1, 3600)] = 60.0
    hold: Annotated[str, HOLD] = "edge-orchestrator"  # boards sharing one kernel (containers) may use distinct names
    cache_limit_gb: Annotated[float, Between(0, 100_000)] = 4.0  # of models and runtimes kept there; 0: no limit
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
    def power(self) -> PowerProfile:
        """Its own profile, else that of its kind."""
        return self.device.powers.get(self.host, self.device.power)

    @property
    def calibrations(self) -> dict[str, Calibration]:
        """By the sensor that they are for; the board's own before those of its kind."""
        found = sorted(self.device.calibrations, key=lambda one: one.host == self.host)
        return {one.reader: one for one in found if one.host in ("*", self.host)}

    @property
    def meter(self) -> Meter | None:
        """The instrument beside it, with this board's address and channel."""
        meter = self.device.meter
        if meter.kind == "none":
            return None
        address = meter.addresses.get(self.host, meter.address)
        command = [word.replace("{board}", self.name) for word in meter.command]
        channel = meter.channels.get(self.host, meter.channel)
        return replace(meter, address=address.replace("{board}", self.name), channel=channel, command=command)

    @property
    def power_switch(self) -> PowerSwitch | None:
        """What turns its supply off and on, with this board's address and outlet."""
        switch = self.device.power_switch
        if switch.kind == "none":
            return None
        address = switch.addresses.get(self.host, switch.address).replace("{board}", self.name)
        outlet = switch.outlets.get(self.host, switch.outlet)
        on, off = (
            [word.replace("{board}", self.name) for word in words] for words in (switch.turn_on, switch.turn_off)
        )
        return replace(switch, address=address, outlet=outlet, turn_on=on, turn_off=off)

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
