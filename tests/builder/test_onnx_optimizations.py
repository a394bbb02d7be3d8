"""Keras models and float files as ONNX, quantized; the same model gives the same answers whatever executes it."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from orchestrator.artifact import Artifact
from orchestrator.builder import Builder, onnx_file
from orchestrator.builder.onnx_effects import check_effects
from orchestrator.builder.onnx_graph import Weighed
from orchestrator.cell import Runtime
from orchestrator.errors import BuildError, ConfigError, UnsupportedOptimization
from orchestrator.evaluation import Evaluation
from tests.builder.conftest import DIGITS, Build, net, own_file, recipe

pytestmark = pytest.mark.slow

ORT = Runtime("onnxruntime", ["onnxruntime"])
TENSORFLOW = Runtime("tensorflow", ["tensorflow"])


def by_onnxruntime(artifact: Artifact, inputs: list[Any]) -> np.ndarray[Any, Any]:
    """The first output for one sample after the other."""
    session = onnx_file.session(artifact.path.read_bytes())
    name = session.get_inputs()[0].name
    return np.concatenate([session.run(None, {name: sample[None]})[0] for sample in inputs[0]])


def sqnr_db(artifact: Artifact) -> float:
    assert artifact.evaluation is not None
    stored = Evaluation.read(artifact.evaluation)
    assert stored.reference is not None
    ours = by_onnxruntime(artifact, list(stored.inputs))
    noise = ((ours - stored.reference) ** 2).sum()
    return float(10 * np.log10((stored.reference.astype(float) ** 2).sum() / max(noise, 1e-30)))


def kernels(artifact: Artifact) -> Counter[tuple[str, bool]]:
    found = Weighed(onnx.load_from_string(artifact.path.read_bytes())).kernels()
    return Counter((kernel.values.dtype.name, kernel.scales.size > 1) for kernel in found)


CASES: list[tuple[str, dict[str, Any], set[tuple[str, bool]], float]] = [
    ("none", {}, {("float32", False)}, 90),
    ("float16", {}, {("float16", False)}, 40),
    ("dynamic_range", {}, {("float32", False), ("int8", True)}, 25),
    ("dynamic_range", {"granularity": "per_tensor"}, {("float32", False), ("int8", False)}, 25),
    ("weight_only", {}, {("int8", True)}, 25),
    ("weight_only", {"granularity": "per_tensor"}, {("int8", False)}, 20),
    ("int8", {}, {("int8", True)}, 15),
    ("int8", {"granularity": "per_tensor"}, {("int8", False)}, 10),
]
IDS = ["-".join([steps, *map(str, more.values())]) for steps, more, *_ in CASES]


@pytest.mark.parametrize(("steps", "more", "stored", "least_db"), CASES, ids=IDS)
def test_from_a_keras_model(
    build: Build, steps: str, more: dict[str, Any], stored: set[tuple[str, bool]], least_db: float
) -> None:
    artifact = build(DIGITS, steps, runtime=ORT, **more)
    assert artifact.format == "onnx" and artifact.path.suffix == ".onnx"
    assert set(kernels(artifact)) == stored
    assert sqnr_db(artifact) > least_db
    assert artifact.manifest["macs"] == build(DIGITS).manifest["macs"]
    assert [port["name"] for port in artifact.manifest["inputs"]] == ["input"]
    assert {"onnx", "onnxruntime", "tf2onnx"} <= set(artifact.manifest["versions"])
    assert artifact.manifest["evaluation"]["sha256"] == build(DIGITS).manifest["evaluation"]["sha256"]


@pytest.mark.parametrize("steps", ["float16", "dynamic_range", "weight_only", "int8"])
def test_from_a_float_file(build: Build, tmp_path: Path, steps: str) -> None:
    path = tmp_path / "mine.onnx"
    path.write_bytes(build(DIGITS, runtime=ORT).path.read_bytes())
    artifact = build(own_file(path), steps)
    assert artifact.size_bytes < 0.95 * path.stat().st_size
    assert sqnr_db(artifact) > 10
    with pytest.raises(UnsupportedOptimization, match="it is quantized already"):
        path.write_bytes(artifact.path.read_bytes())
        build(own_file(path), steps)


def zero_points(artifact: Artifact) -> list[Any]:
    """Of everything that QuantizeLinear and DequantizeLinear take."""
    graph = onnx.load_from_string(artifact.path.read_bytes()).graph
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    return [stored[node.input[2]] for node in graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")]


def test_unsigned_activations_for_processors(build: Build, lab: Path) -> None:
    artifact = build(net("branching"), "int8", runtime=ORT)
    made = artifact.manifest
    assert made["quantization"]["activations"] == "uint8"
    assert {zero.dtype.name for zero in zero_points(artifact)} == {"uint8", "int8"}
    assert set(kernels(artifact)) == {("int8", True)}
    assert made["macs_by_arithmetic"] == {"int8": made["macs"]}
    assert made["quantization"]["max_error_scales"] == pytest.approx(0.5, abs=0.01)
    assert made["quantization"]["min_sqnr_db"] > 30
    assert any(note.startswith("inputs and outputs stay float") for note in made["notes"])


def test_signed_ones_without_zero_points_for_tensorrt(build: Build) -> None:
    """What its parser takes: int8 and 0 throughout, biases in float, and weights quantized by a pair of operators."""
    artifact = build(DIGITS, "int8", runtime=Runtime("tensorrt"))
    assert all(zero.dtype == np.int8 and not zero.any() for zero in zero_points(artifact))
    assert set(kernels(artifact)) == {("int8", True)}
    graph = onnx.load_from_string(artifact.path.read_bytes()).graph
    stored = {tensor.name for tensor in graph.initializer}
    assert sum(node.op_type == "QuantizeLinear" and node.input[0] in stored for node in graph.node) == 5
    assert not any(node.op_type == "DequantizeLinear" and node.input[0] in stored for node in graph.node)
    assert sqnr_db(artifact) > 15
    assert any("its engine" in note for note in artifact.manifest["notes"])


def test_weights_alone_are_made_whole_when_the_model_is_loaded(build: Build) -> None:
    artifact, whole = build(DIGITS, "weight_only", runtime=ORT), build(DIGITS, runtime=ORT)
    assert artifact.size_bytes < 0.35 * whole.size_bytes
    assert "DequantizeLinear" not in artifact.manifest["ops"]  # which ONNX Runtime would do in each call
    assert artifact.manifest["ops"]["Cast"] == artifact.manifest["ops"]["Mul"] == 5
    for name in ("macs", "macs_by_arithmetic", "activation_bytes"):
        assert artifact.manifest[name] == whole.manifest[name], name


def test_bytes_moved_are_those_of_the_same_model_in_tflite(build: Build, lab: Path) -> None:
    ours, theirs = build(net("branching"), runtime=ORT).manifest, build(net("branching")).manifest
    assert ours["weight_bytes"] == pytest.approx(theirs["weight_bytes"], rel=0.05)
    transposed = 4 * 2 * (17 * 17 * 3 + 4 * 4 * 6)  # float32, read and written: the input, and what is made flat
    assert ours["activation_bytes"] - transposed == theirs["activation_bytes"]


def test_only_matrices_are_quantized_on_the_fly(build: Build, lab: Path) -> None:
    notes = build(DIGITS, "dynamic_range", runtime=ORT).manifest["notes"]
    assert "kernels left in float32: Conv (3)" in notes
    with pytest.raises(UnsupportedOptimization, match="only matrices are quantized on the fly, and there is none"):
        build(net("separable"), "dynamic_range", runtime=ORT)


def test_the_same_model_gives_the_same_bytes(build: Build) -> None:
    """Whatever the worker did in between: the tools number what they name."""
    first = build(dataclasses.replace(DIGITS, evaluation_samples=30), "int8", runtime=ORT)
    build(DIGITS, runtime=ORT, seed=7)
    again = build(dataclasses.replace(DIGITS, evaluation_samples=40), "int8", runtime=ORT)
    assert first.key != again.key
    assert first.sha256 == again.sha256


def test_an_operator_that_onnx_lacks_is_named(build: Build, lab: Path) -> None:
    with pytest.raises(UnsupportedOptimization, match="no operator for TensorFlow's Betainc"):
        build(net("odd_operator"), runtime=ORT)


NOT_TO_BE_HAD = [
    (ORT, "int16x8"),
    (TENSORFLOW, "int8"),
    (TENSORFLOW, "prune+float16"),
    (Runtime("tensorrt"), "dynamic_range"),
    (Runtime("onnxruntime", delegate="tensorrt"), "dynamic_range"),
]


def test_what_is_kept_in_float(build: Build, lab: Path) -> None:
    artifact = build(net("tiny"), "int8", runtime=ORT, keep_float=["dense"])
    found = kernels(artifact)
    assert found["float32", False] == 1 and {kind for kind, _ in found} == {"float32", "int8"}
    only = kernels(build(net("tiny"), "weight_only", runtime=ORT, keep_float=["dense", "depthwise"]))
    assert only == {("float32", False): 2, ("int8", True): 1}
    with pytest.raises(ConfigError, match="'nothing' matches no operator"):
        build(net("tiny"), "int8", runtime=ORT, keep_float=["nothing"])


@pytest.mark.parametrize(("runtime", "steps"), NOT_TO_BE_HAD)
def test_what_is_not_to_be_had(runtime: Runtime, steps: str) -> None:
    with pytest.raises(UnsupportedOptimization, match=r"is not to be had .*use "):
        recipe(DIGITS, steps, runtime=runtime)


@pytest.mark.parametrize(
    ("steps", "more", "really", "says"),
    [
        ("weight_only", {}, "float16", "its kernels are of float16"),
        ("int8", {}, "weight_only", "no operator takes integers"),
        ("int8", {}, "dynamic_range", "are not quantized"),
        ("int8", {}, "none", "its kernels are of float32"),
        ("int8", {"granularity": "per_tensor"}, "int8", "have a scale per channel"),
        ("prune", {}, "none", "were asked for"),
        ("none", {}, "int8", "its kernels are of int8"),
    ],
)
def test_something_else_than_was_asked_for(
    build: Build, steps: str, more: dict[str, Any], really: str, says: str
) -> None:
    content = build(DIGITS, really, runtime=ORT).path.read_bytes()
    with pytest.raises(BuildError, match=says):
        check_effects(recipe(DIGITS, steps, runtime=ORT, **more), content)


def test_one_worker_for_all_formats(builder: Builder, build: Build) -> None:
    build(DIGITS, runtime=ORT)
    pid = builder.worker_pid
    build(DIGITS, "int8", runtime=ORT, seed=3)
    build(DIGITS, runtime=TENSORFLOW, seed=3)
    assert pid is None or builder.worker_pid == pid


def test_a_model_that_tflite_cannot_have_runs_elsewhere(build: Build, lab: Path) -> None:
    with pytest.raises(BuildError):
        build(net("tangent"))
    assert "Tan" in build(net("tangent"), runtime=ORT).manifest["ops"]
    graph = build(net("tangent"), runtime=TENSORFLOW).manifest
    assert "Tan" in graph["ops"] and graph["macs"] is None and "TFLite" in graph["macs_reason"]
