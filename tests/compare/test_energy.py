"""Energy against the baseline: only what was measured alike is compared, and estimates never meet a measurement."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from rich.console import Console

from orchestrator.compare import compare, compare_sweeps, value_called
from orchestrator.compare.comparison import Comparison
from orchestrator.energy.drawing import power_drawing
from orchestrator.energy.meter import ClockOffset, MeterReadings
from orchestrator.measurement import Measurement, measure
from orchestrator.report import View, grid
from orchestrator.report.columns import Sheet, sheet
from orchestrator.report.energies import energy, energy_change, ops
from orchestrator.report.figure import CHARTS, apart, ends
from orchestrator.report.markdown import markdown
from orchestrator.report.page import page
from orchestrator.report.terminal import table
from orchestrator.report.troubles import doubts
from orchestrator.result import Result
from tests.measurement.records import (
    MANIFEST,
    PI4_POWER,
    make_energy_pass,
    make_measurement,
    make_record,
    make_result,
    make_sweep,
)


def cell(
    at: Path, number: int, optimization: str, *, mj: float = 250.0, u: float = 12.0, r: float = 3.0, **changed: Any
) -> Result:
    """Metered; ``changed``: tags, by their last word, or axes."""
    m = make_measurement(energy=make_energy_pass())
    metrics = m.metrics | {
        "energy/per_inference_mj": mj,
        "energy/uncertainty_mj": u,
        "energy/repeatability_mj": r,
        "energy_ops/index": mj / 100,
    }
    axes = {key: changed.pop(key) for key in ("device",) if key in changed}
    tags = m.tags | {f"energy.{key}".replace("_", "."): value for key, value in changed.items()}
    made = make_result(at, number, write=False, optimization=optimization, **axes)
    return replace(made, measurement=replace(m, metrics=metrics, tags=tags))


def rows_of(at: Path, *results: Result, baseline: str = "none") -> Sheet:
    return sheet(compare(make_sweep(at), results, baseline))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"mj": 190.8}, "1.31× less"),
        ({"mj": 280.0}, "1.12× more"),
        ({"mj": 254.0}, "~ within 3.3%"),  # 1.6 % apart, and 1.7 % that both may err
        ({"mj": 253.0, "r": 0.1}, "~ within 1.3%"),  # beyond what both may err, but no 2 %
        ({"mj": 190.8, "r": 60.0}, "~ within 95%"),
        ({"mj": 1e-9}, "–"),  # the repeatability is three billion times as much
        ({"mj": 100.0, "scope": "wall_ac"}, "other scope"),
        ({"mj": 100.0, "kind": "calibrated"}, "other kind"),
        ({"mj": 100.0, "source": "hwmon:/sys/class/hwmon/hwmon3"}, "other reader"),
    ],
)
def test_less_more_or_no_difference(tmp_path: Path, changed: dict[str, Any], said: str) -> None:
    cells = cell(tmp_path, 0, "none", r=changed.get("r", 3.0)), cell(tmp_path, 1, "int8", **changed)
    base, other = rows_of(tmp_path, *cells).rows
    assert energy_change(base) == "baseline" and energy_change(other) == said


def test_why_there_is_no_net_energy(tmp_path: Path) -> None:
    base = cell(tmp_path, 0, "none")
    noise = replace(base, measurement=measured_noise())
    shown = rows_of(tmp_path, noise, cell(tmp_path, 1, "int8"))
    found = grid.tables(shown, View(axes=("model", "optimization")))
    said = grid.legend(found, value_called("net"))
    assert re.fullmatch(r"–: 0\.\d+ W above idle is within 3 u \([\d.]+ W\)", said)
    assert grid.legend(found, value_called("battery")) == "– no number"  # no battery was given


def measured_noise() -> Measurement:
    """Hardly more power under load than without."""
    return make_measurement(energy=make_energy_pass(power_w=2.905))


@pytest.mark.parametrize("width", [80, 120])
def test_energy_is_left_out_after_what_it_ran_on(tmp_path: Path, width: int) -> None:
    cells = [cell(tmp_path, 0, "none"), cell(tmp_path, 1, "int8", mj=100.0)]
    where = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    comparison = compare(make_sweep(tmp_path), cells)
    comparison.frame["delegate"] = ["XNNPACK 66/66", f"XNNPACK 40/66 {40 * 'x'}"]
    comparison.frame["processor"] = ["CPU", "GPU"]
    table(where, comparison)
    assert isinstance(where.file, io.StringIO)
    text = where.file.getvalue()
    assert "100 ±12" in text and "2.50×" in text and "xxxx" not in text
    left = text.partition("Without room here")[2].partition("Latency:")[0]
    assert "Delegate" in left and "RSS MB" in left and "Energy" not in left


@pytest.mark.parametrize("width", [80, 100, 160, 300])
def test_what_an_energy_is_of_is_never_left_out_where_it_differs(tmp_path: Path, width: int) -> None:
    """Nor is a battery that was asked for, before what nobody asked for."""
    made = cell(tmp_path, 0, "none"), cell(tmp_path, 1, "int8", scope="wall_ac"), cell(tmp_path, 2, "float16")
    comparison = compare(replace(make_sweep(tmp_path), battery="37"), made)
    where = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    table(where, comparison)
    assert isinstance(where.file, io.StringIO)
    cells, _, rest = where.file.getvalue().partition("Latency: median")
    assert "h on 37" in cells and "Scope" not in cells.partition("Without room here")[2]
    by_name = "wall_ac" in cells
    assert by_name == (width >= 160) == ("wall is wall_ac" not in rest)
    assert by_name or re.search(r"\bmodule\b.*\bwall\b", cells, re.DOTALL)
    shown = sheet(comparison)
    assert shown.common["Energy kind"] == "sampled" and "Scope" not in shown.common
    (pivot,) = grid.tables(shown, View(axes=("model", "optimization")))
    texts = [grid.text(pivot.cells["mobilenetv2", x], value_called("energy"), {}) for x in pivot.column_values]
    assert texts == ["250 module", "250 wall", "250 module"]
    assert grid.legend([pivot], value_called("energy")) == "module is module_in; wall is wall_ac"


def test_what_all_energies_are_of_is_said_once_also_where_some_have_none(tmp_path: Path) -> None:
    shown = rows_of(tmp_path, cell(tmp_path, 0, "none"), make_result(tmp_path, 1, write=False, optimization="int8"))
    assert shown.common["Scope"] == "module_in" and not shown.labels
    assert grid.text(shown.rows[0], value_called("energy"), {}) == "250"


def test_the_gain_cancels_on_one_board_with_one_sensor_only(tmp_path: Path) -> None:
    """4 % apart: far beyond the repeatability, and within what two sensors may err."""
    cells = [cell(tmp_path, 0, "none"), cell(tmp_path, 1, "int8", mj=240.0)]
    assert energy_change(rows_of(tmp_path, *cells).rows[1]) == "1.04× less"
    another = replace(cells[1], board="pi4-02")
    assert energy_change(rows_of(tmp_path, cells[0], another).rows[1]).startswith("~ within 1")
    swapped = cell(tmp_path, 1, "int8", mj=240.0, source="ina3221:/sys/class/hwmon/hwmon5")
    assert energy_change(rows_of(tmp_path, cells[0], swapped).rows[1]).startswith("~ within 1")
    devices = [cell(tmp_path, 0, "none"), replace(cell(tmp_path, 1, "none", mj=240.0, device="pi5"), board="pi5-01")]
    assert energy_change(rows_of(tmp_path, *devices, baseline="device:pi4").rows[1]).startswith("~ within 1")


def test_an_estimate_is_compared_with_no_measurement(tmp_path: Path) -> None:
    estimated = make_result(tmp_path, 1, write=False, optimization="int8")
    shown = rows_of(tmp_path, cell(tmp_path, 0, "none"), estimated)
    row = shown.rows[1]
    assert energy(row) == "" == energy_change(row) and row["energy_change_note"] == "energy was not measured of it"
    assert pd.isna(row["energy_change_ratio"])


def test_the_index_by_operations_is_shown_as_a_ratio_alone(tmp_path: Path) -> None:
    comparison = compare(make_sweep(tmp_path), [cell(tmp_path, 0, "none"), cell(tmp_path, 1, "int8", mj=77.5)])
    shown = sheet(comparison)
    assert [ops(row) for row in shown.rows] == ["baseline", "×0.310"]
    text = page(comparison, shown, View())
    assert "Ops index is no energy" in text and not re.search(r"energy_ops|<td[^>]*>(0\.775|2\.50?)<", text)
    alone = sheet(compare(make_sweep(tmp_path), [cell(tmp_path, 0, "none")]))
    assert not {"ops_ratio", "energy_change"} & {column.key for column in alone.columns}


def test_a_suspect_energy_is_marked_and_its_reasons_are_listed(tmp_path: Path) -> None:
    doubt = {"verdict": "suspect", "verdict_reasons": "idle <drifted>"}
    cells = [cell(tmp_path, 0, "none"), cell(tmp_path, 1, "int8", mj=100.0, **doubt)]
    comparison = compare(make_sweep(tmp_path), cells)
    shown = sheet(comparison)
    assert [energy(row) for row in shown.rows] == ["250 ±12", "100 ±12 ?"]
    assert doubts(shown) == [("valid", "pi4/mobilenetv2/int8", "energy is suspect: idle <drifted>")]
    text = page(comparison, shown, View())
    assert "<li>energy is suspect: idle &lt;drifted&gt;</li>" in text and "<drifted>" not in text
    value = value_called("energy")
    assert [grid.text(row, value, {}) for row in shown.rows] == ["250", "100 ?"]
    assert [grid.text(row, value_called("latency"), {})[-1] for row in shown.rows] != ["?", "?"]
    change = value_called("energy_change")
    assert [grid.text(row, change, {}) for row in shown.rows] == ["baseline", "2.50× less ?"]


def test_bars_of_different_scopes_say_so(tmp_path: Path) -> None:
    one, other = cell(tmp_path, 0, "none"), cell(tmp_path, 1, "int8", scope="wall_ac")
    measured_of = next(chart for chart in CHARTS if chart.key == "energy_mj")
    rows = rows_of(tmp_path, one, other).rows
    assert [apart(measured_of, rows, row) for row in rows] == ["module_in", "wall_ac"]
    assert apart(measured_of, rows[:1], rows[0]) == "" == apart(CHARTS[0], rows, rows[0])
    assert ends(measured_of, rows[0]) == (238.0, 262.0), "the expanded uncertainty, once"


def test_the_heat_map_of_energy_is_coloured_by_its_change(tmp_path: Path) -> None:
    """The latencies are the same: by them nothing would have a colour."""
    cells = [cell(tmp_path, 0, "none"), cell(tmp_path, 1, "int8", mj=100.0), cell(tmp_path, 2, "float16", mj=500.0)]
    comparison = compare(make_sweep(tmp_path), cells)
    text = page(comparison, sheet(comparison), View(value=value_called("energy"))).partition("All cells")[0]
    assert re.findall(r'<td class="heat (\w+)"[^>]*>(\w+)<small>([^<]*)', text) == [
        ("same", "250", "baseline"),
        ("faster", "100", "2.50× less"),
        ("slower", "500", "2.00× more"),
    ]
    assert "4× less" in text and "4× more" in text and "4× faster" not in text


def test_hours_on_a_battery_only_where_asked(tmp_path: Path) -> None:
    at = tmp_path / "s"
    sweep = make_sweep(at)
    for result in (
        cell(at, 0, "none"),
        cell(at, 1, "int8", scope="cpu_package"),
        make_result(at, 2, write=False, optimization="float16"),
    ):
        result.write(at / str(result.number))

    def texts(comparison: Comparison) -> dict[str, list[str]]:
        shown = sheet(comparison)
        return {column.head: [column.text(row) for row in shown.rows] for column in shown.columns}

    assert not any("h on" in head for head in texts(compare(sweep, [cell(at, 0, "none")])))
    asked = texts(compare_sweeps(tmp_path, [str(at)], battery="37"))
    assert asked["h on 37 Wh"] == ["5.96 ±0.14 module alone", "–", "–"]
    assert asked["Est. h"][:2] == ["", ""] and re.fullmatch(r"[\d.]+–[\d.]+", asked["Est. h"][2])
    fast = compare_sweeps(tmp_path, [str(at)], battery="37@100")
    assert texts(fast)["h on 37 Wh at 100/s"] == ["too fast", "–", "–"]
    assert "too fast: 24" in markdown(sheet(fast), "x", View())
    replace(sweep, battery="37@1").write()
    assert "h on 37 Wh at 1/s" in texts(compare_sweeps(tmp_path, [str(at)]))


HOSTILE = "plug</text><script>alert(1)</script>\x1b"


def metered(power_w: float = 9.0) -> tuple[dict[str, Any], MeterReadings]:
    """The record's energy, and a meter whose clock is 5 s behind the board's."""
    run = make_energy_pass()
    other = make_energy_pass(power_w=power_w, idle_w=4.0)["traces"][0]["points"]
    clock = ClockOffset(5.0, 0.001, 0.0, 9)
    points = tuple((t - 5.0, w) for t, w in other)
    meter = MeterReadings("shelly", HOSTILE, "wall_ac", 10.0, limits_of(), points, clock=clock)
    return {"sensors": [], "pass": run, "reason": None}, meter


def limits_of() -> Any:
    from orchestrator.energy.limits import Limits

    return Limits(0.03)


def test_the_drawing_of_power(tmp_path: Path) -> None:
    energy_of, meter = metered()
    drawing = power_drawing(energy_of, meter, meter.source, alone=True)
    means = [float(w) for w in re.findall(r'class="mean-name"[^>]*>([\d.]+) W<', drawing)]
    assert means == pytest.approx([4.0, 9.0, 9.0, 9.0, 4.0], rel=0.02), "of the chosen one, on the board's clock"
    assert drawing.count('class="trace"') == 2 and drawing.count('class="other o0"') == 2  # a curve and its key
    assert drawing.index('<path class="other') < drawing.index('<path class="trace"'), "the chosen one is in front"
    assert "<script>" not in drawing and "\x1b" not in drawing and drawing.startswith('<svg xmlns="')
    sensor = power_drawing(energy_of, meter, "ina3221:/sys/class/hwmon/hwmon3")
    assert re.findall(r'class="mean-name"[^>]*>([\d.]+) W<', sensor)[1].startswith("6.")
    assert "<style" not in sensor
    lost = replace(meter, clock=None, invalid="the clock was set")
    assert "plug" not in power_drawing(energy_of, lost, None)
    run = energy_of["pass"]
    window, trace = run["windows"][0], run["traces"][0]
    point = {**trace, "points": [[window["begin_s"], 6.0]]}
    at_once = {"idle": [], "windows": [{**window, "end_s": window["begin_s"]}], "traces": [point]}
    for one in (None, {**run, "windows": []}, at_once):
        assert power_drawing({"pass": one, "sensors": [], "reason": "none"}, None, None) == ""


def test_many_readings_are_thinned_and_no_peak_is_lost() -> None:
    run = make_energy_pass()
    begin, end = run["windows"][0]["begin_s"], run["windows"][-1]["end_s"]
    points = [[begin + (end - begin) * n / 50_000, 6.0 + n % 7 / 100 + (n == 31_234) * 4.0] for n in range(50_000)]
    run["traces"][0]["points"] = points
    drawing = power_drawing({"pass": run}, None, None)
    curve = re.findall(r'class="trace" d="M([^"]*)"', drawing)[0].split("L")
    assert 900 < len(curve) <= 1000
    heights = [float(place.split()[1]) for place in curve]
    assert min(heights) < 0.6 * sorted(heights)[5], "the peak stands out"


def test_each_cell_shows_its_power(tmp_path: Path) -> None:
    energy_of, meter = metered()
    record = make_record(energy=energy_of["pass"])
    measured = measure(record, manifest=MANIFEST, power=PI4_POWER, cores=4, meter=meter)
    results = [
        replace(make_result(tmp_path, n, optimization=name), measurement=measured)
        for n, name in enumerate(("none", "int8", "float16"))
    ]
    (tmp_path / "0" / "record.json").write_text(json.dumps(record))
    (tmp_path / "0" / "meter.json").write_text(json.dumps(meter.to_json()))
    (tmp_path / "1" / "record.json").write_text("{}")
    (tmp_path / "2" / "record.json").unlink()
    comparison = compare(make_sweep(tmp_path), results)
    text = page(comparison, sheet(comparison), View())
    assert text.count('<svg class="power"') == 1 and text.count("which cannot be read from here") == 2
    assert "<script" not in text and "alert(1)" in text
