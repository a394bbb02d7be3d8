"""Which sensors there are and which of them are a total, on file trees in the real format."""

from __future__ import annotations

from pathlib import Path

import pytest

from remote.power import LEAST_OF_INTERVAL, Found, discover

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
    assert found.meters == []
    assert found.sensors == []
    assert found.reason is not None
    assert "no power sensor" in found.reason


def test_a_kind_of_sensor_that_cannot_be_looked_for_costs_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin" / "vcgencmd"
    write(program, "#!/bin/sh\necho '3V3_SYS_A current(1)=1.2.3A'\necho '3V3_SYS_V volt(9)=3.3V'")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/bin:/usr/bin")
    ina3221_hwmon(tmp_path, JETSON_LABELS["orin-nx"])
    found = discover(str(tmp_path))
    assert used(found) == ["VDD_IN"]
    assert reason(found, "pmic") == "cannot be looked for: ValueError: could not convert string to float: '1.2.3'"


def test_vdd_in_is_the_module_and_the_others_are_inside(tmp_path: Path) -> None:
    ina3221_hwmon(tmp_path, JETSON_LABELS["orin-nx"])
    found = discover(str(tmp_path))
    assert (found.meters[0].scope, found.meters[0].kind) == ("module_in", "sampled")
    assert found.meters[0].read() == pytest.approx(5.0)  # and not 5 + 2.5 + 1.67: they overlap
    assert used(found) == ["VDD_IN"]
    assert reason(found, "VDD_SOC") == "is inside of VDD_IN"


def test_agx_orin_has_no_total_so_its_rails_are_summed_but_not_vddq(tmp_path: Path) -> None:
    ina3221_hwmon(tmp_path, JETSON_LABELS["agx-orin"])
    ina3221_hwmon(tmp_path, ("NC", "VDDQ_VDD2_1V8AO", "NC"), "1-0041")
    found = discover(str(tmp_path))
    assert found.meters[0].scope == "soc_rails"
    assert found.meters[0].read() == pytest.approx(5.0 * (1 + 1 / 2 + 1 / 3), rel=0.01)
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
    assert found.meters[0].read() == pytest.approx(2.5)
    assert used(found) == ["POM_5V_IN"]
    (folder / "in_power0_input").unlink()
    found = discover(str(tmp_path))
    assert found.meters[0].read() == pytest.approx(2.5)


def test_unknown_rails_are_listed_and_not_guessed(tmp_path: Path) -> None:
    ina3221_hwmon(tmp_path, ("left", "right"))
    found = discover(str(tmp_path))
    assert found.meters == []
    assert "no rule" in reason(found, "left")
    assert "left" in str(found.reason)


@pytest.mark.parametrize("milliamps", [0, 100_000, -200])
def test_an_implausible_power_is_no_power(tmp_path: Path, milliamps: int) -> None:
    folder = ina3221_hwmon(tmp_path, JETSON_LABELS["orin-nx"])
    write(folder / "curr1_input", milliamps)
    found = discover(str(tmp_path))
    assert found.meters == []
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


def test_all_that_can_be_used_is_read_the_widest_first(tmp_path: Path) -> None:
    hwmon(tmp_path, 0, "ina226", 3_250_000)
    ina3221_hwmon(tmp_path, JETSON_LABELS["orin-nx"])
    found = discover(str(tmp_path))
    assert [meter.scope for meter in found.meters] == ["board_dc_in", "module_in"]
    assert [meter.read() for meter in found.meters] == pytest.approx([3.25, 5.0])
    assert used(found) == ["VDD_IN", "ina226"]


def test_a_chip_of_unknown_scope_is_not_used(tmp_path: Path) -> None:
    hwmon(tmp_path, 0, "amdgpu", 30_000_000)
    found = discover(str(tmp_path))
    assert found.meters == []
    assert found.sensors[0]["scope"] is None
    assert "amdgpu" in reason(found, "amdgpu")


def test_of_several_supply_monitors_the_label_decides_or_nobody(tmp_path: Path) -> None:
    hwmon(tmp_path, 0, "ina226", 3_000_000, "usb")
    hwmon(tmp_path, 1, "ina226", 5_000_000, "nvme")
    assert discover(str(tmp_path)).meters == []
    hwmon(tmp_path, 2, "ina238", 9_000_000, "VIN")
    found = discover(str(tmp_path))
    assert used(found) == ["VIN"]


def test_the_module_of_a_tx2_without_its_carrier(tmp_path: Path) -> None:
    ina3221_hwmon(tmp_path, ("VDD_SYS_GPU", "VDD_SYS_SOC", "VDD_4V0_WIFI"), watts=1.0)
    ina3221_hwmon(tmp_path, ("VDD_IN", "VDD_SYS_CPU", "VDD_SYS_DDR"), "1-0041")
    ina3221_hwmon(tmp_path, ("VDD_MUX", "VDD_5V0_IO_SYS", "VDD_3V3_SYS"), "1-0042", watts=9.0)
    found = discover(str(tmp_path))
    assert [(meter.scope, meter.read()) for meter in found.meters] == [("module_in", pytest.approx(5.0))]
    assert reason(found, "VDD_SYS_GPU") == "is inside of VDD_IN"
    assert "no rule says what this rail includes" in reason(found, "VDD_MUX")


def test_the_input_of_agx_thor_beside_the_rails_of_its_module(tmp_path: Path) -> None:
    folder = tmp_path / "class/hwmon/hwmon4"
    for name, value in {"name": "ina238", "in1_label": "VIN", "power1_input": 42_000_000}.items():
        write(folder / name, value)
    ina3221_hwmon(tmp_path, ("VDD_GPU", "VDD_CPU_SOC_MSS", "VIN_SYS_5V0"))
    found = discover(str(tmp_path))
    assert [(meter.scope, meter.read()) for meter in found.meters] == [("board_dc_in", 42.0)]
    assert "no rule" in reason(found, "VDD_GPU")


def test_what_a_chip_is_set_to_is_told_and_it_is_not_read_faster_than_it_measures(tmp_path: Path) -> None:
    hwmon(tmp_path, 0, "ina226", 3_000_000)
    for name, value in {"shunt_resistor": 2000, "update_interval": 400}.items():
        write(tmp_path / "class/hwmon/hwmon0" / name, value)
    found = discover(str(tmp_path))
    assert found.sensors[0]["details"] == {"shunt_resistor": "2000", "update_interval": "400"}
    assert found.meters[0].interval_s * LEAST_OF_INTERVAL == pytest.approx(0.4)
    assert found.meters[0].described()["rate_hz"] == pytest.approx(1.25)


# -- what the inventory says about chips whose name does not tell


def scope(match: str, scope: str) -> dict[str, str]:
    return {"match": match, "scope": scope}


def test_the_inventory_decides_where_the_name_does_not_tell(tmp_path: Path) -> None:
    hwmon(tmp_path, 0, "ina226", 3_000_000, "usb")
    hwmon(tmp_path, 1, "ina226", 5_000_000, "nvme")
    hwmon(tmp_path, 2, "pmbus", 9_000_000, "pout1")
    scopes = [scope("pmbus/*", "board_dc_in"), scope("ina226/*", "soc_rails")]
    found = discover(str(tmp_path), scopes)
    assert [(meter.scope, meter.read()) for meter in found.meters] == [("board_dc_in", 9.0), ("soc_rails", 8.0)]
    ina3221_hwmon(tmp_path, ("left", "right"))
    found = discover(str(tmp_path), [scope("ina3221/left", "module_in")])
    assert [(meter.scope, meter.read()) for meter in found.meters] == [("module_in", 5.0)]
    assert "device.sensor_scopes" in reason(found, "right")


def test_the_inventory_wins_over_a_name(tmp_path: Path) -> None:
    hwmon(tmp_path, 0, "ina226", 3_000_000, "usb")
    assert discover(str(tmp_path)).meters[0].scope == "board_dc_in"
    assert [meter.scope for meter in discover(str(tmp_path), [scope("ina226/usb", "soc_rails")]).meters] == [
        "soc_rails"
    ]


def test_a_line_of_the_inventory_that_meets_nothing_is_told(tmp_path: Path) -> None:
    hwmon(tmp_path, 0, "amdgpu", 30_000_000)
    found = discover(str(tmp_path), [scope("amdgpu/PPTT", "gpu_board")])
    assert "no sensor matches 'amdgpu/PPTT' of device.sensor_scopes" in str(found.reason)


def test_power_that_has_an_energy_counter_too_is_counted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hwmon(tmp_path, 0, "ltc4282", 6_000_000, "vin")
    energy = tmp_path / "class/hwmon/hwmon0/energy1_input"
    write(energy, 1_000_000)
    write(energy.with_name("energy1_label"), "vin")
    monkeypatch.setattr("remote.power.time.sleep", lambda _: energy.write_text("1000500"))
    found = discover(str(tmp_path), [scope("ltc4282/vin", "board_dc_in")])
    (meter,) = found.meters
    assert (meter.kind, meter.source) == ("counter", f"hwmon:ltc4282 {energy}")
    assert [sensor["reason"] for sensor in found.sensors] == [None, "its energy counter is read instead"]


def test_an_average_is_read_where_there_is_no_input(tmp_path: Path) -> None:
    folder = tmp_path / "class/hwmon/hwmon0"
    for name, value in {"name": "amdgpu", "power1_average": 12_000_000, "power1_average_interval": 1000}.items():
        write(folder / name, value)
    (meter,) = discover(str(tmp_path), [scope("amdgpu/*", "gpu_board")]).meters
    assert (meter.read(), meter.interval_s) == (12.0, 2.0)
    write(folder / "power1_input", 13_000_000)
    (meter,) = discover(str(tmp_path), [scope("amdgpu/*", "gpu_board")]).meters
    assert meter.read() == 13.0


# -- batteries


def battery(root: Path, name: str = "BAT0", **attributes: object) -> Path:
    folder = root / "class/power_supply" / name
    for key, value in {"type": "Battery", "status": "Discharging", **attributes}.items():
        write(folder / key, value)
    return folder


def test_batteries_of_the_board_while_they_discharge(tmp_path: Path) -> None:
    folder = battery(tmp_path, power_now=6_500_000)
    battery(tmp_path, "BAT1", status="Full", power_now=0)
    battery(tmp_path, "hidpp_battery_0", scope="Device", power_now=90_000_000)  # a mouse
    battery(tmp_path, "AC", type="Mains")
    (meter,) = discover(str(tmp_path)).meters
    assert (meter.scope, meter.reader, meter.read(), meter.rails[0].name) == (
        "board_dc_in",
        "battery",
        6.5,
        "BAT0 + BAT1",
    )
    write(folder.with_name("BAT1") / "status", "Charging")  # from the other one, or from the mains
    with pytest.raises(ValueError, match="BAT0 is Discharging, BAT1 is Charging"):
        meter.read()
    write(folder.with_name("BAT1") / "status", "Full")
    write(folder / "status", "Charging")
    with pytest.raises(
        ValueError, match="BAT0 is Charging, BAT1 is Full: a battery tells the board's power only while"
    ):
        meter.read()
    assert "BAT0 is Charging" in str(discover(str(tmp_path)).reason)


def test_a_battery_that_tells_current_and_voltage(tmp_path: Path) -> None:
    battery(tmp_path, current_now=-900_000, voltage_now=7_400_000)
    assert discover(str(tmp_path)).meters[0].read() == pytest.approx(6.66)


# -- energy counters


def test_a_rapl_that_stands_still_is_no_sensor(tmp_path: Path) -> None:
    rapl(tmp_path)
    assert "cannot be" in str(discover(str(tmp_path)).reason)
