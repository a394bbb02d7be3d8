"""A seeded part of the fault suite; all of it is ``make soak``."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.__main__ import soak
from tests.faults.kinds import SLOW
from tests.sshd import needs_sshd
from tests.sweeps.conftest import cache

__all__ = ["cache"]
pytestmark = [pytest.mark.slow, needs_sshd, pytest.mark.timeout(600)]


def test_some_faults_and_every_cell_has_one_result(
    tmp_path: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = soak(4, 20, tmp_path, cache, without=(*SLOW, "sshd frozen"))
    assert status == 0, capsys.readouterr().out
