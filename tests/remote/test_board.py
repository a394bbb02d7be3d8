"""The board's state from file trees in the real format, and from this machine."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from remote import process
from remote.board import REASONS, State
from remote.load import involuntary_switches

NOT_OF_A_PI = {"gpu_mhz", "fan_rpm", "over_current", "throttle_events"}


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
    assert set(state.missing) == NOT_OF_A_PI | {"pinned_mhz"}


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
    assert set(state.missing) == {*REASONS, "pinned_mhz"}
    assert [sample[key] for key in REASONS] == [None] * len(REASONS)


def jetson(root: Path) -> None:
    """Paths and names as on an Orin Nano with JetPack 6."""
    for cpu in range(2):
        clocks(root, cpu, "schedutil", 729600, 1510400, driver="tegra194")
    write(root / "class/devfreq/17000000.gpu/cur_freq", 624750000)
    write(root / "class/hwmon/hwmon0/name", "pwm_tach")
    write(root / "class/hwmon/hwmon0/rpm", 2890)
    write(root / "class/hwmon/hwmon3/name", "soctherm_oc")
    for alarm, count in enumerate((0, 2, 5), 1):
        write(root / f"class/hwmon/hwmon3/oc{alarm}_event_cnt", count)


def clocks(root: Path, cpu: int, governor: str, low: int, high: int, *, driver: str = "cpufreq-dt") -> None:
    values = {"governor": governor, "min_freq": low, "max_freq": high, "cur_freq": low, "driver": driver}
    for name, value in {**values, "setspeed": high if governor == "userspace" else "<unsupported>"}.items():
        write(root / f"devices/system/cpu/cpu{cpu}/cpufreq/scaling_{name}", value)


def test_a_jetson(tmp_path: Path) -> None:
    jetson(tmp_path)
    state = State(str(tmp_path))
    state.fire()
    (sample,) = state.samples
    assert (sample["gpu_mhz"], sample["fan_rpm"], sample["over_current"]) == (624.75, 2890, 7)
    assert not set(state.missing) & {"gpu_mhz", "fan_rpm", "over_current"}


def test_the_throttle_counts_of_an_x86_cpu(tmp_path: Path) -> None:
    for cpu in range(2):
        folder = tmp_path / f"devices/system/cpu/cpu{cpu}/thermal_throttle"
        write(folder / "core_throttle_count", 3 + cpu)
        write(folder / "package_throttle_count", 100)
    state = State(str(tmp_path))
    state.fire()
    assert state.samples[0]["throttle_events"] == 107


@pytest.mark.parametrize(
    ("driver", "governor", "low", "high", "mhz"),
    [
        ("cpufreq-dt", "performance", 600000, 1800000, 1800.0),
        ("cpufreq-dt", "ondemand", 1500000, 1500000, 1500.0),
        ("cpufreq-dt", "userspace", 600000, 1800000, 1800.0),
        ("cpufreq-dt", "ondemand", 600000, 1800000, None),
        ("intel_pstate", "performance", 800000, 4700000, None),
        ("amd-pstate-epp", "performance", 3000000, 3000000, None),
    ],
)
def test_which_clocks_are_pinned(
    tmp_path: Path, driver: str, governor: str, low: int, high: int, mhz: float | None
) -> None:
    for cpu in range(11):
        clocks(tmp_path, cpu, governor, low, high, driver=driver)
    assert State(str(tmp_path)).pinned_mhz == ([mhz] * 11 if mhz else None)
    one = [mhz if cpu == 10 else None for cpu in range(11)]
    assert State(str(tmp_path), cpus=[10]).pinned_mhz == (one if mhz else None)


def test_the_switches_of_a_process_are_those_of_all_its_threads(tmp_path: Path) -> None:
    for thread, count in ((7, 5), (8, 37)):
        said = f"Name:\tx\nvoluntary_ctxt_switches:\t9\nnonvoluntary_ctxt_switches:\t{count}"
        write(tmp_path / f"7/task/{thread}/status", said)
    assert involuntary_switches(str(tmp_path), 7) == 42
    assert involuntary_switches(str(tmp_path), 8) is None
    assert involuntary_switches("/proc", os.getpid()) is not None


@pytest.mark.parametrize("cpus", [[4000], [0, 4000]])
def test_cpus_that_are_not_there_are_refused(cpus: list[int]) -> None:
    before = os.sched_getaffinity(0)
    try:
        with pytest.raises(process.ImpossibleCpus, match=r"device\.cpus asks for CPU .*4000"):
            process.pinned_to(cpus)
    finally:
        os.sched_setaffinity(0, before)
    assert process.pinned_to([]) == sorted(before)


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
