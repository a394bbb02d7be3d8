"""``meter``: what reads the power of a board, tried on the built-in one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from orchestrator import instruments
from orchestrator.console import terminal
from orchestrator.device import Device, Meter
from orchestrator.errors import ConfigError
from remote.__main__ import VERBS as PROGRAM_VERBS

GOOD = "import time\nwhile True: print('- 4.5', flush=True); time.sleep(0.01)"


def device(tmp_path: Path, code: str) -> Device:
    meter = Meter("command", command=[sys.executable, "-c", code], scope="board_dc_in", gain=0.01, lag_s=0)
    return Device("local", ["local"], workdir=str(tmp_path / "board"), meter=meter)


@pytest.mark.skipif("power" not in PROGRAM_VERBS, reason="needs the board program's verb power")
@pytest.mark.parametrize(
    ("code", "status", "words"),
    [
        (GOOD, 0, ["of the whole board: 4.500 W", "1.00% of the reading and 0 W", "readings a second", "its clock is"]),
        ("import sys; sys.exit('unplugged')", 2, ["no reading: ", "unplugged"]),
    ],
)
def test_it_says_what_reads_the_power(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    code: str,
    status: int,
    words: list[str],
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(instruments, "SENSORS_S", 0.2)
    monkeypatch.setattr(instruments, "METER_S", 0.5)
    # a machine with a readable RAPL has something that reads its power in any case
    found = instruments.show(terminal(soft_wrap=True), device(tmp_path, code))
    text = capsys.readouterr().out
    assert all(word in text for word in words), text
    assert found == (0 if "reads rapl" in text else status)


def test_a_meter_that_is_not_described_well_is_refused(tmp_path: Path) -> None:
    bad = device(tmp_path, GOOD)
    bad.meter.query = "P?"
    with pytest.raises(ConfigError, match=r"device\.meter\.query: P\?; allowed: nothing"):
        instruments.show(terminal(), bad)
