"""Whole measurements with a real LiteRT on tiny real models."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from remote import benchmark, timing
from remote.benchmark import _fitting as fitting
from remote.contract import check_record, parse_record
from remote.inputs import seeded
from tests.remote.boards import Board
from tests.remote.test_contract import RECORD
from tests.remote.test_power import hwmon, ina3221_hwmon, rapl, scope
from tests.remote.test_sampler import pmic, vcgencmd
from tests.remote.test_supervisor import crashing

PASS: dict[str, Any] = {
    "idle": [],
    "windows": [{"begin_s": 1.0, "end_s": 2.0, "inferences": 1, "group": 1, "invoke_ns": [1], "cpu_ns": 1}],
    "traces": [],
}


def measure(board: Board, status: str = "done", **changes: Any) -> dict[str, Any]:
    """Run a job to its record, which the contract must take."""
    client = board.attached[0] if board.attached else board.attach()
    job = board.job(**changes)
    assert "ok" in client.ask("start", job=job)
    last = client.follow(job["run_id"])[-1]["event"]
    folder = board.workdir / "jobs" / job["run_id"]
    assert last["status"] == status, (last, (folder / "log.txt").read_text())
    return parse_record((folder / "record.json").read_bytes())


def test_a_whole_measurement(ready: Board) -> None:
    client = ready.attach()
    job = ready.job(processes=2)
    client.ask("start", job=job)
    events = [message["event"] for message in client.follow(job["run_id"])]
    names = [event["event"] for event in events]
    assert names == ["started", *["process", "loaded", "measured"] * 2, "finished"]
    record = parse_record((ready.workdir / "jobs" / job["run_id"] / "record.json").read_bytes())
    assert record["error"] is None
    assert record["runtime"]["name"] == "litert"
    assert record["runtime"]["threads"] == 1
    assert record["inputs"][0]["shape"] == [1, 16, 16, 3]
    assert record["energy"] == {"sensors": [], "pass": None, "reason": "not asked for: energy_s is 0"}
    first, second = record["processes"]
    assert first["output_sha256"] == second["output_sha256"]
    for process in (first, second):
        assert process["output_finite"]
        assert process["group"] > 1  # this model takes microseconds
        assert len(process["invoke_ns"]) >= 10
        assert sum(process["invoke_ns"]) <= process["window_ns"]
        assert process["window_ns"] >= 0.1e9
        assert process["warmup_ns"] >= 0.02e9
        assert process["warmup_runs"] >= 3
        assert process["end_to_end_ns"]
        assert process["cpu_ns"] > 0
        assert process["rss_start_bytes"] < process["rss_loaded_bytes"] <= process["peak_rss_bytes"]
        assert process["end_s"] - process["begin_s"] == pytest.approx(process["window_ns"] / 1e9, abs=0.01)
    assert len(record["state"]["samples"]) >= 2


def test_a_raw_value_is_at_least_a_millisecond(ready: Board) -> None:
    process = measure(ready, window_s=0.3)["processes"][0]
    values = sorted(process["invoke_ns"])
    assert values[len(values) // 10] >= 1_000_000


@pytest.mark.parametrize(
    ("model", "xnnpack", "state", "partitions", "nodes", "delegated"),
    [
        ("tiny_float", "auto", "engaged", 1, 5, 5),
        ("tiny_float", "require", "engaged", 1, 5, 5),
        ("tiny_float", "off", "absent", 0, 5, 0),
        ("tiny_int8", "auto", "engaged", 1, 5, 4),  # the last SOFTMAX is left to the built-in kernels
        ("tiny_partial", "auto", "engaged", 2, 9, 6),
        ("tiny_int32", "auto", "absent", 0, 1, 0),
        ("tiny_int16", "auto", "absent", 0, 5, 0),  # int16x8: no kernel of XNNPACK takes it
    ],
)
def test_how_much_a_delegate_took(
    ready: Board, model: str, xnnpack: str, state: str, partitions: int, nodes: int, delegated: int
) -> None:
    delegate = measure(ready, model=model, xnnpack=xnnpack)["runtime"]["delegate"]
    assert (delegate["state"], delegate["partitions"]) == (state, partitions)
    assert (delegate["nodes"], delegate["delegated_nodes"]) == (nodes, delegated)
    assert delegate["requested"] == xnnpack
    assert delegate["name"] == ("XNNPACK" if state == "engaged" else None)
    assert (delegate["reason"] is None) == (state == "engaged")
    held = {where["provider"]: where["nodes"] for where in delegate["placement"]}
    assert held == {k: v for k, v in {"XNNPACK": delegated, "built-in kernels": nodes - delegated}.items() if v}


def test_a_required_delegate_that_does_not_engage_fails(ready: Board) -> None:
    error = measure(ready, "failed", model="tiny_int32", xnnpack="require")["error"]
    assert error["type"] == "DelegateNotEngaged"
    assert error["phase"] == "load"
    assert "XNNPACK was required" in error["message"]


@pytest.mark.parametrize("data", [b"", b"no model at all", b"\x1c\x00\x00\x00TFL3" + bytes(100)])
def test_a_model_that_the_runtime_refuses(ready: Board, data: bytes) -> None:
    error = measure(ready, "failed", model=data)["error"]
    assert error["phase"] in ("load", "before loaded")
    assert error["type"] in ("ValueError", "RuntimeError", "WorkerDied")
    assert error["message"]


def test_a_failure_in_words_that_no_file_takes(board: Board) -> None:
    """A file name on the board may hold any byte, and a runtime may colour what it says."""
    source = "class Odd(Exception): pass\n"
    source += "raise Odd('\\udc80 \\x1b[31mred\\x1b[0m\\r\\n\\ttab' + '\\x1b' * 4000)\n"
    error = measure(board, "failed", env=crashing(board, source))["error"]
    assert error["type"] == "Odd"
    assert error["message"].startswith("\\udc80 \\x1b[31mred\\x1b[0m\n\ttab\\x1b")
    assert len(error["message"]) == 4000
    assert "raise Odd" in error["traceback"] or "Odd:" in error["traceback"]


def test_a_record_that_would_be_refused_is_an_error_that_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    assert fitting(RECORD) == RECORD
    assert fitting({**RECORD, "boot_id": "\x1b"})["boot_id"] == "\\x1b"
    assert list(fitting(RECORD))[-1] == "error"  # by which a supervisor tells a good one
    bad = fitting({**RECORD, "boot_id": "x" * 101})
    assert bad["error"]["message"].startswith("record.boot_id: ")
    assert check_record(bad)["processes"] == []
    twice = fitting({**RECORD, "inputs": None, "error": {"type": "OutOfMemory"}})
    assert "OutOfMemory" in check_record(twice)["error"]["traceback"]
    monkeypatch.setattr("remote.contract.MAX_RECORD_BYTES", 100)
    assert "of 100; measure less" in fitting(RECORD)["error"]["message"]


def test_a_runtime_that_is_not_there(ready: Board) -> None:
    error = measure(ready, "failed", runtime="tflite_runtime")["error"]
    assert error["type"] == "ModuleNotFoundError"
    assert error["phase"] == "import"
    assert "tflite_runtime" in error["message"]


def test_not_a_number_is_seen(ready: Board) -> None:
    record = measure(ready, model="tiny_nan")
    assert record["processes"][0]["output_finite"] is False


def test_threads_are_set_and_recorded(ready: Board) -> None:
    assert measure(ready, threads=2)["runtime"]["threads"] == 2


def test_the_seed_decides_the_input(ready: Board) -> None:
    hashes = [measure(ready, seed=seed)["processes"][0]["output_sha256"] for seed in (0, 0, 1)]
    assert hashes[0] == hashes[1] != hashes[2]


def test_a_long_log_and_stray_prints_break_nothing(ready: Board, runtime: Path) -> None:
    noisy = ready.workdir / "envs" / ("a" * 16)
    noisy.mkdir()
    for path in runtime.iterdir():
        (noisy / path.name).symlink_to(path)
    (noisy / "ai_edge_litert").unlink()
    (noisy / "ai_edge_litert").mkdir()
    for path in (runtime / "ai_edge_litert").iterdir():
        (noisy / "ai_edge_litert" / path.name).symlink_to(path)
    module = noisy / "ai_edge_litert" / "interpreter.py"
    source = module.read_text()
    module.unlink()
    module.write_text(source + "\nprint('noise ' * 100000)\nimport os\nos.write(1, b'{\"process\": 1}\\n')\n")
    assert measure(ready, env="a" * 16)["error"] is None


# -- the same input for every optimization


@pytest.mark.parametrize(("kind", "scale", "zero"), [(np.int8, 0.0078, -1), (np.int16, 1 / 32767, 0)])
def test_an_integer_input_is_its_float_twin_quantized(kind: type, scale: float, zero: int) -> None:
    (plain,) = seeded([((2, 3), np.float32, 0.0, 0)], 5)
    (quantized,) = seeded([((2, 3), kind, scale, zero)], 5)
    assert plain.dtype == np.float32
    assert quantized.dtype == kind
    assert np.abs((quantized.astype(float) - zero) * scale - plain).max() <= scale
    assert np.abs(plain).max() <= 1


def test_other_types() -> None:
    whole, flag, unsigned = seeded(
        [((50,), np.int32, 0.0, 0), ((50,), np.bool_, 0.0, 0), ((50,), np.uint8, 0.5, 128)], 0
    )
    assert set(whole.tolist()) == {0, 1}
    assert flag.dtype == np.bool_
    assert unsigned.min() >= 126
    with pytest.raises(TypeError, match="cannot be made up"):
        seeded([((1,), np.bytes_, 0.0, 0)], 0)


def test_the_loop_honours_both_conditions() -> None:
    calls: list[int] = []
    assert len(timing.durations(lambda: calls.append(1), 1, 0.0, 7)) == 7
    assert len(timing.durations(lambda: calls.append(1), 10, 0.0, 7)) == 7
    assert len(calls) == 77
    assert sum(timing.durations(lambda: None, 1000, 0.05, 1)) > 0.03e9


def test_the_group_makes_a_millisecond() -> None:
    assert timing.group_for([2_000_000, 1_000_000]) == 1
    assert timing.group_for([10_000] * 9 + [10_000_000]) * 10_000 >= 1_000_000
    assert timing.group_for([0]) > 1


# -- energy, with sensors in a file tree


def run_benchmark(board: Board, sys_root: Path, path: str = "", **changes: Any) -> dict[str, Any]:
    """The benchmark verb alone, as the supervisor starts it, but with another /sys."""
    job = board.job(**changes)
    folder = board.workdir / "jobs" / job["run_id"]
    folder.mkdir()
    (folder / "job.json").write_text(json.dumps(job))
    command = [sys.executable, "-I", "-S", str(board.program), "benchmark", "--workdir", str(board.workdir)]
    command += ["--run-id", job["run_id"], "--parent", str(os.getpid()), "--sys-root", str(sys_root)]
    environment = {**os.environ, "PATH": path or os.environ["PATH"]}
    done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, timeout=60, env=environment)
    assert done.returncode == 0, done.stderr.decode()
    return parse_record((folder / "record.json").read_bytes())


def spans(measured: dict[str, Any]) -> list[tuple[float, float]]:
    """Idle, windows, idle: as they should follow each other."""
    before, after = measured["idle"]
    return [(span["begin_s"], span["end_s"]) for span in (before, *measured["windows"], after)]


def test_energy_of_sampled_sensors(ready: Board, tmp_path: Path) -> None:
    ina3221_hwmon(tmp_path / "sys", ("VDD_IN", "VDD_CPU_GPU_CV", "VDD_SOC"), watts=5.0)
    hwmon(tmp_path / "sys", 0, "pmbus", 9_000_000, "pin")
    outcome = run_benchmark(
        ready, tmp_path / "sys", energy_s=0.3, idle_s=0.2, sensor_scopes=[scope("pmbus/*", "board_dc_in")]
    )["energy"]
    measured = outcome["pass"]
    assert outcome["reason"] is None
    board, module = measured["traces"]
    assert (board["reader"], board["scope"], {watts for _, watts in board["points"]}) == ("hwmon", "board_dc_in", {9.0})
    assert (module["reader"], module["scope"], module["kind"]) == ("ina3221", "module_in", "sampled")
    assert {watts for _, watts in module["points"]} == {5.0}
    edges = spans(measured)
    assert len(edges) == 4 and edges == sorted(edges)
    assert all(begin + 0.2 <= end for begin, end in edges)
    assert all(one["inferences"] == one["group"] * len(one["invoke_ns"]) > 0 for one in measured["windows"])
    for trace in measured["traces"]:
        assert trace["points"][0][0] <= edges[0][0] and trace["points"][-1][0] >= edges[-1][1]
        assert trace["rate_hz"] == 10 and trace["missed"] == 0 and trace["problem"] is None


def test_energy_of_a_counter(ready: Board, tmp_path: Path) -> None:
    (zone,) = rapl(tmp_path / "sys", energy_uj=262143000000)
    stop = threading.Event()

    def count() -> None:
        value = 262143000000
        with (zone / "energy_uj").open("r+") as stream:
            while not stop.wait(0.005):
                value = (value + 50_000) % 262143328850  # 10 W
                stream.seek(0)
                stream.write(f"{value:012d}\n")
                stream.flush()

    thread = threading.Thread(target=count)
    thread.start()
    try:
        outcome = run_benchmark(ready, tmp_path / "sys", energy_s=0.5, energy_windows=1, idle_s=0.1)["energy"]
    finally:
        stop.set()
        thread.join()
    (trace,) = outcome["pass"]["traces"]
    assert (trace["scope"], trace["kind"]) == ("cpu_package", "counter")
    (begin_s, first_j), (end_s, last_j) = trace["points"][0], trace["points"][-1]
    assert first_j == 0
    # The thread is late on a busy machine.
    assert last_j / (end_s - begin_s) == pytest.approx(10.0, rel=0.5)
    assert all(before[1] <= after[1] for before, after in pairwise(trace["points"]))


def test_no_sensor_is_null_with_a_reason_unless_an_instrument_is_beside_the_board(ready: Board, tmp_path: Path) -> None:
    outcome = run_benchmark(ready, tmp_path / "sys", energy_s=1.0)["energy"]
    assert outcome["pass"] is None
    assert outcome["sensors"] == []
    assert "no power sensor" in outcome["reason"]
    metered = run_benchmark(ready, tmp_path / "sys", energy_s=0.1, idle_s=0.1, meter=True)["energy"]
    assert "no power sensor" in metered["reason"]
    assert metered["pass"]["traces"] == []
    assert len(spans(metered["pass"])) == 4


@pytest.mark.parametrize(
    ("blow", "problem"), [("KILL", "the sampler was ended by SIGKILL"), ("STOP", "the sampler hung in a read")]
)
def test_a_sampler_that_dies_or_hangs_costs_its_readings_and_not_the_latencies(
    ready: Board, tmp_path: Path, blow: str, problem: str
) -> None:
    """It is struck down by the program that it asks: the fourth time, in the first window."""
    script = f"echo >> {tmp_path}/asked\n[ $(wc -l < {tmp_path}/asked) -lt 4 ] || kill -{blow} $PPID"
    path = vcgencmd(tmp_path / "bin", f"[ $1 = pmic_read_adc ] || exit 1\n{script}\n{pmic()}")
    record = run_benchmark(ready, tmp_path / "sys", path, energy_s=0.3, energy_windows=1)
    assert record["error"] is None
    assert record["processes"][0]["invoke_ns"]
    (trace,) = record["energy"]["pass"]["traces"]
    assert trace["problem"].startswith(problem)
    assert trace["missed"] == 1
    assert len(trace["points"]) == 1
    assert trace["points"][-1][0] < record["energy"]["pass"]["windows"][0]["end_s"]


def test_readings_that_cannot_be_cost_the_energy_and_not_the_latencies(
    board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = benchmark._Job(str(board.workdir), board.job(energy_s=1.0), SimpleNamespace(emit=None), "/none")
    sampler = SimpleNamespace(sensors=[], reason=None, traces=[{}], close=lambda: None)
    monkeypatch.setattr("remote.energy.Readings", lambda *_: sampler)
    monkeypatch.setattr("remote.energy.energy_pass", lambda *_: {**PASS, "windows": []})
    outcome = job._energy()
    assert outcome["pass"] is None
    assert outcome["reason"].startswith("the readings cannot be: record.energy.pass.windows")
    monkeypatch.setattr("remote.energy.energy_pass", lambda *_: PASS)
    assert job._energy()["pass"] == PASS
