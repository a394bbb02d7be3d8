"""``calibrate`` as a whole: a sweep on the built-in board, beside a program that prints what it takes."""

from __future__ import annotations

import json
import os
import sys

import pytest
import yaml

from tests.sweeps.lab import TINY, Lab

WATTS = """
import time

def used():
    ticks = [int(field) for field in open("/proc/stat").readline().split()[1:9]]
    return sum(ticks), sum(ticks) - ticks[3] - ticks[4]

before = used()
while True:
    time.sleep(0.05)
    after = used()
    if after[0] > before[0]:
        print("-", 3 + 4 * (after[1] - before[1]) / (after[0] - before[0]), flush=True)
        before = after
"""
"""A board that takes 3 W idle and 7 W with all cores busy, whoever keeps them busy."""


@pytest.mark.slow
def test_a_board_beside_a_meter_gets_its_own_watts(lab: Lab) -> None:
    program = lab.folder / "watts.py"
    program.write_text(f"#!{sys.executable}{WATTS}")
    program.chmod(0o755)
    tiny = [word for word in TINY if "energy_s" not in word and "idle_s" not in word]
    done = lab.finish(
        lab.start(
            *("calibrate", "device=local", "model=digits", "tracking=none", f"device.hold=test-{os.getpid()}"),
            *("device.meter.kind=command", f"device.meter.command=[{program}]"),
            *("device.meter.scope=board_dc_in", "device.meter.rate_hz=10", "device.meter.lag_s=0", *tiny),
            *("scenario.energy_s=1", "scenario.energy_windows=2", "scenario.idle_s=0.6"),
        )
    )
    kept = [json.loads(path.read_text()) for path in sorted((lab.folder / "root").glob("multirun/*/*/*/meter.json"))]
    assert len(kept) == 2, done.text
    assert all(len(one["points"]) > 20 and one["clock"]["round_trips"] >= 20 and not one["invalid"] for one in kept)
    file = lab.folder / "lab" / "device" / "local.yaml"
    if done.status != 0:  # what is beside this test on the machine costs the cells, is named, and nothing is written
        assert "other programs used" in done.text or "idle power changed" in done.text, done.text
        assert not file.exists()
        return
    power = yaml.safe_load(file.read_text())["powers"]["local"]
    assert 2.5 < power["idle"]["low_w"] < 3.1 and 2.9 < power["idle"]["high_w"] < 3.5, done.text
    assert 6 < power["load"]["low_w"] < 7.1 and 6.9 < power["load"]["high_w"] < 8.5, done.text
    assert all(words in power["source"] for words in ("command:watts.py (", "(board_dc_in")), power
    assert f"written: {file}" in done.text
