"""What ``device.meter`` must say for each kind, and what would do nothing there."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import MISSING, fields

from orchestrator.config.problem import Problem
from orchestrator.device import Board, Device, Meter
from orchestrator.redact import BLOT, shown

EVERY = {"kind", "scope", "lag_s", "gain", "offset_w", "timeout_s"}
"""Keys that mean something for all kinds."""
PLACE = {"address", "addresses", "channel", "channels"}
PLUG = PLACE | {"user", "password_env", "rate_hz"}
HIGHEST_CHANNEL = 1000
USES = {
    "none": {"kind"},
    "shelly": EVERY | PLUG,
    "tasmota": EVERY | PLUG,
    "scpi": EVERY | PLACE | {"query", "setup", "rate_hz"},
    "host": EVERY | PLACE | {"python"},
    "command": EVERY | {"command", "rate_hz"},
}
UNKNOWN_SCOPE = ("scpi", "host", "command")
"""Only somebody who has seen the cables can say what these read."""
PLUGS = ("shelly", "tasmota")
PLACES = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)(:\d{1,5})?")
INSTRUMENTS = re.compile(r"[A-Za-z0-9_.-]+:\d{1,5}|ASRL\S+|[A-Za-z][A-Za-z-]*\d*::\S+")
"""``host:port``, or a VISA resource: only a serial port has its name without a colon before it."""
HARMLESS = re.compile(r"([a-z]+://)?[A-Za-z0-9_.-]+(:\d{1,5})?(/[\w.-]*)*")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def wrong(device: Device) -> Iterator[Problem]:
    """Everything that is wrong with the meter of a device."""
    meter = device.meter
    yield from _unused(meter)
    if meter.kind == "none" or meter.kind not in USES:  # which kinds there are is told beside
        return
    if meter.kind in PLUGS and meter.scope not in (None, "wall_ac"):
        how = "wall_ac: a plug reads what goes into the power supply, whose losses nobody can take out of its watts"
        yield Problem("device.meter.scope", meter.scope, how)
    if meter.scope is None and meter.kind in UNKNOWN_SCOPE:
        yield Problem("device.meter.scope", None, "what its power includes: board_dc_in, wall_ac, module_in, ...")
    if meter.password_env is not None and not VARIABLE.fullmatch(meter.password_env):
        # the value is not quoted: it may be the password itself
        yield Problem("device.meter.password_env", BLOT, "the name of the environment variable that holds the password")
    for key, by_host in (("addresses", meter.addresses), ("channels", meter.channels)):
        if strangers := [host for host in by_host if host not in device.hosts]:
            hosts = ", ".join(device.hosts)
            yield Problem(f"device.meter.{key}", strangers, f"hosts as device.hosts spells them: {hosts}")
    for host, channel in meter.channels.items():
        if not 0 <= channel <= HIGHEST_CHANNEL:
            yield Problem(f"device.meter.channels.{host}", channel, f"0 to {HIGHEST_CHANNEL}")
    yield from _command(device) if meter.kind == "command" else _address(device)


def contended(devices: Iterable[Device]) -> Iterator[str]:
    """A line for each instrument that two devices of a sweep have beside different boards.

    The same board may be in several files, and boards of one machine take turns: these may share one.
    """
    seen: dict[tuple[object, ...], Board] = {}
    for board in (board for device in devices for board in device.boards):
        meter = board.meter
        if meter is None:
            continue
        place = (*meter.command,) if meter.kind == "command" else (meter.address, meter.channel, meter.query)
        other = seen.setdefault((meter.kind, *place), board)
        if other.name == board.name or other.machine == board.machine or other.device.name == board.device.name:
            continue  # within one device it is told beside
        same = "device.meter.command is" if meter.kind == "command" else "device.meter.address and channel are"
        whose = f"{other.name} ({other.device.name}) and {board.name} ({board.device.name})"
        yield f"{same} the same for {whose}: each would get the power of both"


def _unused(meter: Meter) -> Iterator[Problem]:
    uses = USES.get(meter.kind)
    if uses is None:
        return
    for field in fields(meter):
        usual = field.default if field.default_factory is MISSING else field.default_factory()
        value = getattr(meter, field.name)
        if field.name not in uses and value != usual:
            quoted = BLOT if field.name == "password_env" else shown(value) if field.name == "command" else value
            yield Problem(f"device.meter.{field.name}", quoted, f"nothing, since device.meter.kind is {meter.kind}")


def _address(device: Device) -> Iterator[Problem]:
    boards: dict[str, list[str]] = defaultdict(list)
    for board in device.boards:
        address, channel = (board.meter.address, board.meter.channel) if board.meter else ("", 0)
        if not address:
            how = (
                "an address for each board: device.meter.address with {board} in it, or device.meter.addresses by host"
            )
            yield Problem("device.meter.address", address, how)
            return
        if device.meter.kind in PLUGS and not PLACES.fullmatch(address):
            how = "host[:port] alone: the user is device.meter.user, the password in the variable of password_env"
            yield Problem("device.meter.address", _quoted(address), how)
            return
        if device.meter.kind == "scpi" and not INSTRUMENTS.fullmatch(address):
            how = "host:port of its socket (5025 on many), or a VISA resource such as TCPIP::pm-1::inst0::INSTR"
            yield Problem("device.meter.address", _quoted(address), how)
            return
        boards[f"{address}, channel {channel}," if device.meter.channels else address].append(board.name)
    yield from _shared(
        "device.meter.address",
        boards,
        "one for each board (device.meter.addresses), or an outlet of it for each (device.meter.channels), or each "
        "would get the power of all",
    )


def _quoted(address: str) -> str:
    """A wrong address as it was written, where no part of it can be a password."""
    return address if HARMLESS.fullmatch(address) else BLOT


def _command(device: Device) -> Iterator[Problem]:
    if not device.meter.command:
        yield Problem("device.meter.command", [], "a program and its arguments that prints 'timestamp watts'")
        return
    boards: dict[str, list[str]] = defaultdict(list)
    for board in device.boards:
        boards[shown(board.meter.command if board.meter else [])].append(board.name)
    yield from _shared("device.meter.command", boards, "one for each board, or each would get the power of all")


def _shared(key: str, boards: dict[str, list[str]], how: str) -> Iterator[Problem]:
    for value, names in boards.items():
        if len(names) > 1:
            yield Problem(key, f"{value} of {', '.join(names)}", f"{how}: write {{board}} in it")
