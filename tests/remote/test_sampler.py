"""The verb ``power`` of the shipped program as a process: real files that change, real programs, a real library."""

from __future__ import annotations

import ast
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from remote import power
from tests.remote.test_power import JETSON_LABELS, battery, hwmon, ina3221_hwmon, ina3221_iio, rapl, scope, write

PMIC_RAILS = {
    "3V7_WL_SW": (0.09, 3.7),
    "3V3_SYS": (0.06, 3.3),
    "DDR_VDD2": (0.04, 1.1),
    "VDD_CORE": (2.5, 0.8),
    "HDMI": (0.01, 5.0),
}
PMIC_W = sum(amps * volts for amps, volts in PMIC_RAILS.values())


class Power:
    """The process and what it says."""

    def __init__(
        self, program: Path, sys_root: Path, scopes: list[dict[str, str]], under: Sequence[str] = (), **environment: str
    ) -> None:
        self.process = subprocess.Popen(
            [*under, sys.executable, "-I", "-S", str(program), "power"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={"PATH": "/usr/bin:/bin", **environment},
        )
        self.buffer = b""
        self.send({"sys_root": str(sys_root), "sensor_scopes": scopes, "parent": None})
        self.found = self.line()["found"]

    def send(self, data: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(data).encode() + b"\n")
        self.process.stdin.flush()

    def line(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        while b"\n" not in self.buffer:
            assert select.select([self.process.stdout], [], [], 20)[0], "nothing came within 20 s"
            data = os.read(self.process.stdout.fileno(), 65536)
            assert data, f"it ended with {self.process.wait()}"
            self.buffer += data
        raw, _, self.buffer = self.buffer.partition(b"\n")
        said: dict[str, Any] = json.loads(raw)
        return said

    def readings(self, index: int, count: int, then: Callable[[], object] = lambda: None) -> list[list[float]]:
        """The next readings of one trace, [t, value]; ``then`` is called after each."""
        found: list[list[float]] = []
        while len(found) < count:
            said = self.line()
            if said.get("p", [None])[0] == index:
                found.append(said["p"][1:])
                then()
        return found

    def miss(self, index: int) -> str:
        """The next reading of a trace that gave no value, and why; it comes soon."""
        for _ in range(30):
            said = self.line()
            if said.get("miss", [None])[0] == index:
                return str(said["miss"][1])
        raise AssertionError("every reading gave a value")

    def close(self) -> None:
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            stream.close()
        assert self.process.wait(5) == 0


@pytest.fixture
def start(program: Path, tmp_path: Path) -> Iterator[Callable[..., Power]]:
    started: list[Power] = []

    def begin(*scopes: dict[str, str], **environment: Any) -> Power:
        started.append(Power(program, tmp_path, list(scopes), **environment))
        return started[-1]

    yield begin
    for one in started:
        one.close()


def vcgencmd(folder: Path, script: str) -> str:
    """A program of that name; returns a PATH with it."""
    folder.mkdir(exist_ok=True)
    path = folder / "vcgencmd"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return f"{folder}:/usr/bin:/bin"


def pmic(word: str = "volt") -> str:
    """What ``vcgencmd pmic_read_adc`` of a Raspberry Pi 5 prints, some firmware with ``voltage``."""
    lines = [f" {name}_A current({i})={amps:.8f}A" for i, (name, (amps, _)) in enumerate(PMIC_RAILS.items())]
    lines += [f" {name}_V {word}({i + 8})={volts:.8f}V" for i, (name, (_, volts)) in enumerate(PMIC_RAILS.items())]
    lines += [f" EXT5V_V {word}(24)=5.14420000V", f"  BATT_V {word}(25)=0.00000000V"]
    text = "\n".join(lines)
    return f"[ \"$1\" = pmic_read_adc ] || exit 1\ncat <<'END'\n{text}\nEND"


def nvml(folder: Path, *defines: str) -> str:
    """The library built from nvml.c; returns an LD_LIBRARY_PATH."""
    gcc = shutil.which("gcc")
    if gcc is None:
        pytest.skip("no gcc to build a library with the functions of NVML")
    folder.mkdir()
    source = Path(__file__).parent / "nvml.c"
    library = folder / "libnvidia-ml.so.1"
    subprocess.run([gcc, "-shared", "-fPIC", *defines, "-o", str(library), str(source)], check=True)
    return str(folder)


def traces(running: Power) -> list[tuple[str, str, str]]:
    return [(one["reader"], one["scope"], one["kind"]) for one in running.found["traces"]]


def said_of(running: Power, reader: str) -> dict[str, Any]:
    found: dict[str, Any] = next(sensor for sensor in running.found["sensors"] if sensor["reader"] == reader)
    return found


# -- every reader


def test_every_sensor_of_a_board_is_read_by_one_process(start: Callable[..., Power], tmp_path: Path) -> None:
    hwmon(tmp_path, 0, "ina226", 9_000_000)
    ina3221_hwmon(tmp_path, JETSON_LABELS["orin-nx"])
    battery(tmp_path, power_now=10_000_000)
    environment = {"PATH": vcgencmd(tmp_path / "bin", pmic()), "LD_LIBRARY_PATH": nvml(tmp_path / "lib")}
    running = start(**environment)
    assert traces(running) == [
        ("hwmon", "board_dc_in", "sampled"),
        ("battery", "board_dc_in", "sampled"),
        ("ina3221", "module_in", "sampled"),
        ("pmic", "soc_rails", "sampled"),
        ("nvml", "gpu_board", "counter"),
    ]
    assert [one["rate_hz"] for one in running.found["traces"]] == [10, 1, 10, 10, 5]
    begin = time.monotonic()
    running.send("go")
    first: dict[int, list[float]] = {}
    joules: list[list[float]] = []
    while len(joules) < 3:
        index, *point = running.line()["p"]
        first.setdefault(index, point)
        joules += [point] if index == 4 else []
    assert [first[index][1] for index in range(5)] == pytest.approx([9.0, 10.0, 5.0, PMIC_W, 0.0])
    assert all(begin <= t_s <= time.monotonic() for t_s, _ in first.values())
    (begin_s, _), (end_s, passed_j) = joules[0], joules[-1]
    assert passed_j / (end_s - begin_s) == pytest.approx(60.0, rel=0.2)
    assert said_of(running, "pmic")["details"]["EXT5V_V"] == "5.144 V"
    assert said_of(running, "nvml")["details"] == {"driver": "555.42", "power_limit_mw": "250000"}
    assert said_of(running, "nvml")["rail"] == "GPU 0 (Tiny GPU)"


def test_readings_follow_the_files_with_jitter_and_without_the_wall_clock(program: Path, tmp_path: Path) -> None:
    """A clock that is set during a pass can move no reading: the program never asks for it."""
    folder = ina3221_iio(tmp_path, ("POM_5V_IN", "POM_5V_GPU", "POM_5V_CPU"))
    stepping = tmp_path / "stepping.py"
    stepping.write_text(
        f"import sys, time\nsys.path.insert(0, {str(program)!r})\nfrom remote.__main__ import main\n"
        "def asked(*_):\n    raise SystemExit('the wall clock was asked')\n"
        "time.time = time.time_ns = time.localtime = time.gmtime = asked\nsys.exit(main(sys.argv[1:]))\n"
    )
    running = Power(stepping, tmp_path, [])
    running.send("go")
    before = running.readings(0, 3)
    write(folder / "in_power0_input", 4000)
    changed_s = time.monotonic()
    after = [point for point in running.readings(0, 6) if point[0] > changed_s]
    running.close()
    assert {watts for _, watts in before} == {2.5}
    assert {watts for _, watts in after} == {4.0}
    steps = [late[0] - early[0] for early, late in pairwise(after)]
    assert min(steps) >= 0.049
    assert max(steps) - min(steps) > 0.01


def test_only_the_monotonic_clock_is_used_where_power_is_read() -> None:
    folder = Path(power.__file__).parent
    for path in [*folder.glob("*.py"), folder.parent / "sampler.py", folder.parent / "readings.py"]:
        asked = [
            node.attr
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "time"
        ]
        assert set(asked) <= {"monotonic", "sleep"}, path


@pytest.mark.parametrize("word", ["volt", "voltage"])
def test_the_pmic_is_the_sum_of_what_has_current_and_voltage(
    start: Callable[..., Power], tmp_path: Path, word: str
) -> None:
    running = start(PATH=vcgencmd(tmp_path / "bin", pmic(word)))
    running.send("go")
    assert running.readings(0, 1)[0][1] == pytest.approx(PMIC_W)
    short = "\n".join(line for line in pmic(word).splitlines() if "VDD_CORE_A" not in line)
    vcgencmd(tmp_path / "bin", short)  # the naive sum goes on, 2 W lower
    assert running.miss(0) == "vcgencmd does not say VDD_CORE any more"


def test_a_pmic_that_is_closed_to_the_user_is_told_with_the_remedy(start: Callable[..., Power], tmp_path: Path) -> None:
    words = "Can't open device file: /dev/vcio\nTry creating a device file with: sudo mknod /dev/vcio c 100 0"
    running = start(PATH=vcgencmd(tmp_path / "bin", f'echo "{words}"; exit 255'))
    assert traces(running) == []
    assert "/dev/vcio': add the user to the group of its device: sudo usermod -aG video" in running.found["reason"]
    other = start(PATH=vcgencmd(tmp_path / "bin", "echo 'error=1 error_msg=\"Command not registered\"'"))
    assert other.found["sensors"] == []  # a Raspberry Pi 4


@pytest.mark.parametrize(("counter", "said"), [(0, "sampled"), (-1, "tells no power by NVML: nvmlDevice")])
def test_a_gpu_without_a_counter_and_one_without_a_sensor(
    start: Callable[..., Power], tmp_path: Path, counter: int, said: str
) -> None:
    running = start(LD_LIBRARY_PATH=nvml(tmp_path / "lib", f"-DCOUNTER={counter}"))
    if counter == 0:
        assert traces(running) == [("nvml", "gpu_board", "sampled")]
        running.send("go")
        assert running.readings(0, 1)[0][1] == 60.0
    else:  # as on a Jetson
        assert said in said_of(running, "nvml")["reason"]
        assert "GetPowerUsage: Not Supported" in running.found["reason"]


# -- counters


def advance(zone: Path, by_uj: int, range_uj: int) -> None:
    """In place: the sampler keeps the file open."""
    with (zone / "energy_uj").open("r+") as stream:
        value = (int(stream.read()) + by_uj) % range_uj
        stream.seek(0)
        stream.truncate()
        stream.write(f"{value}\n")


def counting(start: Callable[..., Power], root: Path, range_uj: int, *scopes: dict[str, str]) -> tuple[Power, Path]:
    """A package that takes 20 W until it was found, and then what the test says."""
    (zone,) = rapl(root)
    write(zone / "max_energy_range_uj", range_uj)
    program = f"i=0; while :; do i=$((i + 200000)); printf '%012d\\n' $i 1<>{zone}/energy_uj; sleep 0.01; done"
    writer = subprocess.Popen(["sh", "-c", program])
    try:
        running = start(*scopes)
    finally:
        writer.kill()
        writer.wait()
    write(zone / "energy_uj", "000000000000")
    return running, zone


def test_a_counter_that_wraps_twice(start: Callable[..., Power], tmp_path: Path) -> None:
    span_uj = 1_400_000_000
    running, zone = counting(start, tmp_path, span_uj)
    assert traces(running) == [("rapl", "cpu_package", "counter")]
    assert said_of(running, "rapl")["details"] == {"max_energy_range_uj": str(span_uj)}
    running.send("go")
    points = running.readings(0, 6, then=lambda: advance(zone, 600_000_000, span_uj))
    joules = [value for _, value in points]
    assert joules == pytest.approx([0, 600, 1200, 1800, 2400, 3000])
    naive = 3000 % 1400  # one difference at the end, a wrap added where it is negative
    assert joules[-1] - naive == pytest.approx(2 * 1400)


def test_a_gap_in_which_a_wrap_could_hide_ends_the_trace_and_no_other(
    start: Callable[..., Power], tmp_path: Path
) -> None:
    hwmon(tmp_path, 0, "ina226", 9_000_000)
    running, zone = counting(start, tmp_path, 900_000_000)  # 0.6 s at 1500 W
    running.send("go")
    running.readings(1, 1)
    os.kill(running.process.pid, signal.SIGSTOP)
    advance(zone, 900_000_000 + 5_000_000, 900_000_000)  # the naive reader sees 5 J
    time.sleep(0.7)
    os.kill(running.process.pid, signal.SIGCONT)
    assert "in which 1500 W would wrap its 900 J unseen" in running.miss(1)
    rest = [running.line() for _ in range(4)]
    assert all(said["p"][0] == 0 for said in rest)


def unprivileged() -> list[str]:
    """What to run a program under so that a file of mode 0 is closed to it, as to any user who does not own it."""
    if os.getuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("no setpriv (util-linux) to take root's privileges away with")
    return [setpriv, "--bounding-set=-all", "--inh-caps=-all"]


def test_a_counter_that_only_root_may_read_is_told_apart_from_none(start: Callable[..., Power], tmp_path: Path) -> None:
    assert start(under=unprivileged()).found["sensors"] == []
    (zone,) = rapl(tmp_path)
    (zone / "energy_uj").chmod(0)
    running = start(under=unprivileged())
    assert running.found["traces"] == []
    said = said_of(running, "rapl")
    assert (said["rail"], said["used"], said["scope"]) == ("package-0", False, "cpu_package")
    assert "only root may read it" in said["reason"]
    assert "sudo chmod a+r /sys/class/powercap" in said["reason"]
    assert "a line 'z /sys/devices/virtual/powercap" in said["reason"]
    assert said["reason"] in running.found["reason"]


def test_a_counter_that_begins_anew_is_no_wrap(start: Callable[..., Power], tmp_path: Path) -> None:
    span_uj = 262_143_328_850
    running, zone = counting(start, tmp_path, span_uj)
    write(zone / "energy_uj", "000050000000")
    running.send("go")
    running.readings(0, 1)
    advance(zone, -40_000_000, span_uj)  # the driver was loaded again: 262 kJ too much for the naive reader
    assert "which cannot be" in running.miss(0)


# -- sensors that go, processes that end


def test_a_sensor_that_vanishes_is_a_gap_and_no_zero(start: Callable[..., Power], tmp_path: Path) -> None:
    """A file of a process that ends fails as one of a chip that is taken away: the open file gives an errno."""
    hwmon(tmp_path, 0, "ina226", 9_000_000)
    folder = ina3221_hwmon(tmp_path, JETSON_LABELS["orin-nx"])
    with subprocess.Popen(["sleep", "60"]) as chip:
        adjusted = Path(f"/proc/{chip.pid}/oom_score_adj")
        adjusted.write_text("900")
        (folder / "curr1_input").unlink()
        (folder / "curr1_input").symlink_to(adjusted)
        running = start()
        running.send("go")
        assert running.readings(1, 2)[1][1] == pytest.approx(4.5)
        chip.kill()
    assert "No such process" in running.miss(1)
    rest = [running.line() for _ in range(6)]
    assert {said["p"][0] for said in rest if "p" in said} == {0}
    assert sum("miss" in said for said in rest) >= 1


def test_clocks_are_told_while_it_reads_and_before(start: Callable[..., Power], tmp_path: Path) -> None:
    hwmon(tmp_path, 0, "ina226", 9_000_000)
    running = start()
    for number in range(3):
        before = time.monotonic()
        running.send({"clock": number})
        said = running.line()
        while "clock" not in said:
            said = running.line()
        assert said["clock"][0] == number
        assert before <= said["clock"][1] <= time.monotonic()
        running.send("go")  # twice is once
    assert {said["p"][0] for said in [running.line() for _ in range(2)]} == {0}


def test_an_order_that_is_none_and_a_parent_that_is_gone(program: Path) -> None:
    command = [sys.executable, "-I", "-S", str(program), "power"]
    done = subprocess.run(command, input=b'{"sys_root": "/sys"}\n', capture_output=True)
    assert done.returncode == 2
    assert b"key 'sensor_scopes' is missing" in done.stderr
    order = json.dumps({"sys_root": "/none", "sensor_scopes": [], "parent": 1})
    done = subprocess.run(command, input=order.encode() + b"\n", capture_output=True)
    assert (done.returncode, done.stdout) == (1, b"")


def test_a_scope_of_the_inventory_arrives(start: Callable[..., Power], tmp_path: Path) -> None:
    hwmon(tmp_path, 0, "pmbus", 9_000_000, "pin")
    assert traces(start(scope("pmbus/pin", "wall_ac"))) == [("hwmon", "wall_ac", "sampled")]
