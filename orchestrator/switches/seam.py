"""What every power switch can do, and how it says what went wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from orchestrator.device import PowerSwitch
from orchestrator.errors import SwitchError
from orchestrator.plain import plain
from orchestrator.web import Place, Unauthorized, WebError

KEY = "device.power_switch"

Sleep = Callable[[float], object]
"""Waits so many seconds, or less: ``time.sleep``, or the ``wait`` of an event."""


class Switch(Protocol):
    """The outlet of one board; used by one thread. Nothing is opened before the first call."""

    def set(self, on: bool) -> None:
        """Turn it on or off, and find out that it did where it tells. Raises SwitchError."""
        ...

    def state(self) -> bool | None:
        """Whether it is on; None where this kind cannot tell. Raises SwitchError."""
        ...

    def close(self) -> None:
        """Leaves no connection behind; never raises."""
        ...


def word(on: bool) -> str:
    """``on`` or ``off``."""
    return "on" if on else "off"


def called(settings: PowerSwitch) -> str:
    """How people tell this switch from others; nothing of it can be a password."""
    if settings.kind == "command":
        program = Path((settings.turn_on or settings.turn_off or ["nothing"])[0]).name
        return f"power switch command ({plain(program)})"
    outlet = "port" if settings.kind == "uhubctl" else "outlet"
    return f"power switch {settings.kind} {plain(settings.address)}, {outlet} {settings.outlet}"


def failed(settings: PowerSwitch, what: str, way_out: str | None = None) -> SwitchError:
    """The error that says which switch it was, what it did, and what to do."""
    return SwitchError(f"{called(settings)}: {what}", hint=way_out)


def place(settings: PowerSwitch, address: str | None = None) -> Place:
    """Its web server; ``address`` where that is only a part of the setting."""
    return Place(KEY, address or settings.address, settings.timeout_s, settings.password_env)


@contextmanager
def speaking(settings: PowerSwitch) -> Iterator[None]:
    """What its web server does wrong is an error of this switch. Its cause is left out: it may quote a password."""
    try:
        yield
    except Unauthorized as error:  # says itself what to do
        raise failed(settings, error.message) from None
    except WebError as error:
        raise failed(settings, error.message, f"is the switch itself powered, and {KEY}.address its own?") from None
