"""What each optimization does to the graph, read from the file itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.artifact import Artifact
from orchestrator.builder.flatbuffer import read_graph
from orchestrator.builder.graph import Graph
from orchestrator.errors import UnsupportedOptimization
from tests.builder.conftest import DIGITS, Build, net, own_file
from tests.builder.judging import answers_of

pytestmark = pytest.mark.slow


def graph(artifact: Artifact) -> Graph:
    return read_graph(artifact.path.read_bytes())


def stored(artifact: Artifact, role: str) -> set[str]:
    return {t["dtype"] for t in artifact.manifest["quantization"]["tensors"] if t["role"] == role}


def test_int16x8_computes_in_16_bits_on_8_bit_weights(build: Build) -> None:
    artifact = build(DIGITS, "int16x8")
    activations = [t for t in graph(artifact).tensors if not t.is_constant]
    assert {t.dtype for t in activations} == {"int16"}
    assert {int(zero) for t in activations for zero in t.zero_points} == {0}  # symmetric
    assert (stored(artifact, "kernel"), stored(artifact, "bias")) == ({"int8"}, {"int64"})
    assert artifact.manifest["calibration"]["samples"] == 20
    assert answers_of(artifact).top1 > 0.93
    assert answers_of(artifact).sqnr_db > answers_of(build(DIGITS, "int8")).sqnr_db


def test_an_operator_without_16_bits_is_a_reason_and_no_float_island(build: Build, lab: Path) -> None:
    """MobileNetV3 has such ones."""
    with pytest.raises(UnsupportedOptimization, match="not yet supported for op: 'HARD_SWISH'"):
        build(net("tiny", activation="hard_silu"), "int16x8")


@pytest.mark.parametrize(
    ("steps", "dtype"), [("prune", "float32"), ("prune+int8", "int8"), ("prune+float16", "float16")]
)
def test_half_of_each_kernel_is_zero_and_stays_zero(build: Build, lab: Path, steps: str, dtype: str) -> None:
    artifact = build(net("tiny"), steps)
    shares = {}
    made = graph(artifact)
    for op in made.ops:
        if op.name in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"):
            kernel = made.constant(op, 1)
            assert kernel is not None
            assert kernel.data is not None
            assert kernel.dtype == dtype
            shares[op.name] = float((kernel.data == 0).mean())
    assert shares["CONV_2D"] >= 0.5
    assert shares["FULLY_CONNECTED"] >= 0.5
    assert shares["DEPTHWISE_CONV_2D"] < 0.1
    (pruning,) = artifact.manifest["slimming"]
    assert (pruning["step"], pruning["asked"], pruning["fine_tune_epochs"]) == ("prune", 0.5, 0)
    assert list(pruning["zeros"].values()) == [0.5, 0.5]
    assert any("not fine-tuned" in note for note in artifact.manifest["notes"])
    assert (artifact.manifest["calibration"] is None) == (dtype != "int8")


def test_of_a_separable_convolution_the_pointwise_kernel_is_pruned(build: Build, lab: Path) -> None:
    artifact = build(net("separable"), "prune")
    made = graph(artifact)
    shares = {}
    for op in made.ops:
        if op.name in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            kernel = made.constant(op, 1)
            assert kernel is not None and kernel.data is not None
            shares[op.name] = float((kernel.data == 0).mean())
    assert shares == {"CONV_2D": 0.5, "DEPTHWISE_CONV_2D": 0.0}
    assert list(artifact.manifest["slimming"][0]["zeros"].values()) == [0.5]


def test_pruning_leaves_the_cached_float_model_alone(build: Build, lab: Path) -> None:
    build(net("tiny"), "prune", sparsity=0.9)
    after = build(net("tiny"), batch_size=2)  # frozen anew from the same model in the worker's memory
    assert after.manifest["sparsity"] < 0.1
    assert after.manifest["slimming"] == []


def test_the_price_of_pruning_shows_in_the_labels_and_the_gain_in_the_compressed_size(build: Build) -> None:
    once = {"fine_tune_epochs": 0}
    plain, fewer, half = build(DIGITS), build(DIGITS, "prune", sparsity=0.2, **once), build(DIGITS, "prune", **once)
    top1 = [answers_of(a).top1 for a in (plain, fewer, half)]
    assert top1[0] >= top1[1] > 0.85 > top1[2]  # it is a small network: nothing in it is superfluous
    sizes = [a.manifest["gzip_bytes"] for a in (plain, fewer, half)]
    assert sizes[0] > 1.1 * sizes[1] > 1.1 * 1.3 * sizes[2]
    assert half.manifest["sparsity"] == pytest.approx(0.5, abs=0.01)
    assert answers_of(half).sqnr_db < 20  # against the model that is not pruned
    both = build(DIGITS, "prune+int8", **once).manifest
    assert both["sparsity"] >= 0.5
    assert both["quantization"]["max_error_scales"] <= 0.5 + 1e-3  # against the pruned one


def test_what_cannot_be_pruned(build: Build, lab: Path, own: Path) -> None:
    with pytest.raises(UnsupportedOptimization, match="it has no convolution and no dense layer"):
        build(net("no_kernel"), "prune")
    with pytest.raises(UnsupportedOptimization, match="a SavedModel does not say which"):
        build(own_file(own / "exported"), "prune+int8")
