"""What ``device.meter`` must say for each kind, and what would do nothing there."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator

from orchestrator.config.beside import PLACES, no_variable, quoted, shared, strangers, unused
from orchestrator.config.problem import Problem
from orchestrator.device import Board, Device
from orchestrator.redact import shown

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
ONE_EACH = "one for each board, or each would get the power of all: write {board} in it"
INSTRUMENTS = re.compile(r"[A-Za-z0-9_.-]+:\d{1,5}|ASRL\S+|[A-Za-z][A-Za-z-]*\d*::\S+")
"""``host:port``, or a VISA resource: only a serial port has its name without a colon before it."""


def wrong(device: Device) -> Iterator[Problem]:
    """Everything that is wrong with the meter of a device."""
    meter = device.meter
    yield from unused("device.meter", meter, USES)
    if meter.kind == "none" or meter.kind not in USES:  # which kinds there are is told beside
        return
    if meter.kind in PLUGS and meter.scope not in (None, "wall_ac"):
        how = "wall_ac: a plug reads what goes into the power supply, whose losses nobody can take out of its watts"
        yield Problem("device.meter.scope", meter.scope, how)
    if meter.scope is None and meter.kind in UNKNOWN_SCOPE:
        yield Problem("device.meter.scope", None, "what its power includes: board_dc_in, wall_ac, module_in, ...")
    yield from no_variable("device.meter", meter.password_env)
    yield from strangers(device, "device.meter", {"addresses": meter.addresses, "channels": meter.channels})
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
            yield Problem("device.meter.address", quoted(address), how)
            return
        if device.meter.kind == "scpi" and not INSTRUMENTS.fullmatch(address):
            how = "host:port of its socket (5025 on many), or a VISA resource such as TCPIP::pm-1::inst0::INSTR"
            yield Problem("device.meter.address", quoted(address), how)
            return
        boards[f"{address}, channel {channel}," if device.meter.channels else address].append(board.name)
    yield from shared(
        "device.meter.address",
        boards,
        "one for each board (device.meter.addresses), or an outlet of it for each (device.meter.channels), or each "
        "would get the power of all: write {board} in it",
    )


def _command(device: Device) -> Iterator[Problem]:
    if not device.meter.command:
        yield Problem("device.meter.command", [], "a program and its arguments that prints 'timestamp watts'")
        return
    boards: dict[str, list[str]] = defaultdict(list)
    for board in device.boards:
        boards[shown(board.meter.command if board.meter else [])].append(board.name)
    yield from shared("device.meter.command", boards, ONE_EACH)
