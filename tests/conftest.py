"""What holds for every test."""

from __future__ import annotations

import signal

import hypothesis

# A deadline for each example is a timing assertion: it fails where the first example pays for an import.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


def pytest_configure() -> None:
    """A shell ignores SIGINT for what it starts in the background, and children inherit it: tests of Ctrl-C hang."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
