"""What boards say cannot steer the terminal, and a terminal that is gone cannot end a sweep."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from orchestrator.console import LiveProgress, PlainProgress, said, say
from orchestrator.result import Result
from orchestrator.words import labels
from tests.fleet.test_pool import cell
from tests.measurement.records import make_failed, make_result

HOSTILE = "\x1b[2J\x1b]0;x\x07[red]a[/]\r\n\u202eb\\"


def console(**how: Any) -> Console:
    return Console(file=io.StringIO(), width=200, **how)


def written(where: Console) -> str:
    assert isinstance(where.file, io.StringIO)
    return where.file.getvalue()


def hostile(tmp_path: Path) -> Result:
    failed = make_failed(tmp_path, 0)
    assert failed.error is not None
    return replace(failed, board="b[/]x", error=replace(failed.error, message=HOSTILE, hint=None))


@pytest.mark.parametrize("kind", [PlainProgress, LiveProgress])
def test_text_of_a_board_stays_text(tmp_path: Path, kind: type[PlainProgress]) -> None:
    where = console(color_system=None)
    display = kind(where, 1)
    with display:
        display.at("b[/]\x1b[2J", None, HOSTILE)
        display.done(hostile(tmp_path))
    text = written(where)
    assert "on b[/]x" in text and "[red]a[/]" in text
    assert not any(c in text for c in "\x1b\x07\u202e")
    assert [line for line in text.splitlines() if "failed" in line and "b\\" in line]


@pytest.mark.parametrize("kind", [PlainProgress, LiveProgress])
def test_cells_are_told_apart_and_what_must_not_be_missed_stays(tmp_path: Path, kind: type[PlainProgress]) -> None:
    where, result = console(color_system=None), make_result(tmp_path, 0)
    names = labels({0: result.axes, 1: result.axes | {"threads": "64", "batch_size": "8"}})
    with kind(where, 2, names) as display:
        display.told("b", "given up: [red]refused")
        display.done(result)
        display.done(make_result(tmp_path, 1))
    text = written(where)
    assert "b: given up: [red]refused\n" in text
    assert f"{result.short} threads {result.axes['threads']} batch 1" in text
    assert f"{result.short} threads 64 batch 8" in text


def test_a_log_has_a_line_for_each_turn_of_a_cell() -> None:
    where, one = console(color_system=None), cell(0, "b")
    display = PlainProgress(where, 1)
    for turn, text in (("process 1 of 3", "loading"), ("process 1 of 3", "measured"), ("process 2 of 3", "loading")):
        display.at("b", one, text, turn)
    lines = [line.partition(" ")[2] for line in written(where).splitlines()]
    assert lines == [f"b: {one.short}, process {n} of 3" for n in (1, 2)]


def test_what_follows_from_the_name_of_a_cell_is_not_said_again() -> None:
    axes = {"device": "pi4", "optimization": "none", "threads": "1"}
    two = {n: axes | {"model": name, "input_size": size} for n, (name, size) in enumerate((("a", "224"), ("b", "8")))}
    assert list(labels(two).values()) == ["pi4/a/none", "pi4/b/none"]
    assert labels(two | {2: two[1] | {"input_size": "16"}})[2] == "pi4/b/none input 16"


def test_words_keep_their_brackets_and_their_line() -> None:
    where = console(force_terminal=True, color_system="truecolor")
    say(where, ("bad:", "red"), " /a/[bold]/x\nresults  /etc\x1b[2J")
    assert written(where) == "\x1b[31mbad:\x1b[0m /a/[bold]/x results  /etc [2J\n"
    say(where, "one\ntwo\x1b", lines=True)
    assert written(where).endswith("one\ntwo \n")


class Broken(io.StringIO):
    """Fails as it is told to."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error

    def write(self, text: str) -> int:
        raise self.error


@pytest.mark.parametrize("error", [OSError(28, "full"), SystemExit(1), UnicodeEncodeError("ascii", "é", 0, 1, "no")])
@pytest.mark.parametrize("kind", [PlainProgress, LiveProgress])
def test_output_that_fails_ends_nothing(
    tmp_path: Path, kind: type[PlainProgress], error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    display = kind(Console(file=Broken(error), force_terminal=kind is LiveProgress), 2)
    with display:
        display.at("b", None, "does it")
        display.done(make_result(tmp_path, 0))
        display.done(make_failed(tmp_path, 1))
    assert f"cannot print: {type(error).__name__}" in caplog.text


SHOW = """
import sys
from pathlib import Path
from orchestrator.console import PlainProgress, say, terminal
from tests.measurement.records import make_result, make_failed
at = Path(sys.argv[1])
where = terminal()
display = PlainProgress(where, 2)
display.done(make_result(at, 0))
display.done(make_failed(at, 1))
for n in range(int(sys.argv[2])):
    say(where, f"line {n} 1.92× ± 3 – und Ökö…")
print("alive", file=sys.stderr)
"""


def shown(tmp_path: Path, encoding: str, lines: int = 1, **how: Any) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", SHOW, str(tmp_path), str(lines)]
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **how)


@pytest.mark.parametrize(
    ("encoding", "mark", "line"),
    [
        ("ascii", "] + pi4", "line 0 1.92x +- 3 - und ?k?..."),
        ("latin-1", "] + pi4", "line 0 1.92× ± 3 - und Ökö..."),
        ("utf-8", "] ✓ pi4", "line 0 1.92× ± 3 – und Ökö…"),
    ],
)
def test_every_encoding_has_marks(tmp_path: Path, encoding: str, mark: str, line: str) -> None:
    out, errors = shown(tmp_path, encoding).communicate(timeout=60)
    assert mark in out.decode(encoding) and line in out.decode(encoding)
    assert errors == b"alive\n"


def test_a_pipe_that_nobody_reads_ends_nothing(tmp_path: Path) -> None:
    process = shown(tmp_path, "utf-8", 20_000)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b"alive\n"
    process.stderr.close()
    assert process.wait(60) == 0


def test_a_result_in_a_line(tmp_path: Path) -> None:
    assert said(make_result(tmp_path, 0)).plain == "✓ pi4/mobilenetv2/none on pi4-01  41.2 ms  valid"
