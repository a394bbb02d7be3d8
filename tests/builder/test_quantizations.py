"""What each quantization does to the graph, from a Keras model and from a float file, and how near it stays."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from orchestrator.artifact import Artifact
from orchestrator.builder import cost
from orchestrator.builder.effects import check_effects
from orchestrator.builder.flatbuffer import read_graph
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
    ("float16", {}, "float16", {"float32"}, 50),
    ("dynamic_range", {}, "int8", {"float32"}, 25),
    ("weight_only", {}, "int8", {"float32"}, 25),
    ("int8", {}, "int8", {"int8"}, 20),
    ("int8", {"io": "float"}, "int8", {"float32"}, 20),
    ("int8", {"granularity": "per_tensor"}, "int8", {"int8"}, 10),
    ("int16x8", {}, "int8", {"int16"}, 25),
    ("int16x8", {"io": "float"}, "int8", {"float32"}, 25),
]
IDS = ["-".join([steps, *map(str, more.values())]) for steps, more, *_ in CASES]


@pytest.fixture(scope="session")
def float_file(build: Build, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("float") / "digits.tflite"
    path.write_bytes(build(DIGITS).path.read_bytes())
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
    build: Build, float_file: Path, steps: str, more: dict[str, Any], dtype: str, io: set[str], least_db: float
) -> None:
    artifact = build(own_file(float_file), steps, **more)
    assert {kind for kind, _ in kernels(artifact)} == {dtype}
    assert ends(artifact) == io
    assert answers_of(artifact).sqnr_db > least_db / 2  # calibrated on noise
    assert artifact.size_bytes < 0.75 * float_file.stat().st_size
    assert "ai-edge-quantizer" in artifact.manifest["versions"]
    if steps in ("int8", "int16x8"):
        assert artifact.manifest["calibration"]["source"].startswith("seeded noise")


@pytest.mark.parametrize("steps", ["int8", "weight_only", "dynamic_range"])
def test_what_is_kept_in_float_is_that_and_nothing_else(build: Build, lab: Path, steps: str) -> None:
    artifact = build(net("tiny"), steps, keep_float=["dense"])
    graph = read_graph(artifact.path.read_bytes())
    types = Counter((w.op.name, w.tensor.dtype) for w in cost.weights(graph) if w.role == "kernel")
    assert types["FULLY_CONNECTED", "float32"] == 1
    assert {dtype for (kind, dtype) in types if kind != "FULLY_CONNECTED"} == {"int8"}
    assert answers_of(artifact).sqnr_db > 15


def test_a_name_that_no_operator_has(build: Build, lab: Path) -> None:
    with pytest.raises(ConfigError, match=r"no operator of .* has a name that matches 'nothing'") as caught:
        build(net("tiny"), "int8", keep_float=["nothing"])
    assert "there are" in str(caught.value)


def test_a_file_that_is_quantized_already(build: Build, tmp_path: Path) -> None:
    path = tmp_path / "done.tflite"
    path.write_bytes(build(DIGITS, "int8").path.read_bytes())
    with pytest.raises(UnsupportedOptimization, match=r"done\.tflite cannot be optimized: it is quantized already"):
        build(own_file(path), "float16")
    as_it_is = build(own_file(path))
    assert as_it_is.evaluation is None  # there is no float model to be held against


def test_a_file_as_it_is_can_be_held_against_itself(build: Build, float_file: Path) -> None:
    assert answers_of(build(own_file(float_file))).sqnr_db > 100


WRONG = [
    ("int8", {}, "none", "its kernels are of float32"),
    ("float16", {}, "none", "its kernels are of float32"),
    ("int8", {"granularity": "per_tensor"}, "int8", "have a scale per channel"),
    ("int8", {"io": "float"}, "int8", "inputs and outputs are of int8, not float32"),
    ("int16x8", {}, "int8", "inputs and outputs are of int8, not int16"),
    ("weight_only", {}, "dynamic_range", "take quantized weights as they are"),
    ("none", {}, "int8", "its kernels are of int8"),
    ("prune", {}, "none", "of its weights are 0, and 50.0% were asked for"),
    ("prune_channels", {}, "none", "no fewer multiplications than before"),
    ("cluster", {}, "none", "different values"),
]


@pytest.mark.parametrize(("steps", "more", "really", "says"), WRONG, ids=[f"{w[0]}-{w[2]}" for w in WRONG])
def test_something_else_than_was_asked_for_is_no_artifact(
    build: Build, steps: str, more: dict[str, Any], really: str, says: str
) -> None:
    graph, whole = (read_graph(build(DIGITS, kind).path.read_bytes()) for kind in (really, "none"))
    with pytest.raises(BuildError, match=says):
        check_effects(recipe(DIGITS, steps, **more), graph, whole)


def test_zeros_that_are_left_out_of_the_file(build: Build) -> None:
    dense = build(DIGITS, "prune", sparsity=0.9, fine_tune_epochs=0)
    sparse = build(DIGITS, "prune", sparsity=0.9, fine_tune_epochs=0, sparse_encoding=True)
    assert sparse.size_bytes < 0.5 * dense.size_bytes
    assert sparse.manifest["sparsity"] == pytest.approx(dense.manifest["sparsity"])
    assert sparse.manifest["macs"] == dense.manifest["macs"]
    np.testing.assert_allclose(answers_of(sparse).ours, answers_of(dense).ours, atol=1e-6)
