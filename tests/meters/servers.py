"""Instruments made small: real servers on loopback that speak as the real ones do."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import socketserver
import threading
from base64 import b64encode
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from orchestrator.meters.seam import Clocks

Answer = tuple[int, dict[str, str], bytes]


class Plug:
    """An HTTP server. ``watts`` is what it reads; ``broken`` replaces every answer."""

    def __init__(self) -> None:
        self.watts: Any = 5.25
        self.broken: bytes | None = None
        self.password: str | None = None
        self.asked: list[str] = []
        plug = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                plug.asked.append(self.path)
                status, headers, body = plug.answer(self.path, self.headers.get("Authorization"))
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def answer(self, path: str, authorization: str | None) -> Answer:
        if self.broken is not None:
            return 200, {}, self.broken
        split = urlsplit(path)
        query = {key: values[0] for key, values in parse_qs(split.query).items()}
        return self.known(path, split.path, query, authorization)

    def known(self, whole: str, path: str, query: dict[str, str], authorization: str | None) -> Answer:
        raise NotImplementedError

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def ok(found: object) -> Answer:
    return 200, {"Content-Type": "application/json"}, json.dumps(found).encode()


class Gen1(Plug):
    """A Shelly Plug S: two of its answers, basic authentication."""

    def known(self, whole: str, path: str, query: dict[str, str], authorization: str | None) -> Answer:
        if path == "/shelly":
            return ok({"type": "SHPLG-S", "mac": "C45BBE000001", "auth": bool(self.password), "fw": "v1.14.0"})
        good = "Basic " + b64encode(f"admin:{self.password}".encode()).decode()
        if self.password and authorization != good:
            return 401, {"WWW-Authenticate": 'Basic realm="shellyplug-s"'}, b"401 Unauthorized"
        if path == "/meter/0":
            return ok({"power": self.watts, "is_valid": True, "timestamp": 1663863464, "counters": [5.1], "total": 9})
        return 404, {}, b"Not Found"


class Gen2(Plug):
    """A Shelly of the second generation: components by name, digest authentication with SHA-256 (RFC 7616)."""

    realm = "shellyplusplugs-c45bbe000002"

    def __init__(self, component: str = "Switch", key: str = "apower") -> None:
        self.component, self.key = component, key
        self.nonce = secrets.token_hex(8)
        super().__init__()

    def known(self, whole: str, path: str, query: dict[str, str], authorization: str | None) -> Answer:
        if path == "/shelly":
            who = {"name": None, "id": self.realm, "mac": "C45BBE000002", "model": "SNPL-00112EU", "gen": 2}
            return ok(who | {"ver": "1.0.8", "app": "PlusPlugS", "auth_en": bool(self.password)})
        if self.password and not self.proven(whole, authorization or ""):
            challenge = f'Digest qop="auth", realm="{self.realm}", nonce="{self.nonce}", algorithm=SHA-256'
            return 401, {"WWW-Authenticate": challenge}, b""
        if path == f"/rpc/{self.component}.GetStatus" and query.get("id") == "0":
            found = {"id": 0, self.key: self.watts, "voltage": 230.1, "aenergy": {"total": 9.5}}
            return ok(found)
        if path == "/rpc/Switch.GetStatus" and query.get("id") == "1":  # a relay without a meter
            return ok({"id": 1, "output": True})
        return 404, {}, json.dumps({"code": 404, "message": f"No handler for {path}"}).encode()

    def proven(self, whole: str, authorization: str) -> bool:
        """What a client must know to answer the challenge."""
        said = dict(re.findall(r'(\w+)="?([^",]+)"?', authorization.removeprefix("Digest ")))

        def digest(text: str) -> str:
            return hashlib.sha256(text.encode()).hexdigest()

        first = digest(f"admin:{self.realm}:{self.password}")
        middle = ":".join(said.get(key, "") for key in ("nonce", "nc", "cnonce", "qop"))
        return said.get("nonce") == self.nonce and said.get("response") == digest(
            f"{first}:{middle}:{digest(f'GET:{whole}')}"
        )


class Tasmota(Plug):
    """Its web commands; ``old``: only Status 8 has the energy."""

    old = False

    def known(self, whole: str, path: str, query: dict[str, str], authorization: str | None) -> Answer:
        if path != "/cm":
            return 404, {}, b""
        if self.password and (query.get("user"), query.get("password")) != ("admin", self.password):
            return ok({"WARNING": "Need user=<username>&password=<password>"})
        command = query.get("cmnd")
        if command == "WattRes":
            return ok({"WattRes": 2})
        if command == "Status":
            return ok({"Status": {"Module": 0, "DeviceName": "bench", "FriendlyName": ["bench"]}})
        energy = {"ENERGY": {"Total": 3.185, "Power": self.watts, "Voltage": 235}}
        has = command == ("Status 8" if self.old else "Status 10")
        return ok({"StatusSNS": {"Time": "2026-01-01T00:00:00", **(energy if has else {})}})


class Bench:
    """A SCPI instrument on a socket: ``answers`` by query; what it has none for it leaves without one."""

    def __init__(self, answers: dict[str, str | Callable[[], str]]) -> None:
        self.answers = {"*IDN?": "ACME,PM9000,SN1,1.2", **answers}
        self.heard: list[str] = []
        bench = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                for raw in self.rfile:
                    line = raw.decode().strip()
                    bench.heard.append(line)
                    answer = bench.answers.get(line)
                    if answer is not None:
                        self.wfile.write((answer if isinstance(answer, str) else answer()).encode() + b"\n")

        socketserver.ThreadingTCPServer.allow_reuse_address = True
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Dripping:
    """A server that says ``begin`` and then a blank each 20 ms, for so long."""

    def __init__(self, begin: bytes, seconds: float) -> None:
        over = self._over = threading.Event()

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                self.request.sendall(begin)
                with suppress(OSError):
                    for _ in range(int(seconds / 0.02)):
                        if over.wait(0.02):
                            break
                        self.request.sendall(b" ")

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True

    def __enter__(self) -> str:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return f"127.0.0.1:{self._server.server_address[1]}"

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()


class FakeTime:
    """Clocks that only waiting moves."""

    def __init__(self) -> None:
        self.now_s, self.wall_s = 1000.0, 1.8e9
        self.waits_s: list[float] = []
        self.clocks = Clocks(lambda: self.now_s, lambda: self.wall_s + self.now_s, self.wait)

    def wait(self, _: threading.Event, seconds: float) -> None:
        self.waits_s.append(seconds)
        self.now_s += max(0.0, seconds)
