"""Sends the verdict: to a webhook as Slack's, or to a command of the user's own. Neither ever ends the night."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import HTTPError

from orchestrator.morning.message import message
from orchestrator.morning.words import verdict_words
from orchestrator.night import Night
from orchestrator.plain import plain
from orchestrator.redact import redacted

TIMEOUT_S, COMMAND_TIMEOUT_S = 10.0, 60.0
PAUSES_S = (2.0, 8.0)
"""Before the second and the third try."""
LONGEST_PAUSE_S = 60.0
"""Whatever the other side wishes (Retry-After)."""
REFUSALS = {
    400: "it does not take such a message",
    401: "it refuses the address",
    403: "it refuses the address",
    404: "there is no such webhook",
    410: "there is no such webhook any more",
}


def facts(night: Night, report: Path | None) -> dict[str, str]:
    """What a command is told of a night, as environment variables. ``report``: its HTML, where it could be written."""
    return {
        "ORCHESTRATOR_STATUS": str(night.status),
        "ORCHESTRATOR_VERDICT": plain(verdict_words(night)),
        "ORCHESTRATOR_REPORT": "" if report is None else str(report.absolute()),
        "ORCHESTRATOR_SWEEP": plain(night.sweep.id),
    }


def webhook(
    url: str,
    night: Night,
    link: str | None = None,
    *,
    timeout_s: float = TIMEOUT_S,
    sleep: Callable[[float], None] = time.sleep,
) -> str | None:
    """Post the verdict; why that failed in words, in which the address, a secret, never is. None: it arrived.

    A 429, a 5xx and a refused connection are tried twice more. An answer that does not come is not: the message may
    have arrived, and nobody wants it three times.
    """
    if not _is_address(url):
        return "the webhook's address is none of http:// or https://"
    body, why = message(night, link), None
    for pause_s in (*PAUSES_S, None):
        with _unlogged():
            why, wait_s = _posted(url, body, timeout_s)
        if why is None or wait_s is None or pause_s is None:
            break
        sleep(min(max(pause_s, wait_s), LONGEST_PAUSE_S))
    return why


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return False


def _posted(url: str, body: object, timeout_s: float) -> tuple[str | None, float | None]:
    """Why it failed, and how long to wait before another try, None where there is no use in one."""
    try:
        # The body of the answer is not read: a status is all that is needed, and it may have no end.
        with requests.post(url, json=body, timeout=timeout_s, allow_redirects=False, stream=True) as answer:
            status, wait = answer.status_code, answer.headers.get("Retry-After", "")
    except requests.ReadTimeout:
        return f"the webhook did not answer within {timeout_s:g} s", None
    except requests.exceptions.SSLError:
        return "the webhook's certificate is not trusted", None
    except requests.ConnectionError:
        return "the webhook cannot be reached", 0.0
    except (OSError, ValueError, HTTPError) as error:  # their words hold the address
        return f"the webhook cannot be asked ({type(error).__name__})", None
    if 200 <= status < 300:
        return None, None
    if 300 <= status < 400:
        return f"the webhook answers {status}, a redirect, which is not followed", None
    again = _seconds(wait) if status == 429 or status >= 500 else None
    return f"the webhook answers {status}" + (f": {REFUSALS[status]}" if status in REFUSALS else ""), again


def _seconds(retry_after: str) -> float:
    """Only seconds are understood; with a date the usual pause is made."""
    return float(retry_after) if retry_after.isascii() and retry_after.isdigit() else 0.0


@contextmanager
def _unlogged() -> Iterator[None]:
    """At level DEBUG urllib3 logs the path of every address, which is the secret of a webhook."""
    logger, here = logging.getLogger("urllib3.connectionpool"), threading.get_ident()

    def of_others(record: logging.LogRecord) -> bool:
        return record.thread != here

    logger.addFilter(of_others)
    try:
        yield
    finally:
        logger.removeFilter(of_others)


def command(
    words: Sequence[str], markdown: str, environment: Mapping[str, str], *, timeout_s: float = COMMAND_TIMEOUT_S
) -> str | None:
    """Run a command, without a shell, with the Markdown on its standard input; why it failed in words, or None.

    It inherits the environment. Input and output are files, so that no child that it leaves behind can keep us.
    """
    name = plain(words[0]) if words else ""
    try:
        with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as told:
            given.write(markdown.encode("utf-8", "replace"))
            given.seek(0)
            process = subprocess.Popen(
                list(words),
                stdin=given,
                stdout=subprocess.DEVNULL,
                stderr=told,
                env={**os.environ, **environment},
                start_new_session=True,
            )
            return _ended(process, name, told, timeout_s)
    except (OSError, ValueError, IndexError) as error:
        return f"{name or 'the command'} cannot be started: {getattr(error, 'strerror', None) or 'not a command'}"


def _ended(process: subprocess.Popen[bytes], name: str, told: IO[bytes], timeout_s: float) -> str | None:
    try:
        status = process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        return f"{name} did not end within {timeout_s:g} s, and was killed"
    finally:
        if process.poll() is None:  # also where somebody interrupts us
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if status == 0:
        return None
    said = _last_line(told)
    how = f"signal {-status}" if status < 0 else f"status {status}"
    return f"{name} ended with {how}" + (f": {said}" if said else "")


def _last_line(told: IO[bytes]) -> str:
    size = told.seek(0, os.SEEK_END)
    told.seek(max(0, size - 4096))
    lines = [plain(line).strip() for line in told.read().decode("utf-8", "replace").splitlines()]
    return redacted(next((line for line in reversed(lines) if line), ""))[:200]
