"""OpenVINO on the board: the real program with the real runtime, on both formats."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from remote.inputs import seeded
from remote.runtimes import tflite_file
from tests.builder.onnx_nets import counting, small
from tests.remote.boards import DATA, Board
from tests.remote.test_benchmark import measure
from tests.remote.wheels import pushed

ENV = "0" * 16


@pytest.fixture(scope="module")
def openvino(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pushed(tmp_path_factory.mktemp("openvino"), "openvino")


@pytest.fixture
def able(board: Board, openvino: Path) -> Board:
    (board.workdir / "envs" / ENV).symlink_to(openvino)
    return board


def run(board: Board, model: Path | str, status: str = "done", **more: Any) -> dict[str, Any]:
    data = model if isinstance(model, str) else model.read_bytes()
    return measure(board, status, model=data, runtime="openvino", env=ENV, **more)


def options(**settings: str) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in settings.items()]


def test_a_whole_measurement_of_an_onnx_file(able: Board, tmp_path: Path) -> None:
    model = small(tmp_path / "m.onnx")
    record = run(able, model, processes=2, threads=2, profile_runs=7)
    assert record["error"] is None
    runtime, delegate = record["runtime"], record["runtime"]["delegate"]
    assert (runtime["name"], runtime["threads"], runtime["engine"]) == ("openvino", 2, None)
    assert runtime["processor"].endswith("(CPU)"), "the devices that execute"
    assert (delegate["state"], delegate["name"], delegate["delegated_nodes"]) == ("absent", None, 0)
    assert delegate["placement"] == [{"provider": "CPU f32", "nodes": delegate["nodes"]}], "never bfloat16 unasked"
    assert record["inputs"] == [{"name": "image", "shape": [1, 3, 8, 8], "dtype": "float32"}]
    assert record["outputs"] == [{"name": "scores", "shape": [1, 4], "dtype": "float32"}]
    first, second = record["processes"]
    assert first["output_sha256"] == second["output_sha256"] and first["output_finite"]
    assert len(first["invoke_ns"]) >= 10 and first["end_to_end_ns"]
    assert (record["profile"]["tool"], record["profile"]["runs"]) == ("OpenVINO performance counters", 7)
    assert any(row["type"] == "Convolution" for row in record["profile"]["operators"])
    other = run(able, model, seed=1)["processes"][0]["output_sha256"]
    assert other != first["output_sha256"]  # what was set is what was computed on
    assert sorted(path.name for path in able.workdir.iterdir() if path.name.startswith("openvino")) == []


def test_a_quantized_tflite_file_is_computed_in_8_bits(able: Board) -> None:
    record = run(able, "tiny_int8")
    assert record["inputs"][0]["dtype"] == record["outputs"][0]["dtype"] == "int8"
    providers = {where["provider"] for where in record["runtime"]["delegate"]["placement"]}
    assert providers & {"CPU i8", "CPU u8"}


@pytest.mark.parametrize(("name", "step"), [("tiny_float", 1e-5), ("tiny_int8", 2)])
def test_a_tflite_file_gives_the_answers_of_its_own_interpreter(
    openvino: Path, tmp_path: Path, name: str, step: float
) -> None:
    """On the same seeded input, which is quantized with the file's own scale: OpenVINO does not keep that."""
    from ai_edge_litert.interpreter import Interpreter

    path = str(DATA / f"{name}.tflite")
    code = (
        "import sys; sys.path[:0] = sys.argv[1:3]\n"
        "import numpy; from remote.runtimes import Asked, library; from remote.inputs import seeded\n"
        "session = library('openvino').load(Asked(sys.argv[3], 1, 'auto', None, None, {}, sys.argv[4]))\n"
        "values = seeded(session.input_types(), 0); session.set_inputs(values); session.call()\n"
        "numpy.savez(sys.argv[4] + '/a.npz', *values, *session.get_outputs())"
    )
    words = [str(openvino), str(Path(__file__).parents[2]), path, str(tmp_path)]
    subprocess.run([sys.executable, "-I", "-c", code, *words], check=True)
    interpreter = Interpreter(model_path=path)
    interpreter.allocate_tensors()
    (given,), (answered,) = interpreter.get_input_details(), interpreter.get_output_details()
    (value,) = seeded([(tuple(given["shape"]), given["dtype"], *given["quantization"])], 0)
    interpreter.set_tensor(given["index"], value)
    interpreter.invoke()
    with np.load(tmp_path / "a.npz") as found:
        np.testing.assert_array_equal(found["arr_0"], value)
        own = interpreter.get_tensor(answered["index"])
        assert np.abs(found["arr_1"].astype(float) - own.astype(float)).max() <= step


def test_an_option_reaches_openvino(able: Board, tmp_path: Path) -> None:
    error = run(able, small(tmp_path / "m.onnx"), "failed", options=options(NONSENSE="1"))["error"]
    assert "Unsupported property NONSENSE" in error["message"] and error["phase"] == "load"


def test_a_device_that_is_not_there_fails_the_cell(able: Board, tmp_path: Path) -> None:
    error = run(able, small(tmp_path / "m.onnx"), "failed", delegate="npu")["error"]
    assert (error["type"], error["phase"]) == ("DelegateNotEngaged", "load")
    assert error["message"].startswith("delegate npu was required, but OpenVINO finds no such device here; it has CPU")


def test_what_is_no_model_and_what_is_open(able: Board, tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"no protocol buffer")
    assert "OpenVINO cannot read this .onnx model" in run(able, tmp_path / "bad.onnx", "failed")["error"]["message"]
    error = run(able, small(tmp_path / "m.onnx", batch="n"), "failed")["error"]
    assert "the shape of input image is open" in error["message"]
    assert run(able, counting(tmp_path / "c.onnx"))["outputs"][0]["shape"] == [2, None]


@pytest.mark.parametrize("name", ["tiny_float", "tiny_int8", "tiny_int16", "tiny_int32", "tiny_partial"])
def test_the_file_is_read_as_its_interpreter_reads_it(name: str) -> None:
    from ai_edge_litert.interpreter import Interpreter

    path = str(DATA / f"{name}.tflite")
    interpreter, graph = Interpreter(model_path=path), tflite_file.read(path)
    for details, told in (
        (interpreter.get_input_details(), graph.inputs),
        (interpreter.get_output_details(), graph.outputs),
    ):
        found = [(d["index"], d["name"], tuple(d["shape"]), d["dtype"].__name__, *d["quantization"]) for d in details]
        assert found == [(t.number, t.name, t.shape, t.dtype, pytest.approx(t.scale), t.zero_point) for t in told]
    assert graph.operators == len(interpreter._get_ops_details())


@pytest.mark.parametrize("data", [b"PK..", b"\x1c\x00\x00\x00TFL3" + bytes(100), b"\xff\xff\xff\x7fTFL3" + bytes(9)])
def test_a_file_that_is_none_is_a_value_error(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "m.tflite").write_bytes(data)
    with pytest.raises(ValueError, match=r"no \.tflite file|damaged"):
        tflite_file.read(str(tmp_path / "m.tflite"))
