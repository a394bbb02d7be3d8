"""``calibrate``: stored sweeps with a meter are fitted and written into a lab's inventory; the rest is refused."""

from __future__ import annotations

import dataclasses
import errno
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator import app
from orchestrator.calibrate.asked import asked
from orchestrator.calibrate.inventory import BEGIN, END
from orchestrator.config import composed_settings, conf_directory
from orchestrator.energy import LIMITS, ClockOffset, MeterReadings
from orchestrator.errors import ConfigError
from orchestrator.measurement import Measurement
from tests.measurement.records import make_energy_pass, make_record, make_result, make_sweep

IDLE_W, LOAD_W, SLOPE, INTERCEPT_W = 2.8, 7.4, 1.1451, 0.5879
AHEAD_S = 1234.5
"""How far the board's clock is ahead of the meter's."""
PUBLISHED = """# Our boards. Do not reorder.
name: pi5
hosts: [pi5-01, pi5-02]  # two of them
cores: 4
"""


@pytest.fixture(autouse=True)
def no_lab(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORCHESTRATOR_LAB", "")


def stored(root: Path, board: str = "pi5-01", threads: tuple[int, ...] = (1, 2, 4), **meter: Any) -> Path:
    """A sweep of a board with a power chip that leaves some of it out, and a bench meter that reads all of it."""
    directory = root / "multirun" / "day" / f"cal-{board}"
    make_sweep(directory, id=f"cal-{board}")
    for number, some in enumerate(threads):
        true_w = IDLE_W + some / 4 * (LOAD_W - IDLE_W)
        rails = [(w - INTERCEPT_W) / SLOPE for w in (true_w, IDLE_W)]
        run = make_energy_pass(rails[0], rails[1], source="pmic", reader="pmic", scope="soc_rails", windows=2)
        for window in run["windows"]:
            window["cpu_ns"] = int(some * (window["end_s"] - window["begin_s"]) * 1e9)
        points = [(t - AHEAD_S, SLOPE * w + INTERCEPT_W) for t, w in run["traces"][0]["points"]]
        result = make_result(directory, number, write=False, sweep_id=f"cal-{board}", device="pi5", threads=str(some))
        assert isinstance(result.measurement, Measurement) and result.directory is not None
        dataclasses.replace(result, board=board).write(result.directory)
        record = make_record(energy=run)
        sample = record["state"]["samples"][0] | {"cpu_busy": some / 4, "own_busy": some / 4}
        record["state"]["samples"] = [sample | {"t_s": 2000.0 + second} for second in range(30)]
        (result.directory / "record.json").write_text(json.dumps(record))
        device = {"name": "pi5", "hosts": ["pi5-01", "pi5-02"], "power": {"idle": {"low_w": 1.8, "high_w": 2.8}}}
        (result.directory / "config.yaml").write_text(yaml.safe_dump({"device": device}))
        usual: dict[str, Any] = {"kind": "scpi", "source": "scpi:bench", "scope": "board_dc_in", "rate_hz": 10.0}
        usual |= {"limits": dataclasses.replace(LIMITS["scpi"], lag_s=0.0), "clock": ClockOffset(AHEAD_S, 1e-3, 0.0, 9)}
        readings = MeterReadings(points=tuple(points), **(usual | meter))
        (result.directory / "meter.json").write_text(json.dumps(readings.to_json()))
    return directory


def calibrated(capsys: pytest.CaptureFixture[str], directory: Path, lab: Path | None = None) -> tuple[int, str]:
    status = app.run(["calibrate", str(directory), *(["--config-dir", str(lab)] if lab else [])])
    out, err = capsys.readouterr()
    return status, out + err


def test_two_boards_of_a_lab_one_after_the_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lab = tmp_path / "lab"
    file = lab / "device" / "pi5.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(PUBLISHED)
    file.chmod(0o640)
    sweeps = [stored(tmp_path, board) for board in ("pi5-01", "pi5-02")]
    for directory in (*sweeps, sweeps[0]):
        status, text = calibrated(capsys, directory, lab)
        assert status == 0 and f"written: {file}" in text, text
    assert re.search(r"threads 2\s+50%\s+5\.\d+\s+5\.\d+-5\.\d+\s", text), (
        text
    )  # a level, as it was measured and fitted
    assert "idle 2.7" in text and "(before: 1.8-2.8 W)" in text
    lines = file.read_text().splitlines()
    assert file.read_text().startswith(PUBLISHED) and (lines.count(BEGIN), lines.count(END)) == (1, 1)
    assert lines[-1] == END and [path.name for path in file.parent.iterdir()] == ["pi5.yaml"]
    assert file.stat().st_mode & 0o777 == 0o640
    device = composed_settings(["device=pi5"]).device
    assert [one.host for one in device.calibrations] == ["pi5-02", "pi5-01"] and len(device.powers) == 2
    for board in device.boards:
        line = board.calibrations["pmic"]
        assert line.slope == pytest.approx(SLOPE, rel=0.01) and line.intercept_w == pytest.approx(INTERCEPT_W, abs=0.03)
        assert 0.005 < line.error < 0.03 and "scpi:bench (board_dc_in, within 0.005" in line.source
        assert f"sweep cal-{board.name}" in line.source and board.power.load is not None
        assert board.power.load.low_w < LOAD_W < board.power.load.high_w < 8


def test_a_lab_without_the_file_gets_a_copy_of_the_shipped_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = stored(tmp_path)
    for path in directory.glob("*/config.yaml"):
        path.write_text(yaml.safe_dump({"device": {"name": "pi5", "hosts": ["me@pi5-01:22", "pi5"]}}))
    for path in directory.glob("*/result.json"):
        path.write_text(path.read_text().replace('"board": "pi5-01"', '"board": "pi5"'))
    status, text = calibrated(capsys, directory)
    assert status == 0 and "powers:\n  pi5:\n    idle:" in text and "calibrate cal-pi5-01 --config-dir LAB" in text
    (tmp_path / "lab").mkdir()
    assert calibrated(capsys, directory, tmp_path / "lab")[0] == 0
    text = (tmp_path / "lab" / "device" / "pi5.yaml").read_text()
    shipped = (conf_directory() / "device" / "pi5.yaml").read_text()
    assert text.startswith(shipped.partition("calibrations:")[0])
    assert "slope: 1.1451" in text  # the line that is published for all others stays
    board = composed_settings(["device=pi5"]).device.boards[0]
    assert board.calibrations["pmic"].host == "pi5" and board.power.idle != board.device.power.idle


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (PUBLISHED + "powers: {}\n", "has powers in words of its own"),
        (PUBLISHED + f"{END}\n", "marks of a calibration that do not belong together"),
        (PUBLISHED.replace("pi5-01, ", ""), "hosts as device.hosts spells them"),
        (PUBLISHED + "cores: [\n", "no valid YAML"),
    ],
)
def test_a_file_that_cannot_take_it_stays_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, says: str
) -> None:
    file = tmp_path / "lab" / "device" / "pi5.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(text)
    status, told = calibrated(capsys, stored(tmp_path), tmp_path / "lab")
    assert status == 1 and says in told, told
    assert file.read_text() == text and [path.name for path in file.parent.iterdir()] == ["pi5.yaml"]


def test_a_lab_that_cannot_be_written_is_told_first_and_loses_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "lab" / "device" / "pi5.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(PUBLISHED)
    monkeypatch.setattr("sys.argv", ["orchestrator"])
    words = ["device=pi5", "device.hosts=[pi5-01]", "device.meter.kind=shelly", "device.meter.address=x"]
    plan = ["calibrate", *words, "dry_run=true", f"root={tmp_path}", "--config-dir", str(file.parent.parent)]
    assert app.run(plan) == 0 and "will be printed" not in capsys.readouterr().out

    def read_only(*_: Any) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    directory = stored(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", read_only)
        status, text = calibrated(capsys, directory, tmp_path / "lab")
    assert status == 1 and f"{file} cannot be written: Read-only file system" in text, text
    assert "powers:\n  pi5-01:\n    idle:" in text and [path.name for path in file.parent.iterdir()] == ["pi5.yaml"]
    with monkeypatch.context() as patch:
        patch.setattr("os.access", lambda *_: False)
        assert app.run(plan) == 0 and "will be printed and not written" in capsys.readouterr().out
    file.write_text(PUBLISHED + "powers: {}\n")
    assert app.run(plan) == 0 and "has powers in words of its own" in " ".join(capsys.readouterr().out.split())


def test_what_is_no_calibration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, says, changed in (
        ("one", "2 levels of load", {"threads": (1,)}),
        ("set", "its clock was set", {"invalid": "its clock was set"}),
        ("late", "trail by up to 3 s", {"limits": LIMITS["tasmota"]}),
    ):
        status, text = calibrated(capsys, stored(tmp_path / name, **changed))
        assert status == 1 and says in text, text
    directory = stored(tmp_path / "part")
    (directory / "2" / "meter.json").unlink()
    record = json.loads((directory / "1" / "record.json").read_text())
    record["energy"]["pass"]["traces"] = []
    (directory / "1" / "record.json").write_text(json.dumps(record))
    status, text = calibrated(capsys, directory)  # the profile is there, the line is not
    assert status == 2 and "threads 4: no meter was read" in text and "no line for pmic: 2 levels" in text, text
    assert "powers:" in text and "calibrations:" not in text


def test_cells_whose_power_is_not_the_models_are_left_out_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = stored(tmp_path)
    file = directory / "2" / "record.json"
    record = json.loads(file.read_text())
    for sample in record["state"]["samples"][-20:]:  # from within the first window on
        sample["cpu_busy"] = 1.0
        sample["own_busy"] = 0.75
    file.write_text(json.dumps(record))
    status, text = calibrated(capsys, directory)
    assert status == 2 and "none threads 4: other programs used 1.00 of 4 cores" in text, text
    assert "(beyond any reading, from u = 0.50)" in text and re.search(
        r"load\s+is beyond any reading, from u = 0.50", text
    )
    file = directory / "1" / "meter.json"
    meter = json.loads(file.read_text())
    meter["points"] = [[t, w + 0.3 * (t + AHEAD_S > 2012.1)] for t, w in meter["points"]]
    file.write_text(json.dumps(meter))
    status, text = calibrated(capsys, directory)
    assert status == 1 and "none threads 2: idle power changed by 1" in text, text
    file = directory / "0" / "result.json"
    result = json.loads(file.read_text())
    result["measurement"]["verdict"] |= {"level": "invalid", "reasons": ["throttled in 3 samples"]}
    file.write_text(json.dumps(result))
    status, text = calibrated(capsys, directory)
    assert status == 1 and "threads 1: it is invalid: throttled in 3 samples" in text, text


def test_what_is_measured_fits_the_board_and_its_meter() -> None:
    words = ["device=pi5", "device.meter.kind=tasmota", "device.meter.address=plug"]
    assert asked(words) == ["-m", "+experiment=calibrate", "threads=1,2,4", *words]
    slow = asked(
        ["device=jetson", *words[1:], "device.meter.lag_s=15"]
    )  # twice as much, and a quarter for slow answers
    assert {"threads=1,3,6", "scenario.energy_s=42", "scenario.idle_s=42"} <= set(slow)
    assert "scenario.energy_s=99" in asked([*words, "device.meter.rate_hz=0.1"])  # six readings beyond it
    assert not any("idle_s=42" in word for word in asked([*words, "device.meter.lag_s=15", "scenario.idle_s=9"]))
    for wrong, says in (
        (["device=pi5"], "only a meter beside the board"),
        (words[1:], "which board"),
        (["device=pi5", "device.hosts=[a,b]"], "is a pool"),
        ([words[0], "device.meter.kind=oracle"], "allowed is none, shelly"),
    ):
        with pytest.raises(ConfigError, match=says):
            asked(wrong)


def test_a_plan_of_it_touches_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["orchestrator"])
    words = ["device=pi5", "device.meter.kind=shelly", "device.meter.address=x", "dry_run=true", f"root={tmp_path}"]
    assert app.run(["calibrate", *words]) == 0
    assert "3 cells to run on 1 board" in capsys.readouterr().out and not any(tmp_path.iterdir())
