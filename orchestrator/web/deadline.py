"""HTTP that ends: the patience of requests is for each packet, so that a server that sends a byte now and then would
hold a board for ever."""

from __future__ import annotations

import math
import socket
import time
from collections.abc import Callable
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool
from urllib3.connection import HTTPConnection


class Deadline(HTTPAdapter):
    """Nothing is received after ``end_s`` on CLOCK_MONOTONIC, neither of the headers nor of the body."""

    def __init__(self) -> None:
        self.end_s = math.inf
        super().__init__()

    @property
    def passed(self) -> bool:
        """It is over."""
        return time.monotonic() >= self.end_s

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Called by the adapter itself."""
        super().init_poolmanager(*args, **kwargs)
        left_s = self._left_s

        class Connection(HTTPConnection):
            def connect(self) -> None:
                super().connect()
                self.sock = _Ending.of(self.sock, left_s)

        class Pool(HTTPConnectionPool):
            ConnectionCls = Connection

        self.poolmanager.pool_classes_by_scheme = {"http": Pool}

    def _left_s(self) -> float:
        return self.end_s - time.monotonic()


class _Ending(socket.socket):
    """One whose receiving ends in time; http.client reads by ``recv_into`` alone."""

    _left_s: Callable[[], float]

    @classmethod
    def of(cls, other: socket.socket, left_s: Callable[[], float]) -> _Ending:
        """In place of ``other``."""
        patience_s = other.gettimeout()
        made = cls(other.family, other.type, other.proto, fileno=other.detach())
        made.settimeout(patience_s)
        made._left_s = left_s
        return made

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        """Raises TimeoutError."""
        left_s, patience_s = self._left_s(), self.gettimeout()
        if left_s <= 0:
            raise TimeoutError("timed out")
        self.settimeout(min(left_s, math.inf if patience_s is None else patience_s))
        return super().recv_into(*args, **kwargs)
