"""The verdict on its way: a webhook on loopback, and commands that are real scripts."""

from __future__ import annotations

import json
import logging
import socket
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from orchestrator.morning import command, facts, webhook
from orchestrator.morning.message import BLOCKS, HEADER, SECTION, TEXT, message
from tests.morning import nights

SECRET = "T0SECRET/B0SECRET/xSECRETx"
NIGHT = nights.with_everything()


class Hook:
    """Answers with the given statuses, one after the other; the last one stays."""

    def __init__(self, *answers: tuple[int, dict[str, str]] | int, hang_s: float = 0.0) -> None:
        self.bodies: list[Any] = []
        self.pauses: list[float] = []
        todo = [answer if isinstance(answer, tuple) else (answer, {}) for answer in answers]
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                hook.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                time.sleep(hang_s)
                status, headers = todo.pop(0) if len(todo) > 1 else todo[0]
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()

            do_GET = do_POST

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/services/{SECRET}"

    def __enter__(self) -> Hook:
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def send(self, timeout_s: float = 5.0) -> str | None:
        return webhook(self.url, NIGHT, "http://ci.example/morning.html", timeout_s=timeout_s, sleep=self.pauses.append)


@pytest.fixture(autouse=True)
def told(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Whatever is logged, at any level: the address is never in it."""
    caplog.set_level(logging.DEBUG)
    yield
    assert "SECRET" not in caplog.text


def test_it_arrives_as_slack_wants_it() -> None:
    with Hook(200) as hook:
        assert hook.send() is None
    (body,) = hook.bodies
    assert set(body) == {"text", "blocks"}
    assert "4 regressions" in body["text"] and "4 regressions" in body["blocks"][0]["text"]["text"]
    assert "<http://ci.example/morning.html|Open the report>" in str(body["blocks"][-1])
    assert hook.pauses == []


def test_a_server_in_trouble_is_asked_again() -> None:
    with Hook(500, 200) as hook:
        assert hook.send() is None
    assert len(hook.bodies) == 2 and hook.pauses == [2.0]


def test_two_more_tries_and_no_more() -> None:
    with Hook(503) as hook:
        assert hook.send() == "the webhook answers 503"
    assert len(hook.bodies) == 3 and hook.pauses == [2.0, 8.0]


@pytest.mark.parametrize(
    ("after", "pause_s"), [("5", 5.0), ("86400", 60.0), ("soon", 2.0), ("Wed, 21 Oct 2026 07:28:00 GMT", 2.0)]
)
def test_too_many_requests_waits_as_told_within_reason(after: str, pause_s: float) -> None:
    with Hook((429, {"Retry-After": after}), 204) as hook:
        assert hook.send() is None
    assert hook.pauses == [pause_s]


def test_a_refusal_is_final() -> None:
    with Hook(404) as hook:
        assert hook.send() == "the webhook answers 404: there is no such webhook"
    assert len(hook.bodies) == 1


def test_an_answer_that_does_not_come_is_not_awaited_and_nothing_is_sent_twice() -> None:
    with Hook(200, hang_s=1.0) as hook:
        assert hook.send(timeout_s=0.2) == "the webhook did not answer within 0.2 s"
    assert len(hook.bodies) == 1


def test_no_redirect_is_followed() -> None:
    with Hook(200) as other, Hook((307, {"Location": other.url})) as hook:
        assert hook.send() == "the webhook answers 307, a redirect, which is not followed"
    assert other.bodies == [] and len(hook.bodies) == 1


def test_nobody_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/{SECRET}"
        pauses: list[float] = []
        assert webhook(url, NIGHT, sleep=pauses.append) == "the webhook cannot be reached"
    assert pauses == [2.0, 8.0]


@pytest.mark.parametrize(
    "url", ["", f"file:///{SECRET}", f"ftp://a/{SECRET}", f"http:///{SECRET}", f"http://[::1/{SECRET}", SECRET]
)
def test_what_is_no_address_is_refused_without_a_word_of_it(url: str) -> None:
    why = webhook(url, NIGHT)
    assert why == "the webhook's address is none of http:// or https://"


@pytest.mark.parametrize("url", [f"http://127.0.0.1:99999/{SECRET}", f"http://{'x' * 70}/{SECRET}"])
def test_an_address_that_cannot_be_asked_is_not_quoted(url: str) -> None:
    why = webhook(url, NIGHT, sleep=lambda pause_s: None)
    assert why is not None and why.startswith("the webhook cannot be") and "SECRET" not in why


@pytest.mark.parametrize("night", [NIGHT, nights.hostile(), nights.large(), nights.all_well()])
def test_a_message_keeps_every_limit(night: Any) -> None:
    body = message(night, "x" * 5000)
    assert len(body["text"]) <= TEXT and len(body["blocks"]) <= BLOCKS
    assert not any(mention in str(body) for mention in ("@here", "<!here>", "\x1b", "\u202e"))
    for block in body["blocks"]:
        texts = block["elements"] if block["type"] == "context" else [block["text"]]
        assert all(1 <= len(text["text"]) <= (HEADER if block["type"] == "header" else SECTION) for text in texts)
    json.dumps(body).encode()


def script(tmp_path: Path, body: str) -> list[str]:
    path = tmp_path / "send.py"
    path.write_text(f"import os, sys, time, subprocess\n{body}\n")
    return [sys.executable, str(path), "$HOME; a b"]


def test_a_command_gets_the_markdown_and_the_facts(tmp_path: Path) -> None:
    out = tmp_path / "out"
    body = f"""
ours = sorted(name + '=' + value for name, value in os.environ.items() if name.startswith('ORCHESTRATOR_'))
open({str(out)!r}, 'w').write('|'.join([sys.stdin.read(), sys.argv[1], *ours]))"""
    told = facts(NIGHT, tmp_path / "morning.html")
    assert command(script(tmp_path, body), "# héllo", told) is None
    given, word, *environment = out.read_text().split("|")
    assert (given, word) == ("# héllo", "$HOME; a b")  # no shell in between
    assert {f"{name}={value}" for name, value in told.items()} <= set(environment)
    assert told["ORCHESTRATOR_STATUS"] == "3" and told["ORCHESTRATOR_VERDICT"].startswith("4 regressions")
    assert told["ORCHESTRATOR_REPORT"] == str(tmp_path / "morning.html") and told["ORCHESTRATOR_SWEEP"] == "tonight"


def test_a_command_that_fails_says_why(tmp_path: Path) -> None:
    body = (
        "print('one', file=sys.stderr); print('no \\x1b[31mroute to http://u:pw@host/', file=sys.stderr); sys.exit(7)"
    )
    why = command(script(tmp_path, body), "x" * 10_000_000, {})  # it reads nothing
    assert why == f"{sys.executable} ended with status 7: no  [31mroute to http://***@host/"


def test_a_command_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    alive = tmp_path / "alive"
    later = f"import time; time.sleep(1.5); open({str(alive)!r}, 'w')"
    body = f"subprocess.Popen([sys.executable, '-c', {later!r}]); time.sleep(60)"
    started = time.monotonic()
    assert command(script(tmp_path, body), "", {}, timeout_s=0.7) == (
        f"{sys.executable} did not end within 0.7 s, and was killed"
    )
    assert time.monotonic() - started < 10
    time.sleep(1.5)
    assert not alive.exists()


def test_a_child_that_is_left_behind_keeps_nobody(tmp_path: Path) -> None:
    started = time.monotonic()
    assert (
        command(script(tmp_path, "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(5)'])"), "", {})
        is None
    )
    assert time.monotonic() - started < 4


@pytest.mark.parametrize("words", [[], [""], ["/no/such/program"], ["nul\0"], ["/"]])
def test_what_cannot_be_started_is_told(words: list[str]) -> None:
    why = command(words, "", {})
    assert why is not None and "cannot be started" in why
