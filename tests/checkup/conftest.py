from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.checkup import Golden
from orchestrator.device import Board
from orchestrator.provisioning import Program
from orchestrator.session import Workshop
from tests.sshd import Sshd, home, sshd, start_sshd
from tests.sweeps.conftest import cache

__all__ = ["cache", "home", "sshd", "start_sshd"]


@pytest.fixture
def workshop(cache: Path) -> Workshop:
    """Programs and wheels, made once for all tests."""
    folder = cache / "edge-orchestrator"
    return Workshop(Program.built(folder), folder, "a-test")


@pytest.fixture
def golden(tmp_path: Path) -> Golden:
    """With latencies that are kept in a root of its own."""
    return Golden.shipped(root=tmp_path / "root")


@pytest.fixture
def board(sshd: Sshd, home: Path) -> Board:
    """A board without faults."""
    return sshd.board(hold=f"checkup-{os.getpid()}-{sshd.port}")


Python = Callable[[Board, str], Board]


@pytest.fixture
def with_python(tmp_path: Path) -> Iterator[Python]:
    """The same board, whose Python is a shell script."""

    def made(board: Board, script: str) -> Board:
        path = tmp_path / "its-python"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return Board(replace(board.device, python=str(path)), board.host)

    yield made
