"""What the web server of a plug says, without a word about its password."""

from __future__ import annotations

import json
import logging
import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests
from requests.auth import AuthBase
from urllib3.exceptions import HTTPError, LocationValueError

from orchestrator.errors import OrchestratorError
from orchestrator.plain import plain
from orchestrator.redact import BLOT, without
from orchestrator.web.deadline import Deadline

MAX_BYTES = 64 * 1024
_KNOWN: set[str] = set()
"""Every password that was asked for: no log and no error has it in any spelling."""
_PASSWORD = re.compile(r"(password=)[^&\s\"']*")


@dataclass(frozen=True, slots=True)
class Place:
    """One web server, and the key of the settings that it comes from: ``device.meter``, ``device.power_switch``."""

    key: str
    address: str  # host[:port]
    timeout_s: float
    password_env: str | None = None


class WebError(OrchestratorError):
    """The server does not answer, or with nothing usable. Whoever asked says who that is."""


class NotThere(WebError):
    """The server answers, and has nothing under that name."""


class Unauthorized(WebError):
    """The server wants another user or password, or any."""

    def __init__(self, key: str) -> None:
        super().__init__(
            f"it refused the user or the password: set {key}.user, and in {key}.password_env the name of "
            "the environment variable that holds the password"
        )


class _Blot(logging.Filter):
    """At level DEBUG urllib3 logs every address with its query."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = _blotted(record.getMessage()), ()
        return True


logging.getLogger("urllib3.connectionpool").addFilter(_Blot())


def password(place: Place) -> str | None:
    """From the environment alone. Raises WebError where the variable is not set."""
    if place.password_env is None:
        return None
    found = os.environ.get(place.password_env)
    if not found:
        raise WebError(f"the environment variable {place.password_env} ({place.key}.password_env) is not set")
    _KNOWN.add(found)
    return found


def _blotted(text: str) -> str:
    return _PASSWORD.sub(rf"\1{BLOT}", without(text, _KNOWN))


class Web:
    """One web server. No proxy, no .netrc, no redirection: a plug in the lab has none of them."""

    def __init__(self, place: Place, auth: AuthBase | None = None) -> None:
        self._place, self._base = place, f"http://{place.address}"
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.auth = auth
        self._deadline = Deadline()
        self._session.mount("http://", self._deadline)

    def get(self, path: str, query: Mapping[str, str] | None = None) -> dict[str, Any]:
        """The JSON object under ``path``. Raises WebError, in words that hold no address and no query."""
        return _object(self.read(path, query))

    def read(self, path: str, query: Mapping[str, str] | None = None) -> bytes:
        """What is under ``path``, whatever it is. Raises WebError as :meth:`get` does."""
        late = f"it did not answer within {self._place.timeout_s:g} s ({self._place.key}.timeout_s)"
        self._deadline.end_s = time.monotonic() + self._place.timeout_s
        try:
            return self._read(path, query)
        except requests.Timeout:
            # 'from None': the exceptions of requests quote the whole address
            raise WebError(late) from None
        except (requests.RequestException, HTTPError, UnicodeError) as error:  # the latter two of an odd address
            cause = _cause(error, self._place.key)
            raise WebError(late if self._deadline.passed else f"it cannot be reached: {cause}") from None

    def _read(self, path: str, query: Mapping[str, str] | None) -> bytes:
        with self._session.get(
            self._base + path, params=query, timeout=self._place.timeout_s, allow_redirects=False, stream=True
        ) as answer:
            if answer.status_code == 401:
                raise Unauthorized(self._place.key)
            body = b""
            for chunk in answer.iter_content(1024):
                body += chunk
                if len(body) > MAX_BYTES:
                    raise WebError(f"its answer has more than {MAX_BYTES} bytes")
            if answer.status_code != 200:
                kind = NotThere if answer.status_code in (404, 500) else WebError
                raise kind(f"it answered with HTTP status {answer.status_code} to {path}")
        return body

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
        raise WebError(f"it answered with no JSON object: {said!r}; is another device at this address?")
    return found


def _cause(error: BaseException, key: str) -> str:
    """The operating system's own words, which name no address."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.errno is not None and seen.strerror:
            return str(seen.strerror)
        seen = seen.__cause__ or seen.__context__
    if isinstance(error, LocationValueError | UnicodeError | requests.exceptions.InvalidURL):
        return f"{key}.address is no host[:port]"
    return type(error).__name__
