"""JSON from an instrument's own web server, without a word about its password."""

from __future__ import annotations

import json
import logging
import os
import re
import time
from collections.abc import Mapping
from typing import Any

import requests
from requests.auth import AuthBase
from urllib3.exceptions import HTTPError, LocationValueError

from orchestrator.device import Meter
from orchestrator.errors import MeterError
from orchestrator.meters.deadline import Deadline
from orchestrator.plain import plain
from orchestrator.redact import BLOT, without

MAX_BYTES = 64 * 1024
_KNOWN: set[str] = set()
"""Every password that was asked for: no log and no error has it in any spelling."""
_PASSWORD = re.compile(r"(password=)[^&\s\"']*")


class NotThere(MeterError):
    """The server answers, and has nothing under that name."""


class NoNumber(MeterError):
    """The answer lacks the value that was asked for."""


class Unauthorized(MeterError):
    """The server wants another user or password, or any."""

    def __init__(self) -> None:
        super().__init__(
            "it refused the user or the password: set device.meter.user, and in device.meter.password_env the name of "
            "the environment variable that holds the password"
        )


class _Blot(logging.Filter):
    """At level DEBUG urllib3 logs every address with its query."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = _blotted(record.getMessage()), ()
        return True


logging.getLogger("urllib3.connectionpool").addFilter(_Blot())


def password(settings: Meter) -> str | None:
    """From the environment alone. Raises MeterError where the variable is not set."""
    if settings.password_env is None:
        return None
    found = os.environ.get(settings.password_env)
    if not found:
        raise MeterError(f"the environment variable {settings.password_env} (device.meter.password_env) is not set")
    _KNOWN.add(found)
    return found


def _blotted(text: str) -> str:
    return _PASSWORD.sub(rf"\1{BLOT}", without(text, _KNOWN))


class Web:
    """One web server. No proxy, no .netrc, no redirection: a plug in the lab has none of them."""

    def __init__(self, settings: Meter, auth: AuthBase | None = None) -> None:
        self._base, self._timeout_s = f"http://{settings.address}", settings.timeout_s
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.auth = auth
        self._deadline = Deadline()
        self._session.mount("http://", self._deadline)

    def get(self, path: str, query: Mapping[str, str] | None = None) -> dict[str, Any]:
        """The JSON object under ``path``. Raises MeterError, in words that hold no address and no query."""
        late = f"it did not answer within {self._timeout_s:g} s (device.meter.timeout_s)"
        self._deadline.end_s = time.monotonic() + self._timeout_s
        try:
            return self._get(path, query)
        except requests.Timeout:
            # 'from None': the exceptions of requests quote the whole address
            raise MeterError(late) from None
        except (requests.RequestException, HTTPError, UnicodeError) as error:  # the latter two of an odd address
            raise MeterError(late if self._deadline.passed else f"it cannot be reached: {_cause(error)}") from None

    def _get(self, path: str, query: Mapping[str, str] | None) -> dict[str, Any]:
        address = self._base + path
        with self._session.get(
            address, params=query, timeout=self._timeout_s, allow_redirects=False, stream=True
        ) as answer:
            if answer.status_code == 401:
                raise Unauthorized
            body = b""
            for chunk in answer.iter_content(1024):
                body += chunk
                if len(body) > MAX_BYTES:
                    raise MeterError(f"its answer has more than {MAX_BYTES} bytes")
            if answer.status_code != 200:
                kind = NotThere if answer.status_code in (404, 500) else MeterError
                raise kind(f"it answered with HTTP status {answer.status_code} to {path}")
        return _object(body)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        said = plain(_blotted(body.decode(errors="replace"))[:60])  # cut last: half a password is one, too
        raise MeterError(f"it answered with no JSON object: {said!r}; is another device at this address?")
    return found


def _cause(error: BaseException) -> str:
    """The operating system's own words, which name no address."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.errno is not None and seen.strerror:
            return str(seen.strerror)
        seen = seen.__cause__ or seen.__context__
    if isinstance(error, LocationValueError | UnicodeError | requests.exceptions.InvalidURL):
        return "device.meter.address is no host[:port]"
    return type(error).__name__


def number(found: Mapping[str, Any], key: str) -> float:
    """A number under a key. Raises MeterError."""
    value = found.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise NoNumber(f"its answer has no number {key!r}")
    try:
        return float(value)
    except OverflowError:  # JSON takes integers of any length
        raise NoNumber(f"its number {key!r} is too large") from None
