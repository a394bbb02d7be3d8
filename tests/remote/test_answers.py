"""The board's answers to stored inputs, with the real runtimes, and what becomes of those that cannot be had."""

from __future__ import annotations

import base64
import io
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from orchestrator.evaluation import Evaluation
from orchestrator.quality.answers import meant
from remote import contract_quality
from remote.contract import ContractError
from remote.contract_quality import check_quality
from remote.stored_inputs import inputs_of
from tests.remote.boards import DATA, Board
from tests.remote.test_benchmark import measure


def shape_of(model: str) -> tuple[int, ...]:
    interpreter = Interpreter(str(DATA / f"{model}.tflite"))
    return tuple(int(size) for size in interpreter.get_input_details()[0]["shape"])


def stored(board: Board, tmp_path: Path, values: np.ndarray[Any, Any], **more: Any) -> dict[str, Any]:
    path = tmp_path / "evaluation.npz"
    Evaluation((values,), **more).write(path)
    return {"sha256": board.blob(path.read_bytes()), "samples": len(values)}


def alone(model: str, values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """What the model answers here, one sample after the other."""
    interpreter = Interpreter(str(DATA / f"{model}.tflite"))
    interpreter.allocate_tensors()
    given, told = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    found = []
    for one in values:
        scale, zero = given["quantization"]
        levels = np.clip(np.rint(one / scale) + zero, -128, 127) if scale else one
        interpreter.set_tensor(given["index"], levels.astype(given["dtype"]).reshape(given["shape"]))
        interpreter.invoke()
        out = interpreter.get_tensor(told["index"])[0].astype(np.float64)
        scale, zero = told["quantization"]
        found.append((out - zero) * scale if scale else out)
    return np.array(found)


@pytest.mark.parametrize("model", ["tiny_float", "tiny_int8"])
def test_the_board_answers_every_stored_sample(ready: Board, tmp_path: Path, model: str) -> None:
    values = np.random.default_rng(3).uniform(-1, 1, (7, *shape_of(model)[1:])).astype(np.float32)
    record = measure(ready, model=model, quality=stored(ready, tmp_path, values))
    assert record["quality_reason"] is None
    assert (record["quality"]["samples"], record["quality"]["batch"]) == (7, 1)
    np.testing.assert_allclose(meant(record["quality"]), alone(model, values), atol=1e-6)
    assert record["quality"]["duration_ns"] > 0


def test_fewer_samples_are_the_first_ones(ready: Board, tmp_path: Path) -> None:
    values = np.random.default_rng(3).uniform(-1, 1, (7, *shape_of("tiny_float")[1:])).astype(np.float32)
    asked = stored(ready, tmp_path, values) | {"samples": 2}
    record = measure(ready, quality=asked)
    np.testing.assert_allclose(meant(record["quality"]), alone("tiny_float", values[:2]), atol=1e-6)


def test_bytes_become_the_floats_that_the_model_takes(ready: Board, tmp_path: Path) -> None:
    shape = shape_of("tiny_float")[1:]
    pixels = np.random.default_rng(3).integers(0, 256, (3, *shape)).astype(np.uint8)
    affine = np.full(shape[-1], 1 / 127.5, np.float32), np.full(shape[-1], -1, np.float32)
    record = measure(ready, quality=stored(ready, tmp_path, pixels, affine=affine))
    values = pixels.astype(np.float32) * affine[0] + affine[1]
    np.testing.assert_allclose(meant(record["quality"]), alone("tiny_float", values), atol=1e-6)


def test_inputs_of_another_shape_are_a_reason_and_no_failure(ready: Board, tmp_path: Path) -> None:
    record = measure(ready, quality=stored(ready, tmp_path, np.zeros((2, 5), np.float32)))
    assert record["error"] is None and record["processes"]
    assert record["quality"] is None
    assert "the stored inputs have the shape [1, 5], the model takes" in record["quality_reason"]


def test_a_crash_while_it_answers_costs_no_measurement(ready: Board, tmp_path: Path) -> None:
    asked = {"sha256": ready.blob(b"no archive"), "samples": 2}
    record = measure(ready, quality=asked)
    assert record["error"] is None and record["processes"]
    assert record["quality_reason"].startswith("the answers failed: ")


def test_nothing_is_answered_where_nothing_was_asked(ready: Board) -> None:
    record = measure(ready)
    assert (record["quality"], record["quality_reason"]) == (None, "not asked for")


def test_answers_end_where_they_have_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    from remote import quality

    class Session:
        def input_types(self) -> list[Any]:
            return [((2, 3), np.float32, 0.0, 0)]

        def set_inputs(self, values: list[Any]) -> None:
            self.last = values[0]

        def call(self) -> None:
            self.answers = self.last * 2

        def get_outputs(self) -> list[Any]:
            return [self.answers]

    values = np.arange(15, dtype=np.float32).reshape(5, 3)
    answers, batch, _ = quality._loop(Session(), [values], 60.0)
    np.testing.assert_array_equal(answers, values * 2)  # the last batch was filled up, and cut again
    assert batch == 2
    monkeypatch.setattr(quality, "MAX_OUTPUT_BYTES", 50)  # of 24 a batch
    assert len(quality._loop(Session(), [values], 60.0)[0]) == 4
    assert len(quality._loop(Session(), [values], -1.0)[0]) == 2  # no time: one batch
    monkeypatch.setattr(quality, "MAX_OUTPUT_BYTES", 20)
    with pytest.raises(quality.NoAnswers, match="too much to bring home"):
        quality._loop(Session(), [values], 60.0)


def test_what_a_board_calls_answers_is_not_believed(ready: Board, tmp_path: Path) -> None:
    values = np.zeros((2, *shape_of("tiny_float")[1:]), np.float32)
    quality = measure(ready, quality=stored(ready, tmp_path, values))["quality"]
    output = quality["outputs"][0]
    bomb = base64.b64encode(zlib.compress(bytes(contract_quality.MAX_OUTPUT_BYTES + 1))).decode()
    for wrong, says in (
        ({"data": "!"}, "cannot be read"),
        ({"data": bomb}, "are more than"),
        ({"dtype": "object"}, "no answers to samples"),
        ({"shape": [3, *output["shape"][1:]]}, "no answers to samples"),
        ({"shape": [2, 10**6]}, "which is not"),
        ({"data": output["data"][:8]}, "cut off"),
    ):
        with pytest.raises(Exception, match=says) as caught:
            meant(quality | {"outputs": [output | wrong]})
        assert type(caught.value).__name__ == "MeasurementError", wrong
    for broken in ({"samples": 0}, {"inputs_sha256": "x"}, {"outputs": [output | {"data": 5}]}):
        with pytest.raises(ContractError, match="quality"):
            check_quality(quality | broken)


def test_the_file_reads_back_as_it_was(tmp_path: Path) -> None:
    first, second = np.ones((3, 2), np.float32), np.arange(3, dtype=np.int32)
    made = Evaluation((first, second), reference=np.zeros((3, 4)), labels=np.array([1, 0, 2]))
    made.write(tmp_path / "a.npz")
    made.write(tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    read = Evaluation.read(tmp_path / "a.npz")
    assert [array.dtype.name for array in read.inputs] == ["float32", "int32"]
    assert read.labels is not None and read.labels.tolist() == [1, 0, 2]
    with np.load(io.BytesIO((tmp_path / "a.npz").read_bytes())) as opened:
        assert [len(array) for array in inputs_of(opened, 1, 3)] == [2, 2]
    assert sys.byteorder == "little"
