"""What holds for every test."""

from __future__ import annotations

import signal


def pytest_configure() -> None:
    """A shell ignores SIGINT for what it starts in the background, and children inherit it: tests of Ctrl-C hang."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
