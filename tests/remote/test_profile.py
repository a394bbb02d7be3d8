"""Time by operator: the real profilers on tiny models, and what becomes of one that fails."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from remote import benchmark, child
from remote.runtimes import NoProfiler
from remote.runtimes.litert_profile import Compiled
from remote.runtimes.onnx_profile import summary
from tests.remote.boards import Board
from tests.remote.test_benchmark import measure


def test_litert_tells_what_xnnpack_and_the_built_in_kernels_take(ready: Board) -> None:
    record = measure(ready, model="tiny_int8", profile_runs=30)
    profile = record["profile"]
    assert (record["profile_reason"], profile["tool"], profile["runs"]) == (None, "LiteRT profiler", 30)
    delegate = record["runtime"]["delegate"]
    rows = profile["operators"]
    assert {row["provider"] for row in rows} == {"XNNPACK", "built-in kernels"}
    built_in = [row for row in rows if row["provider"] == "built-in kernels"]
    assert [(row["type"], row["count"]) for row in built_in] == [("SOFTMAX", 1)]
    assert delegate["nodes"] - delegate["delegated_nodes"] == 1  # the profiler saw the same one
    assert any("Convolution" in row["type"] for row in rows)


def test_a_profiler_that_crashes_costs_no_measurement(board: Board, runtime: Path) -> None:
    package = board.workdir / "envs" / ("e" * 16) / "ai_edge_litert"
    package.mkdir(parents=True)
    (package.parent / "numpy").symlink_to(runtime / "numpy")
    (package.parent / "numpy.libs").symlink_to(runtime / "numpy.libs")
    for path in (runtime / "ai_edge_litert").iterdir():
        (package / path.name).symlink_to(path)
    (package / "interpreter.py").unlink()
    crash = "import os, sys\nif sys.argv[-1] == 'profile':\n    os.kill(os.getpid(), 11)\n"
    (package / "interpreter.py").write_text((runtime / "ai_edge_litert" / "interpreter.py").read_text() + crash)
    record = measure(board, profile_runs=5)
    assert record["error"] is None and len(record["processes"]) == 1
    assert record["profile"] is None
    assert "the profiler failed: the measuring process was ended by SIGSEGV" in record["profile_reason"]


@pytest.mark.parametrize(("longest_s", "deadline_s", "says"), [(0.1, 60.0, "within 0.1 s"), (30.0, 0.2, "within 0.1")])
def test_a_profiler_that_hangs_costs_no_measurement(
    board: Board, monkeypatch: pytest.MonkeyPatch, longest_s: float, deadline_s: float, says: str
) -> None:
    monkeypatch.setattr(child, "python_command", lambda *_, **__: [sys.executable, "-c", "import time; time.sleep(60)"])
    monkeypatch.setattr(benchmark, "LONGEST_PROFILE_S", longest_s)
    monkeypatch.setattr(benchmark, "PROFILE_START_S", 0.0)
    order = board.job(profile_runs=5, processes=0, deadline_s=deadline_s)
    (board.workdir / "jobs" / order["run_id"]).mkdir(parents=True)
    events = SimpleNamespace(emit=lambda *_, **__: None)
    job = benchmark._Job(str(board.workdir), order, events, str(board.workdir))  # type: ignore[arg-type]
    began_s = time.monotonic()
    record = job.run()
    assert time.monotonic() - began_s < 9  # not the 10 s after which a process that does not end is killed anyway
    assert (record["error"], record["profile"]) == (None, None)
    assert says in record["profile_reason"] and record["profile_reason"].startswith("the profiler failed: ")


@pytest.mark.parametrize(("library", "why"), [("/nowhere.so", "no profiler that can be"), ("libc.so.6", "no function")])
def test_a_litert_without_the_functions_says_so(library: str, why: str) -> None:
    with pytest.raises(NoProfiler, match=why):
        Compiled(library, "model.tflite", 1, "auto")


def event(name: str, us: int, kind: str = "", category: str = "Node") -> str:
    more = {"op_name": kind, "provider": "CPUExecutionProvider"} if category == "Node" else {}
    return json.dumps({"cat": category, "name": name, "dur": us, "args": more}) + ",\n"


def call(first_us: int) -> list[str]:
    fence = event("c_fence_before", 9)  # of older versions: no operator
    return [
        *(fence, event("c_kernel_time", first_us, "Conv"), event("s_kernel_time", 1, "Softmax")),
        event("model_run", first_us + 5, category="Session"),
    ]


def test_onnx_runtimes_file_is_summed_over_whole_calls() -> None:
    lines = ["[\n", *call(1000), *call(10), *call(12), event("c_kernel_time", 500, "Conv").rstrip(",\n"), "\n]\n"]
    profile = summary(lines, skip=1)
    assert profile["runs"] == 2
    assert [(row["type"], row["count"], row["total_ns"]) for row in profile["operators"]] == [
        ("Conv", 1.0, 22_000),
        ("Softmax", 1.0, 2_000),
    ]


@pytest.mark.parametrize("lines", [["[\n", "]"], call(3), ["no json"]])
def test_a_file_without_calls_is_no_profile(lines: list[str]) -> None:
    with pytest.raises(NoProfiler):
        summary(lines, skip=1)
