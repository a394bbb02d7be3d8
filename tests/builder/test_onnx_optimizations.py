"""Keras models and float files as ONNX, quantized; the same model gives the same answers whatever executes it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from orchestrator.artifact import Artifact
from orchestrator.builder import Builder, onnx_file
from orchestrator.builder.inference import answers
from orchestrator.builder.onnx_cost import Weighed
from orchestrator.builder.onnx_effects import check_effects
from orchestrator.cell import Model, Runtime
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
    return Counter((kernel.values.dtype.name, kernel.scales > 1) for kernel in found)


CASES: list[tuple[str, dict[str, Any], set[tuple[str, bool]], float]] = [
    ("none", {}, {("float32", False)}, 90),
    ("float16", {}, {("float16", False)}, 40),
    ("dynamic_range", {}, {("float32", False), ("int8", False)}, 25),
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


@pytest.mark.parametrize("steps", ["float16", "dynamic_range", "int8"])
def test_from_a_float_file(build: Build, tmp_path: Path, steps: str) -> None:
    path = tmp_path / "mine.onnx"
    path.write_bytes(build(DIGITS, runtime=ORT).path.read_bytes())
    artifact = build(own_file(path), steps)
    assert artifact.size_bytes < 0.95 * path.stat().st_size
    assert sqnr_db(artifact) > 10
    with pytest.raises(UnsupportedOptimization, match="it is quantized already"):
        path.write_bytes(build(DIGITS, "int8", runtime=ORT).path.read_bytes())
        build(own_file(path), steps)


def test_what_is_kept_in_float(build: Build, lab: Path) -> None:
    artifact = build(net("tiny"), "int8", runtime=ORT, keep_float=["dense"])
    found = kernels(artifact)
    assert found["float32", False] == 1 and {kind for kind, _ in found} == {"float32", "int8"}
    with pytest.raises(ConfigError, match="has a name that matches 'nothing'"):
        build(net("tiny"), "int8", runtime=ORT, keep_float=["nothing"])


@pytest.mark.parametrize(
    ("runtime", "steps"), [(ORT, "int16x8"), (ORT, "weight_only"), (TENSORFLOW, "int8"), (TENSORFLOW, "prune+float16")]
)
def test_what_is_not_to_be_had(runtime: Runtime, steps: str) -> None:
    with pytest.raises(UnsupportedOptimization, match="is not to be had as"):
        recipe(DIGITS, steps, runtime=runtime)


@pytest.mark.parametrize(
    ("steps", "more", "really", "says"),
    [
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


@pytest.mark.parametrize("model", [DIGITS, net("tiny")], ids=["digits", "tiny"])
def test_the_same_float_model_answers_the_same_everywhere(build: Build, lab: Path, model: Model) -> None:
    from remote.runtimes import Asked, library

    lite, onnx_one, frozen = (build(model, runtime=runtime) for runtime in (None, ORT, TENSORFLOW))
    assert [one.format for one in (lite, onnx_one, frozen)] == ["tflite", "onnx", "graphdef"]
    assert lite.evaluation is not None
    inputs = list(Evaluation.read(lite.evaluation).inputs)
    by_litert = answers(lite.path.read_bytes(), inputs)
    by_onnx = by_onnxruntime(onnx_one, inputs)
    session = library("tensorflow").load(Asked(str(frozen.path), 1, "auto", None, None, {}, ""))
    by_tensorflow = []
    for sample in inputs[0]:
        session.set_inputs([sample[None]])
        session.call()
        by_tensorflow.append(session.get_outputs()[0])
    np.testing.assert_allclose(by_onnx, by_litert, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(np.concatenate(by_tensorflow), by_litert, rtol=1e-3, atol=1e-5)
    assert lite.manifest["macs"] == onnx_one.manifest["macs"] == frozen.manifest["macs"]


def test_one_worker_for_all_formats(builder: Builder, build: Build) -> None:
    build(DIGITS, runtime=ORT)
    pid = builder.worker_pid
    build(DIGITS, "int8", runtime=ORT, seed=3)
    build(DIGITS, runtime=TENSORFLOW, seed=3)
    assert pid is None or builder.worker_pid == pid
