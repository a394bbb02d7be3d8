"""The report: text compared with a golden one, fitting its width, harmless whatever a board calls itself."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import time
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib import image
from pyarrow import parquet
from rich.console import Console

from orchestrator.compare import COLUMNS, compare, value_called
from orchestrator.compare.comparison import Comparison
from orchestrator.compare.rows import NUMBERS, TRUTHS
from orchestrator.measurement import measure
from orchestrator.report import View, overrides, table, write_report
from orchestrator.report.columns import change, factor, number, sheet, to_decide
from orchestrator.report.figure import LONGEST_LABEL, label, short
from orchestrator.report.page import page
from orchestrator.report.remarks import percent
from orchestrator.report.scale import Scale
from orchestrator.result import Result
from orchestrator.verdict import Verdict
from tests.measurement.records import (
    MANIFEST,
    PI4_POWER,
    digest,
    id_of,
    make_energy_pass,
    make_failed,
    make_record,
    make_result,
    make_skipped,
    make_sweep,
)

OPTIMIZATIONS = {"none": 1.0, "float16": 1.001, "dynamic_range": 0.8, "int8": 0.46}


def cell(at: Path, number: int, ms: float, *, metered: bool = False, broken: bool = False, **axes: str) -> Result:
    record = make_record(ms, seed=number, energy=make_energy_pass(call_ms=ms) if metered else None)
    if broken:
        record["processes"][1]["output_sha256"] = digest("another")
    measurement = measure(record, manifest=MANIFEST, power=PI4_POWER, cores=4)
    return replace(make_result(at, number, ms, write=False, **axes), measurement=measurement)


@pytest.fixture
def comparison(tmp_path: Path) -> Comparison:
    results = [
        cell(tmp_path, n, 41.0 * k, optimization=o, broken=o == "float16")
        for n, (o, k) in enumerate(OPTIMIZATIONS.items())
    ]
    results.append(make_failed(tmp_path, 4, model="mine", optimization="int8"))
    results.append(make_skipped(tmp_path, 5, "no wheels for armv6l", device="zero"))
    return compare(make_sweep(tmp_path), results)


@pytest.fixture
def mixed(tmp_path: Path) -> Comparison:
    """Two devices, one with a sensor."""
    results = []
    for device in ("pi4", "jetson"):
        for model, ms in (("mobilenetv2", 41.0), ("digits", 1.3)):
            for name, k in OPTIMIZATIONS.items():
                axes = {"device": device, "model": model, "optimization": name}
                results.append(cell(tmp_path, len(results), ms * k, metered=device == "jetson", **axes))
    return compare(make_sweep(tmp_path), results)


def shown(comparison: Comparison, *, width: int = 100, terminal: bool = False) -> str:
    out = io.StringIO()
    table(Console(file=out, width=width, force_terminal=terminal, color_system=None), comparison)
    return out.getvalue()


GOLDEN = """\
Device pi4  Board pi4-01  Runtime litert  Threads 1  Batch 1  Input 224  Scenario quick  \
Accelerator CPU  Delegate XNNPACK 66/66
Model        Optimization   Latency ms       vs none  Verdict  Front  p90 ms  Size MB    Est. mJ
-----------  -------------  ----------  ------------  -------  -----  ------  -------  ---------
mobilenetv2  none           41.2 ±0.5%      baseline  valid             41.6     14.0    147–176
mobilenetv2  float16        41.3 ±0.5%             –  invalid           41.7     14.0    147–176
mobilenetv2  dynamic_range  33.0 ±0.5%  1.25× faster  valid             33.4     14.0    117–141
mobilenetv2  int8           19.0 ±0.6%  2.17× faster  valid    ●        19.1     14.0  67.4–80.8
choice   pi4, mobilenetv2: the fastest is int8: 19 ms, 2.17× faster than the baseline, 14 MB. \
How well it answers is not known: not asked for.
invalid  pi4/mobilenetv2/float16: processes gave 2 different outputs for the same input
failed   pi4/mine/int8 on pi4-01: ConnectionFailed: pi4-01 does not answer on port 22 (is it switched on?)  log: log.txt
skipped  zero/mobilenetv2/none: no wheels for armv6l
"""


def test_the_table_as_plain_text(comparison: Comparison) -> None:
    lines = shown(comparison).splitlines()
    assert lines[:11] == GOLDEN.splitlines()
    assert lines[11] == "Without room here, in comparison.html: Load ms, RSS MB, Ops index"
    assert any(line.startswith("Est. mJ is no measurement") for line in lines)


@pytest.mark.parametrize("width", [80, 100, 160])
def test_the_table_fits_its_terminal(comparison: Comparison, mixed: Comparison, width: int) -> None:
    for one in (comparison, mixed):
        text = shown(one, width=width, terminal=True)
        assert max(map(len, text.splitlines())) <= width
        if width >= 100:
            for word in ("dynamic_range", "mobilenetv2", "1.25× faster"):
                assert word in text  # not folded


def test_measured_and_estimated_energy_never_share_a_column(mixed: Comparison) -> None:
    text = shown(mixed, width=200)
    head = next(line for line in text.splitlines() if line.startswith("Device"))
    measured, estimated = head.index("Energy mJ") + len("Energy mJ"), head.index("Est. mJ") + len("Est. mJ")
    for line in text.splitlines():
        if line.startswith(("pi4 ", "jetson ")):
            cells = line[measured - 6 : measured].strip(), line[estimated - 6 : estimated].strip()
            assert [bool(c) for c in cells] == [line.startswith("jetson"), line.startswith("pi4")]
    assert "Board" not in head  # one each: the device says it


def test_why_there_is_no_energy_is_said(comparison: Comparison, mixed: Comparison, tmp_path: Path) -> None:
    reason = "no sensor answered: no INA3221, no hwmon power, no RAPL"
    assert f"Energy was not measured: {reason}." in shown(comparison, width=300).splitlines()
    assert "Energy was not measured" not in shown(mixed, width=300) + shown(mixed, width=60)
    page = write_report(mixed, tmp_path)["html"].read_text(encoding="utf-8")
    assert f'<span class="none" title="{reason}">–</span>' in page


class Checker(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.sources: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        assert not [name for name, _ in attrs if name.startswith("on")]
        self.sources += [
            value or "" for name, value in attrs if name in ("src", "href") and not (value or "").startswith("#")
        ]
        if tag not in ("meta", "br", "img", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_files_of_a_report(comparison: Comparison, tmp_path: Path) -> None:
    files = write_report(comparison, tmp_path / "out")
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        f"comparison.{e}" for e in ("html", "png", "md", "csv", "parquet")
    }
    page = Checker()
    page.feed(files["html"].read_text())
    assert page.open == [] and page.sources == [] and "script" not in page.tags
    for word in ("ESTIMATED", "no wheels for armv6l", "is it switched on?", "2 different outputs", "1.25× faster"):
        assert word in page.text
    assert "Energy measured" not in page.text
    markdown = files["md"].read_text()
    assert "**failed** pi4/mine/int8" in markdown and markdown.split("**Latency")[0].count("\n| ") == 6
    back = pd.read_csv(files["csv"])
    assert list(back.columns) == list(comparison.frame.columns) and len(back) == 6
    assert back["latency_ms"][0] == pytest.approx(comparison.frame["latency_ms"][0])
    picture = image.imread(files["png"])
    assert picture.shape[0] > 200 and picture.shape[1] > 600 and np.std(picture) > 0.05


def test_parquet_keeps_types_and_what_is_missing(comparison: Comparison, tmp_path: Path) -> None:
    read = parquet.read_table(write_report(comparison, tmp_path / "out")["parquet"])
    assert read.column_names == list(COLUMNS)
    types = {name: str(read.schema.field(name).type) for name in COLUMNS}
    assert {types[name] for name in NUMBERS} == {"double"} and {types[name] for name in TRUTHS} == {"bool"}
    assert types["number"] == "int64" and types["energy_scope"] == types["threads"] == "string"  # the first is empty
    for name in COLUMNS:
        written = [None if value != value else value for value in comparison.frame[name].tolist()]
        assert read[name].to_pylist() == written, name


HOSTILE = "模型 <script>alert(1)</script> | ![x](http://evil/) \"' $x_{1}$ \x1b[31m\x07 =HYPERLINK(1)"


def test_a_hostile_board_stays_text(tmp_path: Path) -> None:
    record = make_record(41.0)
    record["runtime"]["version"] = HOSTILE
    measurement = measure(
        record, manifest={}, power=PI4_POWER, cores=4, facts={"device_tree_model": HOSTILE, "os": "=cmd()"}
    )
    axes = {"model": HOSTILE, "device": "pi4"}
    result = replace(make_result(tmp_path, 0, write=False, **axes), measurement=measurement, board=HOSTILE)
    skipped = make_skipped(tmp_path, 1, HOSTILE)
    made = compare(make_sweep(tmp_path), [result, skipped])
    files = write_report(made, tmp_path / "out")
    page = Checker()
    page.feed(files["html"].read_text())
    assert page.open == [] and page.sources == [] and not {"script", "img"} & page.tags
    assert "<script>alert(1)</script>" in page.text
    assert "\\<script\\>" in files["md"].read_text() and "\\!\\[x\\]" in files["md"].read_text()
    assert "'=cmd()" in files["csv"].read_text()
    for text in (shown(made), shown(made, terminal=True)):
        assert "\x1b" not in text and "\x07" not in text


def test_nothing_measured_is_a_report_too(tmp_path: Path) -> None:
    made = compare(make_sweep(tmp_path), [make_failed(tmp_path, 0)])
    assert shown(made).startswith("failed   pi4/mobilenetv2/none on pi4-01: ConnectionFailed")
    files = write_report(made, tmp_path / "out")
    assert "No cell has a result." in files["html"].read_text()
    assert files["png"].stat().st_size > 1000


def test_equal_failures_are_one_line_and_pivots_point_to_it(tmp_path: Path) -> None:
    results = [make_result(tmp_path, 0, write=False)]
    for model in ("mobilenetv2", "digits"):
        results += [make_failed(tmp_path, len(results) + n, model=model, optimization=o) for n, o in enumerate("ab")]
    made = compare(replace(make_sweep(tmp_path), excluded={"{device: pi4, optimization: c}": 3}), results)
    line = "failed   4 cells pi4/{mobilenetv2,digits}/{a,b} on pi4-01: ConnectionFailed: pi4-01 does not answer"
    text = shown(made)
    assert text.count("ConnectionFailed") == 1 and line in text and text.count("log: log.txt") == 1
    remark = "3 cells excluded by {device: pi4, optimization: c}."
    assert remark in text
    out = io.StringIO()
    table(Console(file=out, width=100), made, View(("model", "optimization"), value_called("size")))
    lines = out.getvalue().splitlines()
    assert lines[1:5] == [
        "Size MB",
        "model \\ optimization  none         a         b",
        "mobilenetv2           14.0  failed a  failed a",
        "digits                      failed a  failed a",
    ]
    assert f"a  {line}" in out.getvalue()
    files = write_report(made, tmp_path / "out")
    page = Checker()
    page.feed(files["html"].read_text())
    assert page.open == [] and remark in page.text and page.text.count("ConnectionFailed") == 1
    assert files["html"].read_text().count('class="heat failed"') == 4
    assert "| digits |  | failed a | failed a |" in files["md"].read_text()


def test_a_table_of_one_cell_has_no_baseline(tmp_path: Path) -> None:
    alone = compare(make_sweep(tmp_path), [make_result(tmp_path, 0, write=False)])
    page = write_report(alone, tmp_path / "out")["html"].read_text()
    assert "vs none" not in shown(alone) and "baseline" not in shown(alone)
    assert "vs none" not in page and "Overview" not in page and "Pareto" not in page


def test_heat_and_scatter(mixed: Comparison, tmp_path: Path) -> None:
    text = write_report(mixed, tmp_path / "out")["html"].read_text()
    page = Checker()
    page.feed(text)
    assert page.open == [] and {"svg", "details"} <= page.tags and page.sources == []
    shades = [float(x) for x in re.findall(r'<td class="heat faster" style="--s:([0-9.]+)"', text)]
    assert len(shades) == 8 and min(shades) < 0.2 < max(shades) < 0.6  # dynamic_range and int8, of four times two
    assert text.count('<svg class="scatter"') == 3  # energy is known of one device
    assert "latency and measured energy" in page.text and "Energy does not count on pi4" in page.text
    assert text.count('class="m0 beaten"') + text.count('class="m0 good"') + text.count('class="m0 best"') == 12


def test_other_conditions_have_a_star_and_a_note(tmp_path: Path) -> None:
    base, other = make_result(tmp_path, 0, 40, write=False), make_result(tmp_path, 1, 20, write=False, threads="4")
    text = shown(compare(make_sweep(tmp_path), [base, replace(other, board="pi4-02")], "threads:1"))
    assert "vs threads 1" in text and "2.00× faster*" in text
    assert "* under other conditions than the baseline: board." in text


def test_the_same_the_undecided_and_no_ground_look_different(tmp_path: Path) -> None:
    medians = {"none": (40.0, 40.1, 39.9), "same": (40.0, 40.1, 39.9), "open": (41.0, 43.0, 39.5), "one": (20.0,)}
    results = []
    for n, (name, some) in enumerate(medians.items()):
        result = make_result(tmp_path, n, write=False, optimization=name)
        assert result.measurement is not None
        results.append(replace(result, measurement=replace(result.measurement, process_medians_ms=some)))
    made = compare(make_sweep(tmp_path), results)
    texts = {name: (change(row), to_decide(row)) for row in sheet(made).rows for name in [row["optimization"]]}
    assert texts["none"] == ("baseline", "") and texts["same"] == ("~ within 0.6%", "") and texts["one"] == ("–", "")
    assert re.fullmatch(r"~ up to \d+%", texts["open"][0]) and int(texts["open"][1]) > 3
    text = shown(made, width=200)
    assert "To decide" in text and "~ up to" in text and "Found in 95 of 100 tries here: a change of " in text
    assert "– in that column: one process on a side: nothing can be said." in text
    files = write_report(made, tmp_path / "out")
    assert "undecided, up to" in files["html"].read_text() and "\\~ up to" in files["md"].read_text()
    assert list(pd.read_csv(files["csv"])["change_outcome"].dropna()) == ["same", "undecided", "no ground"]


def test_a_big_matrix_is_a_page_that_opens_folded(tmp_path: Path) -> None:
    proto = make_result(tmp_path, 0, 41.0, write=False)
    results = []
    for n in range(500):
        axes = {**proto.axes, "device": f"d{n % 2}", "model": f"m{n // 2 % 50}", "optimization": f"o{n // 100}"}
        results.append(replace(proto, number=n, axes=axes, cell_id=id_of(axes)))
    made = compare(make_sweep(tmp_path), results, "o0")
    seen = sheet(made)
    began = time.process_time()
    text = page(made, seen, View())
    assert time.process_time() - began < 2
    assert text.count("<details>") == 4 and text.count('<details class="one"') == 500 and len(text) < 4e6
    assert text.count("<tr") > 500
    assert "<details open>" not in text


@pytest.mark.parametrize(
    ("values", "logarithmic", "ticks"),
    [
        ([10.0, 20.0], False, [10, 15, 20]),
        ([1.0, 100.0], True, [1, 2, 5, 10, 20, 50, 100]),
        ([5.0], False, [4.6, 4.8, 5.0, 5.2, 5.4]),
    ],
)
def test_axes_of_charts(values: list[float], logarithmic: bool, ticks: list[float]) -> None:
    scale = Scale.over(values, 100, 0)
    assert scale.logarithmic == logarithmic and scale.ticks() == pytest.approx(ticks)
    assert [scale.at(scale.low), scale.at(scale.high)] == [100, 0]
    assert all(0 < scale.at(value) < 100 for value in values)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (41.23, "41.2"),
        (0.08641, "0.0864"),
        (1234.5, "1,234"),
        (0, "0"),
        (14.0, "14.0"),
        (7.0, "7.00"),
        (1e-9, "0.000000"),
    ],
)
def test_numbers(value: float, text: str) -> None:
    assert number(value) == text


def test_what_can_be_found_has_a_cap() -> None:
    assert (percent(3.3, 9.6), percent(3.31, 3.34)) == ("3.3 to 9.6 %", "3.3 %")
    assert percent(3.3, 2613.0) == "3.3 % or more, by the cell"


def test_factors() -> None:
    assert (factor(0.5), factor(1.25)) == ("2.00× faster", "1.25× slower")


def test_reports_are_not_imported_before_they_are_needed() -> None:
    code = (
        "import sys, orchestrator.compare, orchestrator.report;"
        "print(sorted({'pandas', 'matplotlib', 'scipy', 'mlflow'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_cells_are_told_apart_and_equal_reasons_stand_together(tmp_path: Path) -> None:
    results = [make_failed(tmp_path, n, threads=t, batch_size=b) for n, (t, b) in enumerate(("18", "41", "48"))]
    results += [make_result(tmp_path, 3 + n, write=False, threads=t, batch_size="1") for n, t in enumerate("12")]
    for n in (3, 4):
        measured = results[n].measurement
        assert measured is not None
        doubted = replace(measured, verdict=Verdict("suspect", ("only 2 processes",)))
        results[n] = replace(results[n], measurement=doubted)
    results.append(make_skipped(tmp_path, 5, "no wheels", threads="2", batch_size="8"))
    sweep = replace(make_sweep(tmp_path), excluded={"threads=8": 1})
    made = compare(sweep, results, "threads:1")
    text = shown(made, width=300)
    assert "failed   3 cells pi4/mobilenetv2/none · threads {1,4} · batch {1,8} on" in text
    assert "skipped  pi4/mobilenetv2/none · threads 2 · batch 8: no wheels" in text
    assert "suspect  2 cells pi4/mobilenetv2/none · threads {1,2} · batch 1: only 2 processes" in text
    assert text.count("1 cell excluded by threads=8.") == 1
    html = write_report(made, tmp_path / "out")["html"].read_text(encoding="utf-8")
    assert '<p class="remark asked">1 cell excluded by threads=8.</p>' in html
    assert html.count("only 2 processes</li>") == 4, "each cell's own, among the doubts and where it stands for itself"


def test_a_dash_is_explained(tmp_path: Path) -> None:
    results = [make_failed(tmp_path, 0)]
    results += [make_result(tmp_path, 1, write=False, optimization="int8")]
    results += [
        make_result(tmp_path, 2 + n, write=False, threads="4", optimization=o) for n, o in enumerate(OPTIMIZATIONS)
    ]
    assert "– in that column: the baseline failed." in shown(compare(make_sweep(tmp_path), results))


def test_overrides_of_all_cells_are_said_once(tmp_path: Path) -> None:
    given = "scenario.window_s=1, scenario.image=[640, 480]"
    names = {"quick": f"quick ({given})", "offline": f"offline (scenario.streams=4, {given})"}
    results: list[Result] = [
        make_result(tmp_path, n, write=False, scenario=name) for n, name in enumerate(names.values())
    ]
    results.append(make_failed(tmp_path, 2, optimization="int8", scenario=names["quick"]))
    made = compare(make_sweep(tmp_path), results, f"scenario:{names['quick']}")
    seen = sheet(made)
    assert seen.common["Also"] == given
    assert [label(seen, row) for row in seen.rows] == [
        "none · scenario quick",
        "none · scenario offline (scenario.streams=4)",
    ]
    assert shown(made).count("window_s") == 1 and list(made.frame["scenario"][:1]) == [names["quick"]]
    assert overrides.shared([{"scenario": "quick"}, {"scenario": names["quick"]}])[1] == []
    files = write_report(made, tmp_path / "out")  # a warning would be an error here
    assert "vs scenario quick |" in files["md"].read_text() and files["md"].read_text().count("window") == 1
    assert len(short("a" * 200)) == LONGEST_LABEL


def test_what_a_scenario_is_about_stands_in_the_table_and_in_pivots(tmp_path: Path) -> None:
    plain = make_result(tmp_path, 0, write=False)
    assert plain.measurement is not None
    more = {"pipeline/total_ms": 30.6, "pipeline/invoke_share": 0.476, "sustained/sustained_median_ms": 9.1}
    measured = replace(plain.measurement, metrics=plain.measurement.metrics | more)
    photo = replace(make_result(tmp_path, 1, write=False, optimization="int8"), measurement=measured)
    made = compare(make_sweep(tmp_path), [plain, photo])
    assert "30.6 ms (model 48%)" in shown(made, width=200)
    rows = [row for row in sheet(made).rows if row["optimization"] == "int8"]
    words = {word: value_called(word).of(rows[0]) for word in ("pipeline", "sustained", "samples")}
    assert words == {"pipeline": 30.6, "sustained": 9.1, "samples": rows[0]["samples_per_s"]} and words["samples"]
    assert value_called("samples").more_is_better and "Pipeline" not in shown(compare(make_sweep(tmp_path), [plain]))
