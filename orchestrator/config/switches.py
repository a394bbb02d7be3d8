"""What ``device.power_switch`` must say for each kind, and what would do nothing there."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator

from orchestrator.config.beside import PLACES, no_variable, quoted, shared, strangers, unused
from orchestrator.config.problem import Problem
from orchestrator.device import Board, Device, PowerSwitch
from orchestrator.redact import shown

KEY = "device.power_switch"
EVERY = {"kind", "off_s", "timeout_s"}
"""Keys that mean something for all kinds."""
PLACE = EVERY | {"address", "addresses", "outlet", "outlets"}
USES = {
    "none": {"kind"},
    "shelly": PLACE | {"user", "password_env"},
    "tasmota": PLACE | {"user", "password_env"},
    "pdudaemon": PLACE,
    "uhubctl": PLACE,
    "command": EVERY | {"turn_on", "turn_off"},
}
HIGHEST_OUTLET = 1000
HIGHEST_PORT_OF_A_HUB = 14
"""As many as uhubctl knows."""
ADDRESSES = {
    "shelly": (PLACES, f"host[:port] alone: the user is {KEY}.user, the password in the variable of password_env"),
    "tasmota": (PLACES, f"host[:port] alone: the user is {KEY}.user, the password in the variable of password_env"),
    "pdudaemon": (
        re.compile(rf"{PLACES.pattern}/[A-Za-z0-9_.:-]+"),
        "host[:port]/PDU: where pdudaemon runs (port 16421, unless it says another), and what it calls the PDU",
    ),
    "uhubctl": (
        re.compile(r"\d{1,3}(-\d{1,2}(\.\d{1,2})*)?"),
        "the location of a hub as uhubctl lists it, such as 1-1.4",
    ),
}
ONE_EACH = "of each board alone: a board that is turned off would take the others with it"


def wrong(device: Device) -> Iterator[Problem]:
    """Everything that is wrong with the power switch of a device."""
    switch = device.power_switch
    yield from unused(KEY, switch, USES)
    if switch.kind == "none" or switch.kind not in USES:  # which kinds there are is told beside
        return
    yield from no_variable(KEY, switch.password_env)
    yield from strangers(device, KEY, {"addresses": switch.addresses, "outlets": switch.outlets})
    for host, outlet in switch.outlets.items():
        if not 0 <= outlet <= HIGHEST_OUTLET:
            yield Problem(f"{KEY}.outlets.{host}", outlet, f"0 to {HIGHEST_OUTLET}")
    yield from _commands(device) if switch.kind == "command" else _outlets(device)


def contended(devices: Iterable[Device]) -> Iterator[str]:
    """A line for each outlet that two devices of a sweep have for different boards; the same board may be in several
    files."""
    seen: dict[tuple[object, ...], Board] = {}
    for board in (board for device in devices for board in device.boards):
        switch = board.power_switch
        if switch is None:
            continue
        other = seen.setdefault(outlet_of(switch), board)
        if other.name == board.name or other.device.name == board.device.name:  # within one device it is told beside
            continue
        same = f"{KEY}.turn_on is" if switch.kind == "command" else f"{KEY}.address and outlet are"
        whose = f"{other.name} ({other.device.name}) and {board.name} ({board.device.name})"
        yield f"{same} the same for {whose}: turning one off would turn off both"


def outlet_of(switch: PowerSwitch) -> tuple[object, ...]:
    """What two boards must not have in common."""
    if switch.kind == "command":
        return (switch.kind, *switch.turn_on)
    return (switch.kind, switch.address, switch.outlet)


def _outlets(device: Device) -> Iterator[Problem]:
    boards: dict[str, list[str]] = defaultdict(list)
    for board in device.boards:
        switch = board.power_switch or device.power_switch
        pattern, how = ADDRESSES[switch.kind]
        if not switch.address:
            each = f"an address for each board: {KEY}.address, with {{board}} in it, or {KEY}.addresses by host"
            yield Problem(f"{KEY}.address", "", f"{each}; {how}")
            return
        if not pattern.fullmatch(switch.address):
            yield Problem(f"{KEY}.address", quoted(switch.address), how)
            return
        if switch.kind == "uhubctl" and not 1 <= switch.outlet <= HIGHEST_PORT_OF_A_HUB:
            yield Problem(f"{KEY}.outlet", switch.outlet, f"the port of the hub, 1 to {HIGHEST_PORT_OF_A_HUB}")
            return
        boards[f"{switch.address}, outlet {switch.outlet},"].append(board.name)
    yield from shared(f"{KEY}.address", boards, f"{ONE_EACH}; see {KEY}.outlets")


def _commands(device: Device) -> Iterator[Problem]:
    for name in ("turn_on", "turn_off"):
        key, words = f"{KEY}.{name}", getattr(device.power_switch, name)
        if not words or not words[0]:
            yield Problem(key, shown(words), f"a program and its arguments that {name.replace('_', 's ')} a board")
            continue
        if {"True", "False"} & set(words):  # the program would get another word than the one that was written
            yield Problem(key, shown(words), "words in quotes: YAML takes a bare on, off, yes or no for true or false")
        boards: dict[str, list[str]] = defaultdict(list)
        for board in device.boards:
            boards[shown(getattr(board.power_switch, name))].append(board.name)
        yield from shared(key, boards, f"{ONE_EACH}: write {{board}} in it")
