"""Quality, limits and recommendations as they are shown: in a terminal's width, in Markdown and HTML, and as files."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from rich.console import Console

from orchestrator.app import run
from orchestrator.compare import compare, compare_sweeps, value_called
from orchestrator.compare.comparison import Comparison
from orchestrator.gates import Gates
from orchestrator.report import View, table
from orchestrator.report.columns import sheet
from orchestrator.report.markdown import markdown
from orchestrator.report.page import page
from orchestrator.report.write import write_report
from orchestrator.result import Result
from tests.measurement.records import make_energy_pass, make_measurement, make_result, make_sweep

HOSTILE = "<script>alert(1)</script>\x1b[31m ![x](y)"
RANDOM = dict.fromkeys(("quality/top1", "quality/drop", "quality/auc"), "its weights are random")
EXACT = {"quality/sqnr_db": "no difference at all from the float model"}


def judged(top1: float, drop: float, half: float, sqnr_db: float | None) -> dict[str, float]:
    found = {"samples": 360.0, "top1": top1, "top1_low": top1 - 0.017, "top1_high": min(1.0, top1 + 0.012)}
    found |= {"drop": drop, "drop_low": drop - half, "drop_high": drop + half}
    found |= {} if sqnr_db is None else {"sqnr_db": sqnr_db}
    return {f"quality/{name}": value for name, value in found.items()}


def cell(
    at: Path,
    number: int,
    ms: float,
    optimization: str,
    size: float,
    quality: dict[str, float],
    missing: dict[str, str] | None = None,
    metered: bool = False,
    **axes: str,
) -> Result:
    made = make_result(at, number, ms, write=False, optimization=optimization, **axes)
    m = make_measurement(ms, seed=number, energy=make_energy_pass(call_ms=ms) if metered else None)
    tags = m.tags | {"quality.source": "digits of scikit-learn, held out", "quality.task": "classification"}
    metrics = m.metrics | quality | {"model/size_bytes": size}
    return replace(made, measurement=replace(m, metrics=metrics, missing=m.missing | (missing or {}), tags=tags))


def digits(at: Path, gates: dict[str, float] | None = None, metered: bool = False, model: str = "digits") -> Comparison:
    results = [
        cell(at, 0, 13.0, "none", 110e3, judged(0.978, 0.0, 0.004, None), EXACT, metered, model=model),
        cell(at, 1, 9.0, "dynamic_range", 31e3, judged(0.975, 0.003, 0.006, 35.0), None, metered, model=model),
        cell(at, 2, 5.0, "int8", 31e3, judged(0.972, 0.006, 0.006, 28.1), None, metered, model=model),
        cell(at, 3, 4.0, "pruned_int8", 30e3, judged(0.947, 0.031, 0.015, 17.0), None, metered, model=model),
    ]
    return compare(replace(make_sweep(at), gates=gates or {}), results)


def random(at: Path) -> Comparison:
    none = cell(at, 0, 41.0, "none", 14e6, {"quality/samples": 16.0}, RANDOM | EXACT)
    return compare(make_sweep(at), [none, cell(at, 1, 19.0, "int8", 4e6, {"quality/sqnr_db": 14.82}, RANDOM)])


def shown(comparison: Comparison, width: int = 200, view: View | None = None, terminal: bool = True) -> str:
    out = io.StringIO()
    table(Console(file=out, width=width, force_terminal=terminal, color_system=None), comparison, view)
    return out.getvalue()


def flat(text: str) -> str:
    """Without the breaks of lines."""
    return " ".join(text.split())


def test_quality_stands_in_the_table_with_its_intervals(tmp_path: Path) -> None:
    text = shown(digits(tmp_path))
    assert re.search(r"int8 .* 97\.2 ±1\.5% +0\.6 ±0\.6 +28\.1 ", text)
    assert re.search(r"none .* 97\.8 ±1\.5% +0\.0 ±0\.4 +exact ", text)
    said = flat(text)
    assert "Top-1: right answers" in said
    assert "by the same runtime and delegate as the latency: 360 samples of digits of scikit-learn, held out." in said
    assert "latency, quality and size and better in one" in said and "is not part of it" not in said


@pytest.mark.parametrize("metered", [False, True])
def test_in_80_columns_what_was_lost_stays_longest(tmp_path: Path, metered: bool) -> None:
    text = shown(digits(tmp_path, metered=metered), width=80)
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80
    head = next(line for line in lines if "Latency ms" in line)
    assert "Drop pt" in head and "vs none" in head and ("Energy mJ" in head) == metered
    left = text[text.index("Without room here") :].replace("\n", " ")
    assert "Top-1" in left.partition("Latency:")[0] and "SQNR" in left and "Drop" not in left.partition("Latency:")[0]
    assert "dynamic_range" in text, "no name is folded"


def test_random_weights_show_the_distance_and_why_there_is_no_accuracy(tmp_path: Path) -> None:
    text = shown(random(tmp_path), width=80)
    assert "SQNR dB" in text and "14.8" in text and "Top-1" not in text and "Drop pt" not in text
    said = flat(text)
    assert "Accuracy is not known: its weights are random." in said
    assert "int8 on litert is the fastest" in said and "How often it is right is not known" in said


def test_what_limits_do_is_said_of_each_cell(tmp_path: Path) -> None:
    text = shown(digits(tmp_path, {"max_drop": 0.01, "size_mb": 0.1}))
    assert "breaks   pi4/digits/none: size 0.11 MB > 0.1 allowed" in text
    assert "breaks   pi4/digits/pruned_int8: drop 3.1 points > 1 allowed" in text
    assert "unsure   pi4/digits/int8: drop up to 1.2 points > 1 allowed: not certain" in text
    assert "choice   pi4, digits: take int8 on litert, the fastest within the limits" in text
    assert re.search(r"pruned_int8 .* × ", text) and "× breaks a limit" in text
    unknown = shown(digits(tmp_path, {"energy_mj": 1.0}))
    assert re.search(r"unknown  4 cells pi4/digits/\{none,[^}]*\}: energy is not known: no sensor answered", unknown)
    assert "nothing is recommended" in unknown


def test_markdown_begins_with_the_choice_and_html_has_it_first(tmp_path: Path) -> None:
    made = digits(tmp_path, {"max_drop": 0.01})
    text = markdown(sheet(made), made.title, View())
    assert text.splitlines()[2].startswith("- **pi4, digits**: take int8 on litert, the fastest within the limits:")
    assert "- **breaks** pi4/digits/pruned\\_int8: drop 3.1 points \\> 1 allowed" in text
    html = page(made, sheet(made), View())
    assert html.index('<p class="choice"><b>pi4, digits</b>: take int8') < html.index('<table class="cells">')
    assert "drop 3.1 points &gt; 1 allowed" in html
    assert 'title="0.6000 points, 95 % interval 0.00 to 1.20"' in html
    assert "<figcaption>pi4 — latency and size</figcaption>" in html
    assert "<figcaption>pi4 — latency and wrong answers</figcaption>" in html
    assert html.count("MB · drop 3.1 points &gt; 1 allowed") == 2


def test_no_wrong_answer_at_all_is_a_place_too(tmp_path: Path) -> None:
    quality = [judged(1.0, 0.0, 0.004, None), judged(1.0, 0.0, 0.004, 40.0), judged(1.0, 0.0, 0.004, 30.0)]
    cells = [cell(tmp_path, n, 10.0 / (n + 1), f"o{n}", 1e5, one) for n, one in enumerate(quality)]
    made = compare(make_sweep(tmp_path), cells)
    assert "latency and wrong answers" in page(made, sheet(made), View())


def test_a_hostile_name_stays_text_in_what_is_recommended(tmp_path: Path) -> None:
    made = digits(tmp_path, {"max_drop": 0.01}, model=HOSTILE)
    html = page(made, sheet(made), View())
    assert "<script>" not in html and "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    text = markdown(sheet(made), made.title, View())
    assert "\x1b" not in text and "<script>" not in text and "![x](y)" not in text
    assert "\x1b" not in shown(made, terminal=False)


def test_files_and_pivots_hold_quality(tmp_path: Path) -> None:
    made = digits(tmp_path, {"max_drop": 0.01})
    frame = pd.read_csv(write_report(made, tmp_path / "out")["csv"]).set_index("optimization")
    assert frame.loc["int8", "gate"] == "not certain" and frame.loc["none", "gate"] == "kept"
    assert frame.loc["pruned_int8", "gate_why"] == "drop 3.1 points > 1 allowed"
    assert frame.loc["int8", "quality_drop"] == 0.006 and frame.loc["int8", "quality_samples"] == 360
    assert frame.loc["int8", "quality_source"] == "digits of scikit-learn, held out"
    assert list(frame["front"]) == [False, False, True, False], "what int8 lost may be chance, and it is faster"
    drops = shown(made, view=View(("model", "optimization"), value_called("drop")))
    assert re.search(r"digits +0 +0\.300 +0\.600 +3\.10", drops)
    why = shown(random(tmp_path), view=View(("model", "optimization"), value_called("top1")))
    assert "–: its weights are random" in why


def test_options_of_compare_count_instead_of_the_sweeps_own_limits(tmp_path: Path, capsys: Any) -> None:
    where = tmp_path / "multirun" / "2026-11-24" / "15-23-07-4f34cd"
    where.mkdir(parents=True)
    made = digits(where, {"max_drop": 0.01, "size_mb": 0.2})
    made.sweeps[0].write(where)
    for result in made.results:
        result.write(where / str(result.number))
    assert compare_sweeps(tmp_path, []).gates["sweep-1"] == Gates(max_drop=0.01, size_mb=0.2)
    assert compare_sweeps(tmp_path, [], gates=Gates(max_drop=0.05)).gates["sweep-1"] == Gates(0.05, size_mb=0.2)
    assert run(["compare", "--root", str(tmp_path), "--max-drop", "0.05", "--max-latency-ms=4.5"]) == 0
    text = capsys.readouterr().out
    assert "take pruned_int8 on litert, the fastest within the limits" in text
    assert "breaks   pi4/digits/int8: latency 5 ms > 4.5 allowed" in text
    for flag, value in (
        ("--max-drop", "1.5"),
        ("--max-size-mb", "-1"),
        ("--max-drop", "nan"),
        ("--max-latency-ms", "x"),
    ):
        assert run(["compare", "--root", str(tmp_path), flag, value]) == 1
        assert f"argument {flag}: " in capsys.readouterr().err
