"""The report: text compared with a golden one, fitting its width, harmless whatever a board calls itself."""

from __future__ import annotations

import io
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib import image
from rich.console import Console

from orchestrator.compare import compare
from orchestrator.compare.comparison import Comparison
from orchestrator.measurement import measure
from orchestrator.report import table, write_report
from orchestrator.report.columns import factor, number
from orchestrator.result import Result
from tests.measurement.records import (
    MANIFEST,
    PI4_POWER,
    digest,
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
mobilenetv2  none           41.2 ±0.4%      baseline  valid             41.6     14.0    147–176
mobilenetv2  float16        41.3 ±0.4%             –  invalid           41.7     14.0    147–176
mobilenetv2  dynamic_range  33.0 ±0.4%  1.25× faster  valid             33.4     14.0    117–141
mobilenetv2  int8           19.0 ±0.4%  2.17× faster  valid    ●        19.2     14.0  67.4–80.8
invalid  pi4/mobilenetv2/float16: processes gave 2 different outputs for the same input
failed   pi4/mine/int8 on pi4-01: ConnectionFailed: pi4-01 does not answer on port 22 (is it switched on?)  log: log.txt
skipped  zero/mobilenetv2/none: no wheels for armv6l
"""


def test_the_table_as_plain_text(comparison: Comparison) -> None:
    lines = shown(comparison).splitlines()
    assert lines[:10] == GOLDEN.splitlines()
    assert lines[10] == "Without room here, in comparison.html: Load ms, RSS MB"
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
        self.sources += [value or "" for name, value in attrs if name in ("src", "href")]
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
    typed = pd.read_parquet(files["parquet"])
    pd.testing.assert_frame_equal(typed, comparison.frame, check_dtype=True)
    assert {typed[x].dtype.kind for x in ("latency_ms", "front", "number", "energy_scope")} == {"f", "b", "i", "O"}
    picture = image.imread(files["png"])
    assert picture.shape[0] > 200 and picture.shape[1] > 600 and np.std(picture) > 0.05


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
    assert page.open == [] and page.sources == [] and not {"script", "img", "a"} & page.tags
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


def test_factors() -> None:
    assert (factor(0.5), factor(1.25)) == ("2.00× faster", "1.25× slower")


def test_reports_are_not_imported_before_they_are_needed() -> None:
    code = (
        "import sys, orchestrator.compare, orchestrator.report;"
        "print(sorted({'pandas', 'matplotlib', 'scipy', 'mlflow'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
