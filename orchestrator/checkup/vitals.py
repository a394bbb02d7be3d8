"""The checks that need nothing but what a board says of its state: clock, temperature, governor, throttling, supply."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.checkup import fixes
from orchestrator.checkup.check import NOTE, OK, PROBLEM, UNKNOWN, Check
from orchestrator.checkup.names import CLOCK, GOVERNOR, SUPPLY, TEMPERATURE, THROTTLING
from orchestrator.device import Board

CLOCK_NOTE_S, CLOCK_PROBLEM_S = 2.0, 60.0
"""A minute is where certificates, and the times of files and records, begin to mislead."""
WARM_C, HOT_C = 60.0, 75.0
"""Of a board that does nothing."""
FULL_MA = 5000
"""What a Raspberry Pi 5 wants of its supply; with less it limits what hangs on USB."""

UNDER_VOLTAGE = 0
THROTTLES = {1: "its clock was capped", 2: "it was throttled", 3: "its soft temperature limit was reached"}
STICKY = 16
"""Bits of a Raspberry Pi's get_throttled: live ones, and so much higher the same since boot."""

State = Mapping[str, Any]
"""What the board's program has answered, as ``remote.state`` has checked it."""


def clock(board: Board, state: State, sent_s: float, received_s: float) -> Check:
    """The board's wall clock against the controller's, on which it was asked from ``sent_s`` to ``received_s``.

    Somewhere in between it was read: half of that time is how well the offset is known.
    """
    middle_s, bound_s = (sent_s + received_s) / 2, abs(received_s - sent_s) / 2
    offset_s = state["time_s"] - middle_s
    sure_s = max(0.0, abs(offset_s) - bound_s)
    way = "ahead of" if offset_s > 0 else "behind"
    found = f"{_span(abs(offset_s))} {way} this machine's, known to {bound_s:.2g} s"
    if sure_s <= CLOCK_NOTE_S:
        return Check(CLOCK, OK, f"right to {abs(offset_s) + bound_s:.2g} s")
    fix = fixes.on_board(board, "sudo timedatectl set-ntp true")
    if not state["rtc"]:
        found += "; it has no clock of its own that goes on without power, so each start needs the network's time"
        if not board.device.is_local:
            by_hand = f'{fixes.on_board(board, "sudo date -u -s")} "@$(date +%s)"'
            fix += f"\nwithout a network there, from here: {by_hand}"
    return Check(CLOCK, PROBLEM if sure_s > CLOCK_PROBLEM_S else NOTE, found, fix)


def _span(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def temperature(board: Board, state: State) -> Check:
    """As warm as it is now, before anything runs."""
    celsius = state["temperature_c"]
    if celsius is None:
        return _untold(TEMPERATURE, state, "temperature_c")
    found = f"{celsius:.1f} °C"
    if celsius <= WARM_C:
        return Check(TEMPERATURE, OK, found)
    busy = fixes.on_board(board, "ps -eo pcpu,pid,comm --sort=-pcpu | head")
    fix = f"a heat sink, a fan, more air; and see whether something runs there: {busy}"
    if celsius <= HOT_C:
        return Check(TEMPERATURE, NOTE, f"{found}: warm before anything runs", fix)
    return Check(TEMPERATURE, PROBLEM, f"{found}: hot before anything runs, so it will throttle", fix)


def governor(board: Board, state: State) -> Check:
    """Whether the clock follows the load, which makes two measurements of one thing differ."""
    now, asked = state["governor"], board.device.tune.governor
    if now is None:
        return _untold(GOVERNOR, state, "governor")
    if asked is not None and asked != now:
        may = state["may_tune"]
        found = f"{now}; each session sets {asked} (device.tune.governor)"
        return Check(GOVERNOR, OK if may else NOTE, found, None if may else fixes.allow_tuning(board))
    if now == "performance" or asked == now:
        return Check(GOVERNOR, OK, now)
    if "performance" not in state["governors"]:
        return Check(GOVERNOR, NOTE, f"{now}; this kernel has no governor performance")
    name = board.device.name
    fix = f"device.tune.governor=performance on the command line, or 'tune: {{governor: performance}}' in {name}.yaml"
    if not state["may_tune"]:
        fix += f"\nthat needs leave of root, once:\n{fixes.allow_tuning(board)}"
    return Check(GOVERNOR, NOTE, f"{now}: the clock follows the load", fix)


def throttling(board: Board, state: State) -> Check:
    """What slowed the board down, now or since it started."""
    bits, said = state["throttled"], []
    if bits is not None:
        now = [words for bit, words in THROTTLES.items() if bits >> bit & 1]
        if now:
            found = "now: " + ", ".join(words.replace(" was ", " is ") for words in now)
            return Check(THROTTLING, PROBLEM, found, "let it cool down; a heat sink or a fan; see power supply")
        said += [f"since boot {words}" for bit, words in THROTTLES.items() if bits >> (bit + STICKY) & 1]
    if state["over_current"]:
        said.append(f"{state['over_current']} over-current events since boot")
    if state["throttle_events"]:
        said.append(f"{state['throttle_events']} times slowed down for heat since boot")
    if said:
        fix = "better cooling or a stronger supply; a restart clears the history, for looking again after a night"
        return Check(THROTTLING, NOTE, "; ".join(said), fix)
    if bits is None and state["over_current"] is None and state["throttle_events"] is None:
        return Check(THROTTLING, UNKNOWN, "not told: no counters of a Raspberry Pi, a Jetson or an x86 CPU")
    return Check(THROTTLING, OK, "none since boot")


def supply(board: Board, state: State) -> Check:
    """Under-voltage, and what the supply has promised."""
    bits, promised = state["throttled"], state["supply_ma"]
    told = [f"it promised {promised / 1000:g} A"] if promised is not None else []
    if bits is not None and (bits >> UNDER_VOLTAGE & 1 or bits >> (UNDER_VOLTAGE + STICKY) & 1):
        when = "now" if bits >> UNDER_VOLTAGE & 1 else "since boot"
        fix = "the supply that is made for the board, and a short, thick cable; then turn it off and on, and look again"
        return Check(SUPPLY, PROBLEM, "; ".join([f"under-voltage {when}: a weak supply or cable", *told]), fix)
    if promised is not None and promised < FULL_MA:
        fix = "a supply of 5 V and 5 A; with less, current for USB is limited, and load may end in under-voltage"
        return Check(SUPPLY, NOTE, f"{told[0]}, {FULL_MA / 1000:g} A are wanted", fix)
    steady = ["no under-voltage since boot"] if bits is not None else []
    if not steady and not told:
        return Check(SUPPLY, UNKNOWN, "not told: only a Raspberry Pi tells")
    return Check(SUPPLY, OK, "; ".join([*steady, *told]))


def _untold(name: str, state: State, key: str) -> Check:
    return Check(name, UNKNOWN, f"not told: {state['missing'].get(key, 'no reason was given')}")
