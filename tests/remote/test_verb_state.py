"""The verb ``state``: one line, from trees in the real format, and from this machine."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from remote.schema import ContractError
from remote.state import checked, gathered
from tests.remote.test_board import jetson, raspberry, write


def said(program: Path, *words: str) -> dict[str, Any]:
    command = [sys.executable, "-I", "-S", str(program), "state", *words]
    (line,) = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    told: dict[str, Any] = json.loads(line)["ok"]
    return told


def test_this_machine(program: Path) -> None:
    before = time.time()
    told = said(program)
    assert before <= checked(told)["time_s"] <= time.time()


def test_a_raspberry_pi_5(program: Path, tmp_path: Path) -> None:
    raspberry(tmp_path / "sys")
    for number, governor in enumerate(("ondemand", "performance")):
        policy = tmp_path / f"sys/devices/system/cpu/cpufreq/policy{number}"
        write(policy / "scaling_governor", governor)
        write(policy / "scaling_available_governors", "ondemand performance")
    write(tmp_path / "sys/class/rtc/rtc0/name", "rpi-rtc")
    (tmp_path / "proc/device-tree/chosen/power").mkdir(parents=True)
    (tmp_path / "proc/device-tree/chosen/power/max_current").write_bytes(b"\x00\x00\x13\x88")
    told = checked(said(program, str(tmp_path)))
    assert told["temperature_c"] == pytest.approx(48.686)
    assert (told["governor"], told["governors"]) == ("ondemand, performance", ["ondemand", "performance"])
    assert (told["throttled"], told["supply_ma"], told["rtc"]) == (0x50005, 5000, True)


def test_a_jetson(program: Path, tmp_path: Path) -> None:
    jetson(tmp_path / "sys")
    told = checked(said(program, str(tmp_path)))
    assert told["over_current"] == 7 and told["gpu_mhz"] == pytest.approx(624.75)
    assert told["throttled"] is None and told["missing"]["throttled"] == "no Raspberry Pi firmware"


def test_files_that_make_no_sense(tmp_path: Path) -> None:
    raspberry(tmp_path / "sys")
    write(tmp_path / "sys/class/thermal/thermal_zone0/temp", "nan")
    policy = tmp_path / "sys/devices/system/cpu/cpufreq/policy0"
    policy.mkdir(parents=True)
    (policy / "scaling_governor").write_bytes(b"\x1b[31m\xff" + b"x" * 5000)
    (tmp_path / "proc/device-tree/chosen/power").mkdir(parents=True)
    (tmp_path / "proc/device-tree/chosen/power/max_current").write_bytes(b"\xff\xff\xff\xff")
    told = checked({**gathered(str(tmp_path)), "time_s": 1.0})
    assert told["temperature_c"] is None and told["supply_ma"] is None
    assert "\x1b" not in told["governor"]


@pytest.mark.parametrize(
    "change",
    [{"time_s": math.nan}, {"time_s": "now"}, {"throttled": -1}, {"temperature_c": 1e9}, {"rtc": 1}, {"more": 1}],
)
def test_an_answer_that_is_none_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    with pytest.raises(ContractError, match="state"):
        checked({**gathered(str(tmp_path)), "time_s": 1.0, **change})
