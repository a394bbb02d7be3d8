"""Fixtures: the program, a runtime in a folder, boards."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from remote import bundle
from tests.remote.boards import Board, install


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("program") / "program.pyz"
    bundle.write(path)
    return path


@pytest.fixture(scope="session")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(tmp_path_factory.mktemp("litert"), sys.executable, "ai-edge-litert", "numpy", "pillow")


@pytest.fixture
def board(tmp_path: Path, program: Path) -> Iterator[Board]:
    """A board without a runtime; its program is a copy of its own, so that its processes can be told apart."""
    own = tmp_path / "program.pyz"
    shutil.copy(program, own)
    made = Board(tmp_path / "workdir", own)
    yield made
    made.close()


@pytest.fixture
def ready(board: Board, runtime: Path) -> Board:
    """A board with LiteRT in its environment ``e...``."""
    (board.workdir / "envs" / ("e" * 16)).symlink_to(runtime)
    return board
