"""ONNX Runtime on the board: the real program with the real runtime."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from remote.contract import ContractError, check_job
from tests.builder.onnx_nets import counting, small
from tests.remote.boards import Board, install
from tests.remote.test_benchmark import measure

ENV = "0" * 16


@pytest.fixture(scope="session")
def onnxruntime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(tmp_path_factory.mktemp("onnxruntime"), sys.executable, "onnxruntime", "numpy")


@pytest.fixture
def able(board: Board, onnxruntime: Path) -> Board:
    (board.workdir / "envs" / ENV).symlink_to(onnxruntime)
    return board


def run(board: Board, model: Path, status: str = "done", **more: Any) -> dict[str, Any]:
    return measure(board, status, model=model.read_bytes(), runtime="onnxruntime", env=ENV, **more)


def test_a_whole_measurement(able: Board, tmp_path: Path) -> None:
    model = small(tmp_path / "m.onnx")
    record = run(able, model, processes=2, threads=2, profile_runs=7)
    assert record["error"] is None
    assert (record["runtime"]["name"], record["runtime"]["threads"]) == ("onnxruntime", 2)
    assert record["inputs"] == [{"name": "image", "shape": [1, 3, 8, 8], "dtype": "float32"}]
    assert record["outputs"] == [{"name": "scores", "shape": [1, 4], "dtype": "float32"}]
    delegate = record["runtime"]["delegate"]
    assert (delegate["state"], delegate["name"], delegate["nodes"]) == ("absent", None, 5)
    assert delegate["placement"] == [{"provider": "CPUExecutionProvider", "nodes": 5}]
    assert delegate["delegated_nodes"] == 0
    first, second = record["processes"]
    assert first["output_sha256"] == second["output_sha256"]
    assert first["output_finite"]
    assert len(first["invoke_ns"]) >= 10
    assert first["end_to_end_ns"]
    assert (record["profile"]["tool"], record["profile"]["runs"]) == ("ONNX Runtime profiler", 7)
    operators = {row["type"]: (row["provider"], row["count"]) for row in record["profile"]["operators"]}
    assert operators["Softmax"] == ("CPUExecutionProvider", 1)
    assert not list(able.workdir.rglob("profile*"))
    other = run(able, model, seed=1)["processes"][0]["output_sha256"]
    assert other != first["output_sha256"]  # what was set is what was computed on


def test_whole_numbers_and_an_output_whose_size_is_open(able: Board, tmp_path: Path) -> None:
    record = run(able, counting(tmp_path / "m.onnx"))
    assert record["outputs"][0]["shape"] == [2, None]
    assert record["inputs"][1]["dtype"] == "int64"


def test_a_required_delegate_is_not_there(able: Board, tmp_path: Path) -> None:
    error = run(able, small(tmp_path / "m.onnx"), "failed", xnnpack="require")["error"]
    assert error["type"] == "DelegateNotEngaged"
    assert "XnnpackExecutionProvider was asked for, but the session has only CPUExecutionProvider" in error["message"]


def test_what_is_no_model_and_what_is_open(able: Board, tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"no protocol buffer")
    error = run(able, tmp_path / "bad.onnx", "failed")["error"]
    assert (error["phase"], error["type"]) == ("load", "InvalidProtobuf")
    error = run(able, small(tmp_path / "m.onnx", batch="n"), "failed")["error"]
    assert "the shape of input image is open" in error["message"]


def test_a_job_that_its_runtime_cannot_execute_is_refused(board: Board) -> None:
    with pytest.raises(ContractError, match="onnxruntime does not execute tflite"):
        check_job(board.job(runtime="onnxruntime", artifact={"sha256": "0" * 64, "format": "tflite"}))
