"""A meter that is a web server: what goes wrong there is a MeterError."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from requests.auth import AuthBase

from orchestrator import web
from orchestrator.device import Meter
from orchestrator.errors import MeterError


class NotThere(MeterError):
    """The server answers, and has nothing under that name."""


class NoNumber(MeterError):
    """The answer lacks the value that was asked for."""


class Unauthorized(MeterError):
    """The server wants another user or password, or any."""

    def __init__(self) -> None:
        super().__init__(web.Unauthorized(KEY).message)


KEY = "device.meter"
_KINDS: dict[type[web.WebError], type[MeterError]] = {web.NotThere: NotThere, web.WebError: MeterError}


def _place(settings: Meter) -> web.Place:
    return web.Place(KEY, settings.address, settings.timeout_s, settings.password_env)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except web.Unauthorized:
        raise Unauthorized from None
    except web.WebError as error:
        raise _KINDS[type(error)](error.message) from None


def password(settings: Meter) -> str | None:
    """From the environment alone. Raises MeterError where the variable is not set."""
    with _translated():
        return web.password(_place(settings))


class Web:
    """The web server of a meter."""

    def __init__(self, settings: Meter, auth: AuthBase | None = None) -> None:
        self._web = web.Web(_place(settings), auth)

    def get(self, path: str, query: Mapping[str, str] | None = None) -> dict[str, Any]:
        """The JSON object under ``path``. Raises MeterError, in words that hold no address and no query."""
        with _translated():
            return self._web.get(path, query)

    def close(self) -> None:
        """Close the connections."""
        self._web.close()


def number(found: Mapping[str, Any], key: str) -> float:
    """A number under a key. Raises MeterError."""
    value = found.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise NoNumber(f"its answer has no number {key!r}")
    try:
        return float(value)
    except OverflowError:  # JSON takes integers of any length
        raise NoNumber(f"its number {key!r} is too large") from None
