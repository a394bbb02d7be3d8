"""``board power on|off|cycle|state``: a board's supply, by the switch that the inventory declares for it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from orchestrator import config
from orchestrator.boards import AT_ONCE, ask_all, holder
from orchestrator.checkup.ask import held_words
from orchestrator.console import say
from orchestrator.device import Board, Device
from orchestrator.errors import BoardBusy, BoardError, CommandTimedOut, ConfigError, ConnectionFailed, OrchestratorError
from orchestrator.plain import plain
from orchestrator.preview import columns
from orchestrator.statuses import INCOMPLETE, OK
from orchestrator.switches import called, cycle, settings_of, switch_of

SILENT = (ConnectionFailed, CommandTimedOut)
"""How a board fails that does not answer, which is what its switch is for. Any other error is an answer."""
WORDS = {True: "on", False: "off", None: "unknown"}


@dataclass(frozen=True, slots=True)
class Switched:
    """One board afterwards; ``on`` is None where its switch cannot tell, ``error`` says what was not done."""

    board: Board
    on: bool | None = None
    did: str = ""
    error: OrchestratorError | None = None


def power_verb(
    console: Console,
    what: str,
    devices: Sequence[Device],
    *,
    as_json: bool,
    force: bool,
    confirm: Callable[[str], bool],
) -> int:
    """Do it for every board, and print a line for each, or all of it as JSON; 2 where it was not done for one."""
    boards = [board for device in devices for board in device.boards]
    _described(boards, devices)
    turns_off = what in ("off", "cycle")
    if turns_off and not confirm(_question(what, boards)):
        raise ConfigError("nothing was turned off")
    refused = {} if force or not turns_off else _refused(boards)
    done = iter(_all(what, [board for board in boards if _key(board) not in refused]))
    found = [refused.get(_key(board)) or next(done) for board in boards]
    if as_json:
        text = json.dumps([_plain(one) for one in found], indent=1)
        console.print(text, soft_wrap=True, markup=False, highlight=False)
    else:
        for line in columns(["device", "board", "power", ""], [_row(one) for one in found], right=()):
            say(console, *line)
    return INCOMPLETE if any(one.error for one in found) else OK


def _key(board: Board) -> tuple[str, str]:
    return board.device.name, board.host


def _described(boards: Sequence[Board], devices: Sequence[Device]) -> None:
    """Raises ConfigError where one has no switch, or two have one outlet."""
    if dark := [f"{board.name} ({board.device.name})" for board in boards if board.power_switch is None]:
        raise ConfigError(
            f"no power switch is described for {', '.join(dark)}: device.power_switch.kind is none",
            hint="write power_switch into the device's file; docs/board.md says how",
        )
    if shared := list(config.shared_outlets(devices)):
        raise ConfigError("\n".join(shared))


def _question(what: str, boards: Sequence[Board]) -> str:
    names = ", ".join(f"{board.name} ({called(settings_of(board))})" for board in boards)
    return f"Turn off {'and on again ' if what == 'cycle' else ''}the power of {names}?"


def _refused(boards: Sequence[Board]) -> dict[tuple[str, str], Switched]:
    """Those that somebody holds, and those that answer and do not say. One that does not answer may be turned off."""
    refused: dict[tuple[str, str], Switched] = {}
    for one in ask_all(boards, holder):
        if isinstance(one.error, SILENT):
            continue
        why = None
        if one.error is not None:
            why = BoardError(f"it answers, and whether somebody holds it is unknown: {one.error}", hint="--force")
        elif one.told["holder"]["held"]:
            why = BoardBusy(f"it is held {held_words(one.told['holder'])}", hint="wait, 'board release', or --force")
        if why is not None:
            refused[_key(one.board)] = Switched(one.board, did="left alone", error=why)
    return refused


def _all(what: str, boards: Sequence[Board]) -> list[Switched]:
    """Side by side. After a Ctrl-C each board that is off is turned on again before this ends."""
    stop = threading.Event()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        futures = [pool.submit(_one, what, board, stop) for board in boards]
        try:
            return [future.result() for future in futures]
        except KeyboardInterrupt:
            stop.set()
            begun = [future for future in futures if not future.cancel()]
            with suppress(KeyboardInterrupt):  # a second one must not leave a board in the dark
                wait(begun)
            raise


def _one(what: str, board: Board, stop: threading.Event) -> Switched:
    settings = settings_of(board)
    try:
        if what == "cycle":
            on = cycle(board, stop.wait)
            return Switched(board, on, f"was off for {settings.off_s:g} s")
        switch = switch_of(settings, stop.wait)
        try:
            if what != "state":
                switch.set(what == "on")
            return Switched(board, switch.state(), "" if what == "state" else f"turned {what}")
        finally:
            switch.close()
    except OrchestratorError as error:
        return Switched(board, error=error.located(board=board.name))


def _row(one: Switched) -> list[str]:
    begin = [one.board.device.name, one.board.name]
    if one.error is not None:
        return [*begin, "-", plain(": ".join(filter(None, (one.did, str(one.error)))))]
    how = called(settings_of(one.board))
    blind = "" if one.on is not None else "it does not tell its state"
    return [*begin, WORDS[one.on], ", ".join(filter(None, (one.did, how, blind)))]


def _plain(one: Switched) -> dict[str, Any]:
    return {
        "device": one.board.device.name,
        "board": one.board.name,
        "switch": called(settings_of(one.board)),
        "on": one.on,
        "did": one.did,
        "error": str(one.error) if one.error else None,
    }
