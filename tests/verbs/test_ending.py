"""Whatever fails at the end of a sweep, its results are delivered."""

from __future__ import annotations

import io
import threading
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from orchestrator import ending
from orchestrator.errors import TrackingError
from orchestrator.result import Result, Sweep
from orchestrator.tracking import Receipt, TrackingWriter
from orchestrator.tracking.nothing import NoTracker
from tests.measurement.records import make_failed, make_result, make_sweep


class Kept(NoTracker):
    def __init__(self, refusing: bool = False) -> None:
        self.taken, self.refusing = list[str](), refusing

    def deliver(self, result: Result) -> Receipt:
        if self.refusing:
            raise TrackingError("no: http://u:s3cret@h \x1b[2J[bold]x[/]")
        self.taken.append(result.short)
        return super().deliver(result)

    def close_sweep(self, sweep: Sweep) -> Receipt:
        self.taken.append(sweep.status)
        return super().close_sweep(sweep)


def conclude(at: Path, tracker: Kept, console: Console | None = None, *, on_disk: bool = True) -> str:
    where = console or Console(file=io.StringIO(), width=200)
    sweep, results = make_sweep(at), [make_result(at, 0), make_failed(at, 1)]
    writer = TrackingWriter(tracker)
    writer.open(sweep)
    for result in results:
        writer.submit(result)
    whole = ending.conclude(where, sweep.ended("failed", 1.0), results, writer, "none", threading.Event())
    assert whole is on_disk
    return where.file.getvalue() if isinstance(where.file, io.StringIO) else ""


def test_a_usual_end(tmp_path: Path) -> None:
    tracker = Kept()
    at = tmp_path / "[bold]sweep"
    text = conclude(at, tracker)
    assert tracker.taken == ["pi4/mobilenetv2/none"] * 2 + ["failed"]
    assert f"results   {at}" in text and f"report    {at / 'comparison.html'}" in text
    assert text.count("log.txt") == 1 and "sync" not in text


@pytest.mark.parametrize("what", ["compare", "table", "write_report"])
@pytest.mark.parametrize(
    "error", [ZeroDivisionError("x"), OSError(28, "disk full"), UnicodeEncodeError("a", "é", 0, 1, "x")]
)
def test_a_report_that_fails_delivers_all_the_same(
    tmp_path: Path, what: str, error: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any) -> None:
        raise error

    monkeypatch.setattr(ending, what, broken)
    tracker = Kept()
    text = conclude(tmp_path, tracker, on_disk=what == "table")
    assert tracker.taken[-1] == "failed" and len(tracker.taken) == 3
    assert type(error).__name__ in caplog.text
    assert "results   " in text
    if what != "table":
        assert "no report: " in text
    else:
        assert (tmp_path / "comparison.html").is_file()


def test_a_format_that_the_disk_does_not_take_costs_no_other(tmp_path: Path) -> None:
    for ending_of_it in ("html", "png"):
        (tmp_path / f".comparison-part.{ending_of_it}").symlink_to("/dev/full")
    text = conclude(tmp_path, Kept(), on_disk=False)
    assert f"report incomplete: not written into {tmp_path}: comparison.html, comparison.png: No space left" in text
    assert "report    " not in text and text.count("No space left") == 1
    there = sorted(path.name for path in tmp_path.iterdir() if "comparison" in path.name)
    assert there == ["comparison.csv", "comparison.md", "comparison.parquet"]


def test_a_console_that_fails_delivers_all_the_same(tmp_path: Path) -> None:
    class Closed(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError(32, "closed")

    class Strict(Console):
        def on_broken_pipe(self) -> None:
            raise SystemExit(1)

    tracker = Kept()
    conclude(tmp_path, tracker, Strict(file=Closed()))
    assert tracker.taken[-1] == "failed" and len(tracker.taken) == 3
    assert (tmp_path / "comparison.html").is_file()


def test_what_is_missing_is_said_without_secrets_and_without_steering(tmp_path: Path) -> None:
    text = conclude(tmp_path, Kept(refusing=True))
    assert "pi4/mobilenetv2/none: no: http://***@h  [2J[bold]x[/]" in text
    assert text.count("not in the tracker") == 1, "one line for all that are missing for the same reason"
    assert "what is not delivered stays on disk: python -m orchestrator sync" in text
    assert "s3cret" not in text and "\x1b" not in text
