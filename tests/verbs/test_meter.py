"""``meter``: what reads the power of a board, tried on the built-in one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from orchestrator import instruments
from orchestrator.console import terminal
from orchestrator.device import Device, Meter
from orchestrator.errors import ConfigError
from orchestrator.lab_verbs import meter
from remote.__main__ import VERBS as PROGRAM_VERBS

GOOD = "import time\nwhile True: print('- 4.5', flush=True); time.sleep(0.01)"


DYING = """import sys, time
for _ in range(9): print('- 4.5', flush=True); time.sleep(0.01)
sys.exit('USB device lost')"""


def device(tmp_path: Path, code: str) -> Device:
    rate_hz = 2.0 if code == GOOD else None  # a slow machine makes gaps in what comes faster
    command = [sys.executable, "-c", code]
    meter = Meter("command", command=command, scope="board_dc_in", gain=0.01, lag_s=0, rate_hz=rate_hz)
    return Device("local", ["local"], workdir=str(tmp_path / "board"), meter=meter)


@pytest.mark.skipif("power" not in PROGRAM_VERBS, reason="needs the board program's verb power")
@pytest.mark.parametrize(
    ("code", "status", "words"),
    [
        (
            GOOD,
            0,
            [
                *("board_dc_in, of the whole board: mean 4.500 W", "the last one 4.500 W", "readings a second"),
                *("1.00% of the reading and 0 W", "its clock is", "that have them: calibration, offline, publish"),
            ],
        ),
        (DYING, 2, ["mean 4.500 W", "exit status 1: USB device lost", "it would not count: its readings cover"]),
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
    monkeypatch.setattr(instruments, "METER_S", 1.0)
    # a machine with a readable RAPL has something that reads its power in any case
    found = instruments.show(terminal(soft_wrap=True), device(tmp_path, code))
    text = capsys.readouterr().out
    assert all(word in text for word in words), text
    assert found == (0 if "reads rapl" in text else status)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["device.meter.scope=board"], ["device.meter.scope = 'board'", "board_dc_in"]),
        (["device.meter.lag_s=-1"], ["device.meter.lag_s = -1", "0 to 600"]),
        (["device.meter.address=p"], ["device.meter.address = 'p'", "nothing"]),
    ],
)
def test_it_takes_what_a_sweep_takes(words: list[str], said: list[str]) -> None:
    good = ["device=local", "device.meter.kind=command", "device.meter.command=[x]", "device.meter.scope=wall_ac"]
    with pytest.raises(ConfigError) as caught:
        meter([*good, *words])
    assert all(word in str(caught.value) for word in said), str(caught.value)


def test_an_interrupt_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(instruments, "_board", interrupted)
    assert instruments.show(terminal(soft_wrap=True), device(tmp_path, GOOD)) == 130
    assert "stands above" in capsys.readouterr().out
