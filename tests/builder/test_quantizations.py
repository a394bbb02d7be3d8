"""What each quantization does to the graph, from a Keras model and from a float file, and how near it stays."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits
from tensorflow.lite.python import schema_py_generated as schema

from orchestrator.artifact import Artifact
from orchestrator.builder import cost
from orchestrator.builder.effects import check_effects
from orchestrator.builder.flatbuffer import read_graph
from orchestrator.builder.kept import CONVERSIONS
from orchestrator.builder.source import UNKNOWN as NOISE
from orchestrator.errors import BuildError, ConfigError, UnsupportedOptimization
from tests.builder.conftest import DIGITS, Build, net, own_file, recipe
from tests.builder.judging import answers_of

pytestmark = pytest.mark.slow


def kernels(artifact: Artifact) -> list[tuple[str, int]]:
    graph = read_graph(artifact.path.read_bytes())
    return [(w.tensor.dtype, w.tensor.scales.size) for w in cost.weights(graph) if w.role == "kernel"]


def ends(artifact: Artifact) -> set[str]:
    return {port["dtype"] for port in (*artifact.manifest["inputs"], *artifact.manifest["outputs"])}


CASES: list[tuple[str, dict[str, Any], str, set[str], float]] = [
    ("float16", {}, "float16", {"float32"}, 70),
    ("dynamic_range", {}, "int8", {"float32"}, 40),
    ("dynamic_range", {"granularity": "per_tensor"}, "int8", {"float32"}, 40),
    ("weight_only", {}, "int8", {"float32"}, 40),
    ("weight_only", {"granularity": "per_tensor"}, "int8", {"float32"}, 40),
    ("int8", {}, "int8", {"int8"}, 38),
    ("int8", {"io": "float"}, "int8", {"float32"}, 38),
    ("int8", {"granularity": "per_tensor"}, "int8", {"int8"}, 38),
    ("int16x8", {}, "int8", {"int16"}, 40),
    ("int16x8", {"io": "float"}, "int8", {"float32"}, 40),
    ("int16x8", {"granularity": "per_tensor"}, "int8", {"int16"}, 40),
]
IDS = ["-".join([steps, *map(str, more.values())]) for steps, more, *_ in CASES]


@pytest.fixture(scope="session")
def float_file(build: Build, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("float") / "digits.tflite"
    path.write_bytes(build(DIGITS).path.read_bytes())
    return path


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What digits.tflite takes."""
    path = tmp_path_factory.mktemp("images") / "digits.npz"
    found = load_digits()
    np.savez(path, x=(found.images[..., np.newaxis] / 16).astype(np.float32), y=found.target)
    return path


@pytest.mark.parametrize(("steps", "more", "dtype", "io", "least_db"), CASES, ids=IDS)
def test_from_a_keras_model(
    build: Build, steps: str, more: dict[str, Any], dtype: str, io: set[str], least_db: float
) -> None:
    artifact = build(DIGITS, steps, **more)
    found = kernels(artifact)
    assert dtype in {kind for kind, _ in found}
    assert ends(artifact) == io
    assert answers_of(artifact).sqnr_db > least_db
    assert answers_of(artifact).top1 > 0.93
    assert artifact.size_bytes < 0.75 * build(DIGITS).size_bytes
    scales = {size for kind, size in found if kind == "int8"}
    if more.get("granularity") == "per_tensor":
        assert scales == {1}
    elif dtype == "int8":
        assert max(scales) > 1


@pytest.mark.parametrize(("steps", "more", "dtype", "io", "least_db"), CASES, ids=IDS)
def test_from_a_float_file_without_its_model(
    build: Build,
    float_file: Path,
    images: Path,
    steps: str,
    more: dict[str, Any],
    dtype: str,
    io: set[str],
    least_db: float,
) -> None:
    artifact = build(replace(own_file(float_file), data=str(images)), steps, **more)
    assert {kind for kind, _ in kernels(artifact)} == {dtype}
    assert ends(artifact) == io
    assert answers_of(artifact).sqnr_db > least_db
    assert answers_of(artifact).top1 > 0.93
    assert artifact.size_bytes < 0.75 * float_file.stat().st_size
    assert "ai-edge-quantizer" in artifact.manifest["versions"]
    if steps in ("int8", "int16x8"):
        assert "samples of digits.npz" in artifact.manifest["calibration"]["source"]


def test_a_file_of_which_nothing_is_known_is_calibrated_on_noise(build: Build, float_file: Path) -> None:
    artifact = build(own_file(float_file), "int8")
    assert artifact.manifest["calibration"] == {"source": NOISE, "samples": 20}
    assert artifact.manifest["notes"][0].startswith(f"activation ranges come from {NOISE}")
    assert answers_of(artifact).sqnr_db > 20


def test_the_same_samples_give_the_same_ranges_by_either_tool(build: Build) -> None:
    """With an operator kept in float it is not the converter that quantizes."""
    whole, mixed = (
        read_graph(build(DIGITS, "int8", **more).path.read_bytes()) for more in ({}, {"keep_float": ["^SOFTMAX"]})
    )
    scales = [{t.name: t.scales for t in graph.tensors if not t.is_constant} for graph in (whole, mixed)]
    common = set(scales[0]) & set(scales[1]) - {"Identity"}
    assert len(common) == 8  # the input, and what each operator but the last one gives
    for name in common:
        np.testing.assert_allclose(scales[0][name], scales[1][name], rtol=1e-5, err_msg=name)


def float_ops(artifact: Artifact) -> list[str]:
    """Kinds of the operators that take or give float, without those that convert."""
    graph = read_graph(artifact.path.read_bytes())
    ops = [op for op in graph.ops if op.name not in CONVERSIONS]
    return [op.name for op in ops if any(graph.tensors[n].dtype == "float32" for n in (*op.inputs, *op.outputs))]


@pytest.mark.parametrize("steps", ["int8", "int16x8"])
@pytest.mark.parametrize(
    ("keep", "left"),
    [
        (["first", "last"], ["CONV_2D", "FULLY_CONNECTED"]),
        (["/depthwise_conv2d_"], ["DEPTHWISE_CONV_2D"]),
        (["^SOFTMAX", "^MEAN"], ["MEAN", "SOFTMAX"]),
    ],
)
def test_what_is_kept_in_float_is_that_and_nothing_else(
    build: Build, lab: Path, steps: str, keep: list[str], left: list[str]
) -> None:
    artifact = build(net("tiny"), steps, keep_float=keep)
    assert float_ops(artifact) == left
    assert ends(artifact) == {"int8" if steps == "int8" else "int16"}  # as asked, whatever is beside them
    assert answers_of(artifact).sqnr_db > 15
    assert artifact.manifest["notes"][-1].startswith(f"kept in float: {left[0]} ")
    assert "ai-edge-quantizer" in artifact.manifest["versions"]


@pytest.mark.parametrize("steps", ["weight_only", "dynamic_range"])
def test_weights_of_a_layer_are_kept_in_float(build: Build, lab: Path, steps: str) -> None:
    artifact = build(net("tiny"), steps, keep_float=["dense"])
    graph = read_graph(artifact.path.read_bytes())
    types = [(w.op.name, w.tensor.dtype) for w in cost.weights(graph) if w.role == "kernel"]
    assert types == [("CONV_2D", "int8"), ("DEPTHWISE_CONV_2D", "int8"), ("FULLY_CONNECTED", "float32")]


def test_mixed_precision_of_a_float_file(build: Build, float_file: Path) -> None:
    artifact = build(own_file(float_file), "int8", keep_float=["first", "^SOFTMAX"], io="float")
    assert float_ops(artifact) == ["CONV_2D", "SOFTMAX"]
    assert ends(artifact) == {"float32"}


def test_patterns_that_keep_nothing(build: Build, lab: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"optimization\.keep_float: 'nothing' matches no operator of .*tiny"
    ) as caught:
        build(net("tiny"), "int8", keep_float=["first", "nothing"])
    assert "FULLY_CONNECTED sequential" in str(caught.value)
    with pytest.raises(
        ConfigError, match=r"only operators of .*tiny without weights, which weight_only leaves in float"
    ):
        build(net("tiny"), "weight_only", keep_float=["^SOFTMAX"])


def test_a_depthwise_convolution_per_tensor_in_16_bits(build: Build, lab: Path) -> None:
    """TensorFlow's converter makes a file of it that no interpreter takes."""
    artifact = build(net("tiny"), "int16x8", granularity="per_tensor")
    assert kernels(artifact) == [("int8", 1)] * 3
    assert ends(artifact) == {"int16"}


STEPS = ["float16", "dynamic_range", "weight_only", "int8", "int16x8"]


@pytest.mark.parametrize("steps", STEPS)
def test_a_file_with_names_of_its_own_for_its_inputs(build: Build, own: Path, steps: str) -> None:
    """As ``from_keras_model`` makes them, with a transposed convolution and a product of activations."""
    artifact = build(own_file(own / "own.tflite"), steps)
    types = {"float16": "float16"}.get(steps, "int8")
    assert {kind for kind, _ in kernels(artifact)} == {types}
    assert answers_of(artifact).sqnr_db > 25


@pytest.mark.parametrize("steps", ["int8", "weight_only"])
def test_a_file_with_several_inputs(build: Build, lab: Path, tmp_path: Path, steps: str) -> None:
    path = tmp_path / "two.tflite"
    path.write_bytes(build(net("two_inputs")).path.read_bytes())
    artifact = build(own_file(path), steps)
    assert [port["dtype"] for port in artifact.manifest["inputs"]] == [
        "int8" if steps == "int8" else "float32",
        "int32",
    ]
    assert answers_of(artifact).sqnr_db > 20


def test_constants_lie_inside_of_the_file_and_aligned(build: Build, lab: Path) -> None:
    """Interpreters from before 2023 find no others; ai-edge-quantizer puts those of larger files behind it."""
    content = build(net("tiny", width=12000, side=8), "weight_only").path.read_bytes()
    assert len(content) > 2 * 256 * 1024
    whole, model = np.frombuffer(content, np.uint8), schema.Model.GetRootAs(content, 0)
    buffers = [model.Buffers(number) for number in range(model.BuffersLength())]
    assert not any(buffer.Offset() or buffer.Size() for buffer in buffers)
    stored = [buffer.DataAsNumpy() for buffer in buffers if buffer.DataLength()]
    assert sum(data.size for data in stored) > 2 * 256 * 1024
    assert {(data.ctypes.data - whole.ctypes.data) % 16 for data in stored} == {0}


def test_operators_that_stay_in_float_are_named(build: Build) -> None:
    (note,) = (n for n in build(DIGITS, "dynamic_range").manifest["notes"] if "left in float" in n)
    assert re.match(r"left in float: CONV_2D .*, FULLY_CONNECTED .* \(kernels of fewer than 1024 values\)", note)


@pytest.mark.parametrize(
    ("function", "steps", "reason"),
    [
        ("no_kernel", "weight_only", "no weights that could be stored in fewer bits"),
        ("no_kernel", "float16", "no weights that could be stored in fewer bits"),
        ("tiny", "dynamic_range", "each kernel has fewer than 1024 values"),
    ],
)
def test_a_model_that_gives_a_step_nothing_to_do(
    build: Build, lab: Path, function: str, steps: str, reason: str
) -> None:
    with pytest.raises(UnsupportedOptimization, match=reason):
        build(net(function), steps)


def test_a_file_that_is_quantized_already(build: Build, tmp_path: Path) -> None:
    path = tmp_path / "done.tflite"
    path.write_bytes(build(DIGITS, "int8").path.read_bytes())
    with pytest.raises(UnsupportedOptimization, match=r"done\.tflite cannot be optimized: it is quantized already"):
        build(own_file(path), "float16")
    as_it_is = build(own_file(path))
    assert as_it_is.evaluation is None  # there is no float model to be held against


def test_a_file_as_it_is_can_be_held_against_itself(build: Build, float_file: Path) -> None:
    assert answers_of(build(own_file(float_file))).sqnr_db > 100


WRONG: list[tuple[str, dict[str, Any], tuple[str, dict[str, Any]], str]] = [
    ("int8", {}, ("none", {}), "no operator computes in int8"),
    ("int8", {}, ("dynamic_range", {}), "CONV_2D .* multiplies float32 by float32"),
    ("int8", {}, ("int8", {"keep_float": ["first"]}), "CONV_2D .* multiplies float32 by float32"),
    ("int8", {"keep_float": ["last"]}, ("int8", {}), "FULLY_CONNECTED .* was to stay in float and takes int8"),
    ("int8", {"granularity": "per_tensor"}, ("int8", {}), "have a scale per channel"),
    ("int8", {}, ("int8", {"granularity": "per_tensor"}), "has a single scale for all channels"),
    ("int8", {"io": "float"}, ("int8", {}), "input is of int8, not float32"),
    ("int8", {}, ("int8", {"io": "float"}), "input is of float32, not int8"),
    ("int16x8", {}, ("int8", {}), "no operator computes in int16"),
    ("float16", {}, ("none", {}), "its kernels are of float32"),
    ("float16", {}, ("weight_only", {}), "its kernels are of int8"),
    ("weight_only", {}, ("none", {}), "its kernels are of float32"),
    ("weight_only", {}, ("dynamic_range", {}), "compute in 8 bits"),
    ("dynamic_range", {}, ("none", {}), "its kernels are of float32"),
    ("dynamic_range", {"keep_float": ["last"]}, ("weight_only", {}), "FULLY_CONNECTED .* to stay in float"),
    ("none", {}, ("int8", {}), "its kernels are of int8"),
    ("prune", {}, ("none", {}), "of its weights are 0, and 50.0% were asked for"),
    ("prune_channels", {}, ("none", {}), "its kernels make 186 channels, and 186 before"),
    ("cluster", {}, ("none", {}), "different values"),
]


@pytest.mark.parametrize(("steps", "more", "really", "says"), WRONG)
def test_something_else_than_was_asked_for_is_no_artifact(
    build: Build, steps: str, more: dict[str, Any], really: tuple[str, dict[str, Any]], says: str
) -> None:
    made = build(DIGITS, really[0], **really[1])
    graph, whole = (read_graph(artifact.path.read_bytes()) for artifact in (made, build(DIGITS)))
    with pytest.raises(BuildError, match=says):
        check_effects(recipe(DIGITS, steps, **more), graph, whole)


def test_zeros_that_are_left_out_of_the_file(build: Build) -> None:
    dense = build(DIGITS, "prune", sparsity=0.9, fine_tune_epochs=0)
    sparse = build(DIGITS, "prune", sparsity=0.9, fine_tune_epochs=0, sparse_encoding=True)
    assert sparse.size_bytes < 0.5 * dense.size_bytes
    assert sparse.manifest["sparsity"] == pytest.approx(dense.manifest["sparsity"])
    assert sparse.manifest["macs"] == dense.manifest["macs"]
    np.testing.assert_allclose(answers_of(sparse).ours, answers_of(dense).ours, atol=1e-6)
