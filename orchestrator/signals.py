"""Ctrl-C and SIGTERM end a sweep cleanly: stop what runs on the boards, keep what is done."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from rich.console import Console

ABANDON_AT = 3
"""The third signal leaves at once; boards then end by themselves at their job's deadline."""


@contextlib.contextmanager
def stopping(stop: threading.Event, console: Console) -> Iterator[None]:
    """Set ``stop`` at the first SIGINT, SIGTERM or SIGHUP, for the time of the context; main thread only.

    A signal that is ignored, as SIGHUP under nohup, stays ignored.
    """
    count = 0

    def heard(number: int, _: FrameType | None) -> None:
        nonlocal count
        count += 1
        stop.set()
        if count >= ABANDON_AT:
            os._exit(128 + number)
        if count == 1:
            with contextlib.suppress(OSError, SystemExit):  # nobody may be reading any more
                console.print("\n[yellow]stopping: what runs is stopped on the boards, what is done is kept[/]")

    numbers = [n for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP) if signal.getsignal(n) is not signal.SIG_IGN]
    before = {number: signal.signal(number, heard) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
