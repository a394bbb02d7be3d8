"""Off, and on again whatever happens in between: a board without power answers nobody any more."""

from __future__ import annotations

import time
from contextlib import suppress

from orchestrator.device import Board, PowerSwitch
from orchestrator.errors import SwitchError
from orchestrator.switches.kinds import switch_of
from orchestrator.switches.seam import Sleep, Switch, failed

TRIES = 3
"""Of switching on again. A Ctrl-C meanwhile spoils one of them, so that three end it all the same."""
AGAIN_S = 2.0


def settings_of(board: Board) -> PowerSwitch:
    """Its switch. Raises SwitchError where the inventory declares none."""
    settings = board.power_switch
    if settings is None:
        hint = "describe its switch under power_switch in the device's file"
        raise SwitchError("it has no power switch (device.power_switch.kind is none)", hint=hint, board=board.name)
    return settings


def cycle(board: Board, sleep: Sleep = time.sleep) -> bool | None:
    """Turn the board off, wait ``off_s``, and turn it on: True where the switch tells that it is on, else None.

    From the first order on, it is always turned on again: after an error, a Ctrl-C or another exception, which then
    goes on. ``sleep`` may end early, as the wait of an event does, and then power comes back the sooner.

    Raises:
        SwitchError: it did not turn off, or not on again; the message says which.
    """
    settings = settings_of(board)
    switch = switch_of(settings, sleep)
    try:
        return _cycled(switch, settings, sleep)
    except SwitchError as error:
        raise error.located(board=board.name) from error.__cause__
    finally:
        switch.close()


def _cycled(switch: Switch, settings: PowerSwitch, sleep: Sleep) -> bool | None:
    try:
        switch.set(False)
        sleep(settings.off_s)
        if switch.state():
            raise failed(
                settings,
                "it was on again before it was told to",
                "something else turns it on: a timer or rule of its own, or the driver of a USB hub",
            )
    except BaseException as error:
        _on_again(switch, settings, sleep, error)
        raise
    return _on_again(switch, settings, sleep)


def _on_again(switch: Switch, settings: PowerSwitch, sleep: Sleep, before: BaseException | None = None) -> bool | None:
    """Try until it is on. A Ctrl-C that comes meanwhile is raised once it is."""
    stopped: KeyboardInterrupt | None = None
    why: SwitchError | None = None
    for attempt in range(TRIES):
        try:
            if attempt:
                sleep(AGAIN_S)
            now = _on(switch, settings)
        except KeyboardInterrupt as error:
            stopped = error
        except SwitchError as error:
            why = error
        else:
            if stopped is not None:
                raise stopped
            return now
    raise _dark(settings, why, before) from (stopped or before or why)


def _on(switch: Switch, settings: PowerSwitch) -> bool | None:
    switch.set(True)
    now: bool | None = None
    with suppress(SwitchError):  # it took the order, and a state that cannot be read is no reason to switch again
        now = switch.state()
    if now is False:
        raise failed(settings, "it took the order to turn on, and is off")
    return now


def _dark(settings: PowerSwitch, why: SwitchError | None, before: BaseException | None) -> SwitchError:
    """The error that somebody must act on; the one before it is a part of it."""
    first = f"{before.message}; then " if isinstance(before, SwitchError) else ""
    last = why.message if why is not None else "somebody interrupted each attempt"
    return failed(
        settings,
        f"the board may be without power: {first}turning it on again failed {TRIES} times: {last}",
        "turn it on by hand, or by 'board power on' once the switch answers",
    )
