"""What holds for every test."""

from __future__ import annotations

import signal

import hypothesis
import pytest

# A deadline for each example is a timing assertion: it fails where the first example pays for an import.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


def pytest_configure() -> None:
    """A shell ignores SIGINT for what it starts in the background, and children inherit it: tests of Ctrl-C hang."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files of slow tests come first, so that no worker is left with one of them when the others are through."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)
