"""Pruning and clustering: what they do to the file, and what training afterwards wins back, on the digits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits

from orchestrator.artifact import Artifact
from orchestrator.builder import cost
from orchestrator.builder.cluster import clustered
from orchestrator.builder.effects import check_effects
from orchestrator.builder.flatbuffer import read_graph
from orchestrator.cell import Runtime
from orchestrator.errors import BuildError, UnsupportedOptimization
from tests.builder.conftest import DIGITS, Build, net, own_file, recipe
from tests.builder.judging import answers_of

pytestmark = pytest.mark.slow


def kernels(artifact: Artifact) -> list[Any]:
    found = [w.tensor.data for w in cost.weights(read_graph(artifact.path.read_bytes())) if w.role == "kernel"]
    assert all(data is not None for data in found)
    return found


def step(artifact: Artifact) -> dict[str, Any]:
    (only,) = artifact.manifest["slimming"]
    return dict(only)


def test_channels_leave_the_file_and_training_wins_the_answers_back(build: Build) -> None:
    whole, less = build(DIGITS), build(DIGITS, "prune_channels", fine_tune_epochs=4)
    assert [k.shape[0] for k in kernels(whole)] == [16, 32, 64, 64, 10]
    assert [k.shape for k in kernels(less)] == [(8, 3, 3, 1), (16, 3, 3, 8), (32, 3, 3, 16), (32, 32), (10, 32)]
    told = step(less)
    assert list(told["channels"].values()) == [[16, 8], [32, 16], [64, 32], [64, 32]]
    assert told["parameters"] == [whole.manifest["parameters"], less.manifest["parameters"]]
    assert less.manifest["macs"] < 0.3 * whole.manifest["macs"]
    assert less.size_bytes < 0.3 * whole.size_bytes
    assert told["held_out_before"] > 0.93 > 0.6 > told["held_out_untrained"]
    assert told["held_out_after"] > 0.9
    assert answers_of(less).top1 == pytest.approx(told["held_out_after"], abs=0.01)
    small = build(DIGITS, "prune_channels+int8", fine_tune_epochs=4)
    assert {k.dtype for k in kernels(small)} == {np.dtype("int8")}
    assert small.size_bytes < 0.5 * less.size_bytes


def test_values_are_pruned_while_it_is_trained_on(build: Build) -> None:
    half = build(DIGITS, "prune", fine_tune_epochs=4)
    assert half.manifest["sparsity"] == pytest.approx(0.5, abs=0.01)
    assert all(0.49 < float((k == 0).mean()) < 0.52 for k in kernels(half))
    told = step(half)
    assert "Zhu and Gupta" in told["method"]
    assert told["held_out_before"] > 0.93 > 0.8 > told["held_out_untrained"]
    assert told["held_out_after"] > 0.93
    assert not any("not fine-tuned" in note for note in half.manifest["notes"])


def test_a_classifier_that_ends_in_logits_is_trained_as_one(build: Build, lab: Path, tmp_path: Path) -> None:
    """As probabilities, which they are not, they would teach it nonsense."""
    digits = load_digits()
    x = (digits.images[..., None] * 15).astype(np.uint8)
    np.savez(tmp_path / "digits.npz", x=x, y=digits.target)
    model = replace(net("logits", data=str(tmp_path / "digits.npz")), data=str(tmp_path / "digits.npz"))
    told = step(build(replace(model, preprocessing="unit"), "prune", sparsity=0.3))
    assert told["held_out_before"] > 0.85 and told["fine_tune_samples"] > 1000
    assert told["held_out_after"] > told["held_out_before"]


def test_without_data_nothing_is_trained(build: Build, lab: Path) -> None:
    assert step(build(net("tiny"), "prune"))["fine_tune_epochs"] == 0  # nothing to train on
    with pytest.raises(UnsupportedOptimization, match="cannot be fine-tuned: it has no labelled training data"):
        build(net("tiny"), "prune_channels", fine_tune_epochs=1)


def test_a_kernel_has_few_values_and_the_file_compresses(build: Build) -> None:
    whole, few = build(DIGITS), build(DIGITS, "cluster", clusters=8)
    assert all(2 <= np.unique(k).size <= 8 for k in kernels(few))
    assert few.manifest["gzip_bytes"] < 0.25 * whole.manifest["gzip_bytes"]
    assert few.size_bytes == whole.size_bytes
    assert step(few)["held_out_after"] > 0.93
    assert step(few)["fine_tune_epochs"] == 10  # the schedule's own
    both = build(DIGITS, "prune+cluster+int8", clusters=8, sparsity=0.7, fine_tune_epochs=1)
    assert all(np.unique(channel).size <= 8 for k in kernels(both) for channel in k)
    assert both.manifest["sparsity"] >= 0.69


def test_a_normalization_that_is_multiplied_in_leaves_few_values_per_channel(build: Build, lab: Path) -> None:
    few = build(net("normalized"), "cluster", clusters=4)
    first = kernels(few)[0]
    assert np.unique(first).size > 4
    assert all(np.unique(channel).size <= 4 for channel in first)


def test_clusters_are_those_of_k_means() -> None:
    values = np.array([[-1.0, -0.9, 0.0], [1.2, 1.3, 5.0]], np.float32)
    assert clustered(values, 4).tolist() == [1, 1, 0, 2, 2, 3]
    assert clustered(np.array([-1.0, -0.9, 0.2, 0.3, 5.0], np.float32), 3).tolist() == [1, 1, 2, 2, 3]  # one was empty
    assert clustered(np.array([3.0, 3.0], np.float32), 16).tolist() == [1, 1]
    assert clustered(np.zeros(3, np.float32), 16).tolist() == [0, 0, 0]
    many = np.random.default_rng(0).normal(size=3000).astype(np.float32)
    start = np.linspace(many.min(), many.max(), 16).reshape(-1, 1)
    theirs = KMeans(16, init=start, n_init=1, max_iter=100).fit(many.reshape(-1, 1))
    members = clustered(many, 16)
    ours = sum(float(((many[members == k] - many[members == k].mean()) ** 2).sum()) for k in np.unique(members))
    assert ours == pytest.approx(theirs.inertia_, rel=0.02)


def test_the_sparse_encoding_leaves_zeros_out_and_reads_the_same(build: Build) -> None:
    once = {"sparsity": 0.9, "fine_tune_epochs": 0}
    stored, left_out = build(DIGITS, "prune", **once), build(DIGITS, "prune", sparse_encoding=True, **once)
    assert left_out.manifest["ops"]["DENSIFY"] == 5
    assert left_out.size_bytes < 0.25 * stored.size_bytes
    assert left_out.manifest["sparsity"] == stored.manifest["sparsity"] == pytest.approx(0.9, abs=0.01)
    for one, other in zip(kernels(stored), kernels(left_out), strict=True):
        np.testing.assert_array_equal(one, other)
    assert left_out.manifest["macs"] == stored.manifest["macs"]  # it is dense again when it runs


@pytest.mark.parametrize("steps", ["prune+dynamic_range", "prune+weight_only"])
def test_the_sparse_encoding_of_8_bit_weights_is_refused_before_anything_is_built(steps: str) -> None:
    with pytest.raises(UnsupportedOptimization, match="cannot have sparse_encoding with"):
        recipe(DIGITS, steps, sparse_encoding=True)
    recipe(DIGITS, steps)


def test_the_sparse_encoding_is_tflite_s_only() -> None:
    with pytest.raises(UnsupportedOptimization, match=r"cannot have sparse_encoding in a \.onnx"):
        recipe(DIGITS, "prune", sparse_encoding=True, runtime=Runtime("onnxruntime"))


@pytest.mark.parametrize("steps", ["prune+prune_channels", "cluster+prune", "cluster+prune_channels"])
def test_a_step_that_would_undo_another_is_refused(steps: str) -> None:
    first, then = steps.split("+")
    with pytest.raises(UnsupportedOptimization, match=f"cannot do {then} after {first}"):
        recipe(DIGITS, steps)


@pytest.mark.parametrize("steps", ["prune_channels", "cluster", "prune"])
def test_only_a_keras_model_can_be_made_leaner(own: Path, steps: str) -> None:
    for file in ("exported", "own.tflite"):
        with pytest.raises(UnsupportedOptimization, match="cannot be optimized"):
            recipe(own_file(own / file), steps)


@pytest.mark.parametrize(
    ("steps", "wrong"),
    [
        ("prune", "of its weights are 0, and 50.0% were asked for"),
        ("prune_channels", "its kernels make 186 channels, and 186 before"),
        ("cluster", "different values"),
    ],
)
def test_a_file_on_which_a_step_had_no_effect_is_no_artifact(build: Build, steps: str, wrong: str) -> None:
    whole = read_graph(build(DIGITS).path.read_bytes())
    with pytest.raises(BuildError, match=wrong):
        check_effects(recipe(DIGITS, steps), whole, whole)
