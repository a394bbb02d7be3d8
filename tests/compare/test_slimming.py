"""A cell that was pruned or clustered and got no faster says so, with what it got instead."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from orchestrator.compare import compare
from orchestrator.compare.comparison import Comparison
from orchestrator.measurement import measure
from orchestrator.report import table, write_report
from orchestrator.result import Result
from tests.measurement.records import MANIFEST, PI4_POWER, make_record, make_result, make_sweep


def cell(at: Path, number: int, ms: float, steps: str, size: float, gzip: float, processes: int = 5) -> Result:
    manifest = {
        **MANIFEST,
        "recipe": {"steps": steps.split("+") if steps else []},
        "size_bytes": round(size * 1e6),
        "gzip_bytes": round(gzip * 1e6),
    }
    record = make_record(ms, seed=number, processes=processes)
    measured = measure(record, manifest=manifest, power=PI4_POWER, cores=4)
    made = make_result(at, number, ms, write=False, optimization=steps.replace("+", "_") or "none")
    return replace(made, measurement=measured)


def note(at: Path, *cells: Result) -> str | None:
    frame = compare(make_sweep(at), cells).frame.set_index("number")
    assert frame.loc[0, "slimming_note"] is None
    found = frame.loc[1, "slimming_note"]
    assert found is None or isinstance(found, str)
    return found


@pytest.mark.parametrize(
    ("ms", "steps", "size", "gzip", "said"),
    [
        (40.0, "prune", 14.0, 5.1, "pruning made the file smaller (gzip 13 → 5.1 MB), not faster (~ within "),
        (
            40.0,
            "prune",
            2.3,
            1.9,
            "pruning made the file smaller (14 → 2.3 MB, gzip 13 → 1.9 MB), not faster (~ within ",
        ),
        (
            40.0,
            "prune_channels",
            14.0,
            13.0,
            "removing channels made the file no smaller (gzip 13 → 13 MB), not faster",
        ),
        (44.0, "cluster", 14.0, 4.0, "clustering made the file smaller (gzip 13 → 4 MB), not faster (1.10× slower)"),
        (
            40.0,
            "prune+float16",
            7.0,
            3.0,
            "pruning and float16 made the file smaller (14 → 7 MB, gzip 13 → 3 MB), not f",
        ),
        (20.0, "prune_channels", 7.0, 6.0, None),
        (20.0, "prune+int8", 3.6, 1.0, None),
        (40.0, "float16", 7.0, 6.0, None),
    ],
)
def test_what_a_cell_says(tmp_path: Path, ms: float, steps: str, size: float, gzip: float, said: str | None) -> None:
    found = note(tmp_path, cell(tmp_path, 0, 40.0, "", 14.0, 13.0), cell(tmp_path, 1, ms, steps, size, gzip))
    assert found == said if said is None else str(found).startswith(said)


def test_nothing_is_said_without_a_comparison_that_can_tell(tmp_path: Path) -> None:
    lean = cell(tmp_path, 1, 40.0, "prune", 14.0, 5.0)
    frame = compare(make_sweep(tmp_path), [lean]).frame
    assert list(frame["slimming_note"]) == [None]
    once = cell(tmp_path, 1, 40.0, "prune", 14.0, 5.0, processes=1)
    assert note(tmp_path, cell(tmp_path, 0, 40.0, "", 14.0, 13.0, processes=1), once) is None


def test_against_a_baseline_that_is_as_lean_nothing_is_said(tmp_path: Path) -> None:
    results = [cell(tmp_path, 0, 40.0, "prune", 14.0, 5.0), cell(tmp_path, 1, 40.0, "prune+float16", 7.0, 3.0)]
    frame = compare(make_sweep(tmp_path), results, "prune").frame
    assert list(frame["slimming_note"]) == [None, None]


def test_it_stands_in_the_terminal_and_in_all_reports(tmp_path: Path) -> None:
    results = [cell(tmp_path, 0, 40.0, "", 14.0, 13.0), cell(tmp_path, 1, 40.0, "prune", 14.0, 5.1)]
    comparison: Comparison = compare(make_sweep(tmp_path), results)
    said = "pi4/mobilenetv2/prune: pruning made the file smaller (gzip 13 → 5.1 MB), not faster (~ within"
    out = io.StringIO()
    table(Console(file=out, width=200), comparison)
    assert said in out.getvalue()
    written = write_report(comparison, tmp_path)
    assert said in written["html"].read_text() and "pruning made the file smaller" in written["csv"].read_text()
    assert said in written["md"].read_text().replace("\\", "")


def test_against_what_it_would_be_without(tmp_path: Path) -> None:
    """int8 made it faster, and pruning on top of that nothing."""
    results = [
        cell(tmp_path, 0, 40.0, "", 14.0, 13.0),
        cell(tmp_path, 1, 20.0, "int8", 3.6, 3.2),
        cell(tmp_path, 2, 20.0, "prune+int8", 3.6, 1.0),
    ]
    found = compare(make_sweep(tmp_path), results).frame.set_index("number").loc[2, "slimming_note"]
    assert str(found).startswith("pruning made the file smaller (gzip 3.2 → 1 MB), not faster (~ within ")
