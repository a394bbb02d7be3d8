"""``calibrate`` as a whole: a sweep on the built-in board, beside a program that prints what it takes."""

from __future__ import annotations

import os
import sys

import pytest
import yaml

from tests.sweeps.lab import TINY, Lab

WATTS = """
import os, sys, time
home, cores, ticks = sys.argv[1], os.cpu_count(), os.sysconf("SC_CLK_TCK")

def used_s():
    total = 0
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            command = open(f"/proc/{pid}/cmdline", "rb").read().decode(errors="replace")
            fields = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()
        except OSError:
            continue
        if home in command:
            total += int(fields[11]) + int(fields[12])
    return total / ticks

before_s, then_s = used_s(), time.monotonic()
while True:
    time.sleep(0.05)
    after_s, now_s = used_s(), time.monotonic()
    print("-", 3 + 4 * max(0.0, after_s - before_s) / cores / (now_s - then_s), flush=True)
    before_s, then_s = after_s, now_s
"""
"""A board that takes 3 W idle and 7 W with all cores busy, by the CPU time of its own processes alone."""


@pytest.mark.slow
def test_a_board_beside_a_meter_gets_its_own_watts(lab: Lab) -> None:
    program = lab.folder / "watts.py"
    program.write_text(f"#!{sys.executable}{WATTS}")
    program.chmod(0o755)
    tiny = [word for word in TINY if "energy_s" not in word and "idle_s" not in word]
    done = lab.finish(
        lab.start(
            *("calibrate", "device=local", "model=digits", "tracking=none", f"device.hold=test-{os.getpid()}"),
            *("device.meter.kind=command", f"device.meter.command=[{program},{lab.home}]"),
            *("device.meter.scope=board_dc_in", "device.meter.rate_hz=5", "device.meter.lag_s=0", *tiny),
            *("scenario.energy_s=1", "scenario.energy_windows=2", "scenario.idle_s=0.6"),
        )
    )
    assert done.status == 0, done.text
    file = lab.folder / "lab" / "device" / "local.yaml"
    power = yaml.safe_load(file.read_text())["powers"]["local"]
    assert 2.9 < power["idle"]["low_w"] <= power["idle"]["high_w"] < 3.5, done.text
    assert 6 < power["load"]["low_w"] <= power["load"]["high_w"] < 8.5, done.text
    assert "command:watts.py (board_dc_in" in power["source"] and f"written: {file}" in done.text
