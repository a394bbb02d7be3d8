"""The board's state from file trees in the real format, and from this machine."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from remote.board import State


def write(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{value}\n")


def raspberry(root: Path) -> None:
    write(root / "class/thermal/thermal_zone0/type", "cpu-thermal")
    write(root / "class/thermal/thermal_zone0/temp", 48686)
    for cpu in range(4):
        write(root / f"devices/system/cpu/cpu{cpu}/cpufreq/scaling_cur_freq", 600000 + cpu * 100000)
    write(root / "devices/system/cpu/cpu0/cpufreq/scaling_governor", "ondemand")
    write(root / "devices/platform/soc/soc:firmware/get_throttled", "50005")


def test_a_raspberry_pi(tmp_path: Path) -> None:
    raspberry(tmp_path)
    state = State(str(tmp_path))
    state.fire()
    sample = state.samples[0]
    assert sample["temperature_c"] == pytest.approx(48.686)
    assert sample["cpu_mhz"] == [600.0, 700.0, 800.0, 900.0]
    assert sample["governor"] == "ondemand"
    assert sample["throttled"] == 0x50005
    assert state.missing == {}


def test_samples_are_fresh(tmp_path: Path) -> None:
    raspberry(tmp_path)
    state = State(str(tmp_path))
    with (tmp_path / "class/thermal/thermal_zone0/temp").open("r+") as stream:
        stream.write("61000\n")
    state.fire()
    assert state.samples[0]["temperature_c"] == pytest.approx(61.0)


def test_the_cpu_zone_is_preferred(tmp_path: Path) -> None:
    for number, (kind, temp) in enumerate([("iwlwifi_1", 33000), ("GPU-therm", 40000), ("CPU-therm", 45000)]):
        write(tmp_path / f"class/thermal/thermal_zone{number}/type", kind)
        write(tmp_path / f"class/thermal/thermal_zone{number}/temp", temp)
    state = State(str(tmp_path))
    state.fire()
    assert state.samples[0]["temperature_c"] == pytest.approx(45.0)


def test_what_is_missing_is_null_with_a_reason(tmp_path: Path) -> None:
    state = State(str(tmp_path))
    state.fire()
    sample = state.samples[0]
    assert [sample[key] for key in ("temperature_c", "cpu_mhz", "governor", "throttled")] == [None] * 4
    assert set(state.missing) == {"temperature_c", "cpu_mhz", "governor", "throttled"}


def test_our_own_load_is_told_from_others() -> None:
    state = State()
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as child:
        try:
            state.child = child.pid
            time.sleep(1.0)
            state.fire()
            state.child = None
            time.sleep(1.0)
            state.fire()
        finally:
            child.kill()
    known, foreign = state.samples
    assert known["own_busy"] > 0.1
    assert foreign["own_busy"] < known["own_busy"]
    assert 0.1 < known["cpu_busy"] <= 1.0


def test_a_sample_is_cheap() -> None:
    state = State()
    before = time.process_time()
    for _ in range(100):
        state.fire()
    assert (time.process_time() - before) / 100 < 0.005
