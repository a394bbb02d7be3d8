"""TensorFlow as a runtime: the real program with this machine's own package."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from remote.inputs import seeded
from tests.remote.boards import Board
from tests.remote.test_benchmark import measure


@pytest.fixture(scope="module")
def frozen(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("frozen") / "m.graphdef"
    subprocess.run([sys.executable, str(Path(__file__).with_name("frozen.py")), str(path)], check=True)
    return path.read_bytes()


def run(board: Board, model: bytes, status: str = "done", **more: Any) -> dict[str, Any]:
    return measure(board, status, model=model, runtime="tensorflow", env=None, deadline_s=120.0, **more)


def test_a_frozen_graph_is_computed_in_the_order_of_its_names(board: Board, frozen: bytes, tmp_path: Path) -> None:
    record = run(board, frozen, threads=1)
    runtime, delegate = record["runtime"], record["runtime"]["delegate"]
    assert (runtime["name"], runtime["version"].count(".")) == ("tensorflow", 2)
    assert (delegate["state"], delegate["placement"]) == ("absent", [{"provider": "CPU", "nodes": 3}])
    shapes = [(one["name"], one["shape"], one["dtype"]) for one in (*record["inputs"], *record["outputs"])]
    assert shapes[:2] == [("image:0", [1, 4], "float32"), ("shift:0", [1, 3], "float32")]
    assert shapes[2:] == [("scores:0", [1, 3], "float32"), ("logits:0", [1, 3], "float32")]
    assert record["processes"][0]["output_finite"] and len(record["processes"][0]["invoke_ns"]) >= 10


def test_its_answers_are_those_of_the_graph(board: Board, frozen: bytes, tmp_path: Path) -> None:
    """In a process of its own, as the board's program would: TensorFlow is not loaded here."""
    path = tmp_path / "m.graphdef"
    path.write_bytes(frozen)
    code = (
        "import sys, numpy; from remote.runtimes import Asked, library; from remote.inputs import seeded\n"
        "session = library('tensorflow').load(Asked(sys.argv[1], 1, 'auto', None, None, {}, '.'))\n"
        "session.set_inputs(seeded(session.input_types(), 0)); session.call()\n"
        "numpy.savez(sys.argv[2], *session.get_outputs())"
    )
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", code, str(path), str(tmp_path / "a.npz")], check=True, cwd=root)
    image, shift = seeded([((1, 4), "float32", 0.0, 0), ((1, 3), "float32", 0.0, 0)], 0)
    logits = image @ np.array([[1, 0, 2], [0, 1, 0], [3, 0, 1], [0, 2, 0]], np.float32) + shift
    with np.load(tmp_path / "a.npz") as answers:
        np.testing.assert_allclose(answers["arr_1"], logits, rtol=1e-5)
        np.testing.assert_allclose(answers["arr_0"], np.exp(logits) / np.exp(logits).sum(), rtol=1e-5)


def test_what_it_cannot_execute(board: Board, frozen: bytes) -> None:
    error = run(board, b"no graph at all", "failed")["error"]
    assert "this is no .graphdef artifact" in error["message"] and error["phase"] == "load"
    assert "damaged" in run(board, frozen[:-40], "failed")["error"]["message"]


def test_a_gpu_that_is_not_there(board: Board, frozen: bytes) -> None:
    error = run(board, frozen, "failed", delegate="gpu")["error"]
    assert error["type"] == "DelegateNotEngaged"
    assert "delegate gpu was required, but TensorFlow" in error["message"]
