"""Sensors on file trees in the real format, and the integration of what they say."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from remote.power import Found, discover

JETSON_LABELS = {
    "orin-nx": ("VDD_IN", "VDD_CPU_GPU_CV", "VDD_SOC"),
    "agx-orin": ("VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0"),
}


def write(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{value}\n")


def ina3221_hwmon(root: Path, labels: tuple[str, ...], address: str = "1-0040", watts: float = 5.0) -> Path:
    """JetPack >= 5: millivolts and milliamps by hwmon; 5 V rails here."""
    chip = root / "bus/i2c/devices" / address
    folder = chip / "hwmon" / "hwmon1"
    write(chip / "name", "ina3221")
    for channel, label in enumerate(labels, start=1):
        write(folder / f"in{channel}_label", label)
        write(folder / f"in{channel}_input", 5000)
        write(folder / f"curr{channel}_input", int(watts * 200 / channel))
    write(folder / "in7_label", "sum of shunt voltages")
    write(folder / "in7_input", 12)
    return folder


def ina3221_iio(root: Path, labels: tuple[str, ...]) -> Path:
    """JetPack 4: milliwatts by IIO."""
    chip = root / "bus/i2c/devices/6-0040"
    folder = chip / "iio:device0"
    write(chip / "name", "ina3221x")
    for channel, label in enumerate(labels):
        write(folder / f"rail_name_{channel}", label)
        write(folder / f"in_voltage{channel}_input", 5000)
        write(folder / f"in_current{channel}_input", 500)
        write(folder / f"in_power{channel}_input", 2500 // (channel + 1))
    return folder


def rapl(root: Path, packages: int = 1, energy_uj: int = 1000) -> list[Path]:
    zones = []
    for package in range(packages):
        zone = root / "class/powercap" / f"intel-rapl:{package}"
        write(zone / "name", f"package-{package}")
        write(zone / "energy_uj", energy_uj)
        write(zone / "max_energy_range_uj", 262143328850)
        write(zone.parent / f"intel-rapl:{package}:0" / "name", "core")
        zones.append(zone)
    write(root / "class/powercap/intel-rapl:9/name", "psys")
    return zones


def used(found: Found) -> list[str]:
    return [sensor["rail"] for sensor in found.sensors if sensor["used"]]


def reason(found: Found, rail: str) -> str:
    return str(next(sensor["reason"] for sensor in found.sensors if sensor["rail"] == rail))


def test_a_board_without_sensors_says_so(tmp_path: Path) -> None:
    found = discover(str(tmp_path))
    assert found.meter is None
    assert found.sensors == []
    assert found.reason is not None
    assert "no power sensor" in found.reason


def test_vdd_in_is_the_module_and_the_others_are_inside(tmp_path: Path) -> None:
    ina3221_hwmon(tmp_path, JETSON_LABELS["orin-nx"])
    found = discover(str(tmp_path))
    assert found.meter is not None
    assert (found.meter.scope, found.meter.kind) == ("module_in", "sampled")
    assert found.meter.read() == pytest.approx(5.0)
    assert used(found) == ["VDD_IN"]
    assert reason(found, "VDD_SOC") == "is inside of VDD_IN"


def test_agx_orin_has_no_total_so_its_rails_are_summed_but_not_vddq(tmp_path: Path) -> None:
    ina3221_hwmon(tmp_path, JETSON_LABELS["agx-orin"])
    ina3221_hwmon(tmp_path, ("NC", "VDDQ_VDD2_1V8AO", "NC"), "1-0041")
    found = discover(str(tmp_path))
    assert found.meter is not None
    assert found.meter.scope == "soc_rails"
    assert found.meter.read() == pytest.approx(5.0 * (1 + 1 / 2 + 1 / 3), rel=0.01)
    assert sorted(used(found)) == sorted(JETSON_LABELS["agx-orin"])
    assert "counted already" in reason(found, "VDDQ_VDD2_1V8AO")


def test_agx_xavier_is_the_sum_of_two_chips_with_a_rail_at_rest(tmp_path: Path) -> None:
    ina3221_hwmon(tmp_path, ("GPU", "CPU", "SOC"))
    folder = ina3221_hwmon(tmp_path, ("CV", "VDDRQ", "SYS5V"), "1-0041")
    write(folder / "curr1_input", 0)
    found = discover(str(tmp_path))
    assert len(used(found)) == 6


def test_jetpack_4_nano_by_iio(tmp_path: Path) -> None:
    folder = ina3221_iio(tmp_path, ("POM_5V_IN", "POM_5V_GPU", "POM_5V_CPU"))
    found = discover(str(tmp_path))
    assert found.meter is not None
    assert found.meter.read() == pytest.approx(2.5)
    assert used(found) == ["POM_5V_IN"]
    (folder / "in_power0_input").unlink()
    found = discover(str(tmp_path))
    assert found.meter is not None
    assert found.meter.read() == pytest.approx(2.5)


def test_unknown_rails_are_listed_and_not_guessed(tmp_path: Path) -> None:
    ina3221_hwmon(tmp_path, ("left", "right"))
    found = discover(str(tmp_path))
    assert found.meter is None
    assert "no rule" in reason(found, "left")
    assert "left" in str(found.reason)


@pytest.mark.parametrize("milliamps", [0, 100_000, -200])
def test_an_implausible_power_is_no_power(tmp_path: Path, milliamps: int) -> None:
    folder = ina3221_hwmon(tmp_path, JETSON_LABELS["orin-nx"])
    write(folder / "curr1_input", milliamps)
    found = discover(str(tmp_path))
    assert found.meter is None
    assert "cannot be" in reason(found, "VDD_IN")


def test_a_rail_that_is_switched_off_does_not_answer(tmp_path: Path) -> None:
    folder = ina3221_hwmon(tmp_path, JETSON_LABELS["orin-nx"])
    (folder / "curr1_input").unlink()
    assert "does not answer" in reason(discover(str(tmp_path)), "VDD_IN")


def hwmon(root: Path, number: int, chip: str, microwatts: int, label: str | None = None) -> None:
    folder = root / "class/hwmon" / f"hwmon{number}"
    write(folder / "name", chip)
    write(folder / "power1_input", microwatts)
    if label:
        write(folder / "power1_label", label)


def test_a_supply_monitor_is_the_board_and_wins_over_the_module(tmp_path: Path) -> None:
    hwmon(tmp_path, 0, "ina226", 3_250_000)
    ina3221_hwmon(tmp_path, JETSON_LABELS["orin-nx"])
    found = discover(str(tmp_path))
    assert found.meter is not None
    assert found.meter.scope == "board_dc_in"
    assert found.meter.read() == pytest.approx(3.25)
    assert "more of the board" in reason(found, "VDD_IN")


def test_a_chip_of_unknown_scope_is_not_used(tmp_path: Path) -> None:
    hwmon(tmp_path, 0, "amdgpu", 30_000_000)
    found = discover(str(tmp_path))
    assert found.meter is None
    assert found.sensors[0]["scope"] is None
    assert "amdgpu" in reason(found, "amdgpu")


def test_of_several_supply_monitors_the_label_decides_or_nobody(tmp_path: Path) -> None:
    hwmon(tmp_path, 0, "ina226", 3_000_000, "usb")
    hwmon(tmp_path, 1, "ina226", 5_000_000, "nvme")
    assert discover(str(tmp_path)).meter is None
    hwmon(tmp_path, 2, "ina238", 9_000_000, "VIN")
    found = discover(str(tmp_path))
    assert found.meter is not None
    assert used(found) == ["VIN"]


class Ticking:
    """A counter that moves at each read of the clock, by writing the file between two reads."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, zones: list[Path], step_uj: int) -> None:
        self.zones = zones
        self.step_uj = step_uj
        monkeypatch.setattr("remote.power.time.sleep", lambda _: self.tick())

    def tick(self, modulo: int = 262143328850) -> None:
        for zone in self.zones:
            path = zone / "energy_uj"
            value = (int(path.read_text()) + self.step_uj) % modulo
            with path.open("r+") as stream:  # the same inode: the file stays open in the meter
                stream.truncate()
                stream.write(f"{value}\n")


def test_rapl_packages_are_summed_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zones = rapl(tmp_path, packages=2)
    ticking = Ticking(monkeypatch, zones, 1_000)
    found = discover(str(tmp_path))
    assert found.meter is not None
    assert (found.meter.scope, found.meter.kind) == ("cpu_package", "counter")
    assert used(found) == ["package-0", "package-1"]
    before = found.meter.read()
    ticking.step_uj = 5_000_000
    ticking.tick()
    assert found.meter.read() - before == pytest.approx(10.0)


def test_rapl_wraps_are_counted_however_often(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zones = rapl(tmp_path, energy_uj=262143328000)
    ticking = Ticking(monkeypatch, zones, 1_000)
    found = discover(str(tmp_path))
    assert found.meter is not None
    begin = found.meter.read()
    ticking.step_uj = 200_000_000_000
    for _ in range(4):
        ticking.tick()
        found.meter.read()
    assert found.meter.read() - begin == pytest.approx(800_000.0, rel=1e-6)


def test_a_rapl_that_stands_still_is_no_sensor(tmp_path: Path) -> None:
    rapl(tmp_path)
    assert "cannot be" in str(discover(str(tmp_path)).reason)


def test_rapl_only_for_root_is_told_apart_from_none() -> None:
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are closed to the other user
        root = Path(name)
        root.chmod(0o755)
        rapl(root)
        (root / "class/powercap/intel-rapl:0/energy_uj").chmod(0)
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            if os.getuid() == 0:
                os.setuid(65534)
            os.write(writer, str(discover(name).reason).encode())
            os._exit(0)
        os.waitpid(child, 0)
        said = os.read(reader, 4096).decode()
        os.close(reader)
        os.close(writer)
    assert "only root may read it" in said
    assert "chmod a+r" in said
