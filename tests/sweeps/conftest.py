from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.sshd import start_sshd
from tests.sweeps.lab import Lab

__all__ = ["cache", "lab", "start_sshd"]


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The controller's cache: artifacts are built and wheels fetched once for all tests here, of all workers of
    pytest-xdist, as the controllers of one user share theirs."""
    base = tmp_path_factory.getbasetemp()
    path = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "cache"
    path.mkdir(exist_ok=True)
    return path


@pytest.fixture
def lab(tmp_path: Path, cache: Path) -> Lab:
    """An empty lab."""
    return Lab(tmp_path, cache)
