"""Models that are shipped: MLPerf Tiny's networks, width multipliers, digits with anomalies."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from orchestrator.artifact import Artifact
from orchestrator.builder.applications import APPLICATIONS, preprocessing_of
from orchestrator.builder.networks import TINY
from orchestrator.builder.preprocess import PREPROCESSINGS
from orchestrator.cell import Model
from orchestrator.errors import BuildError, ConfigError, UnsupportedOptimization
from orchestrator.evaluation import Evaluation
from orchestrator.quality.scores import auc, reconstruction_errors
from tests.builder.conftest import DIGITS, MOBILENET, Build, recipe
from tests.builder.judging import answers_of

pytestmark = pytest.mark.slow

TASKS = {name: network.task for name, network in TINY.items()}
MODELS = {name: Model(name, "tiny", name, task=task) for name, task in TASKS.items()}
ANOMALIES = Model("digits_autoencoder", "digits", task="reconstruction")
SMALL = Model("small", "keras_application", "MobileNet", input_size=32)

# Multiplications: of the float .tflite files in mlcommons/tiny, benchmark/training/*/trained_models. Parameters: of the
# Keras models that their scripts build (the files have BatchNorm folded in, and so fewer).
PUBLISHED = {
    "ds_cnn": (2_656_768, 24_908, [1, 49, 10, 1], [1, 12]),
    "resnet8": (12_501_632, 78_666, [1, 32, 32, 3], [1, 10]),
    "mobilenetv1_025_96": (7_489_664, 221_794, [1, 96, 96, 3], [1, 2]),
    "autoencoder": (264_192, 269_992, [1, 640], [1, 640]),
}


def weights_in(artifact: Artifact) -> int:
    return int(artifact.manifest["parameters"])


@pytest.mark.parametrize("name", TINY)
def test_mlperf_tiny_has_its_published_cost(build: Build, name: str) -> None:
    made = build(MODELS[name]).manifest
    macs, parameters, given, answered = PUBLISHED[name]
    assert (made["macs"], made["parameters"]) == (macs, parameters)
    assert (made["inputs"][0]["shape"], made["outputs"][0]["shape"]) == (given, answered)


@pytest.mark.parametrize("name", TINY)
def test_mlperf_tiny_is_quantized_and_answers_like_a_model(build: Build, name: str) -> None:
    small = build(MODELS[name], "int8")
    assert {port["dtype"] for port in (*small.manifest["inputs"], *small.manifest["outputs"])} == {"int8"}
    found = answers_of(small)
    assert found.sqnr_db > 4
    assert found.reference.std(axis=0).mean() > 1e-3, "it answers the same to everything"


def test_a_random_autoencoder_answers_on_the_scale_of_its_inputs(build: Build) -> None:
    artifact = build(MODELS["autoencoder"])
    assert artifact.evaluation is not None
    stored = Evaluation.read(artifact.evaluation)
    assert stored.reference is not None
    assert 0.5 < stored.reference.std() / stored.inputs[0].std() < 2


def test_a_width_is_built_in(build: Build) -> None:
    own, half = build(MODELS["ds_cnn"]), build(MODELS["ds_cnn"], width=0.5)
    depthwise, pointwise = 64 * 25 * 5 * 9 * 4, 64 * 64 * 25 * 5 * 4
    first, last = 64 * 25 * 5 * 40, 64 * 12
    assert own.manifest["macs"] == depthwise + pointwise + first + last
    assert half.manifest["macs"] == depthwise // 2 + pointwise // 4 + first // 2 + last // 2
    assert weights_in(build(MODELS["mobilenetv1_025_96"], width=0.5)) > 3 * 221_794
    assert weights_in(build(MODELS["resnet8"], width=0.5)) < 78_666 / 3
    small, smaller = build(SMALL), build(SMALL, width=0.25)
    assert (weights_in(small), weights_in(smaller)) == (4_253_864, 475_544)  # as Keras documents alpha 1.0 and 0.25


def test_the_models_own_width_is_the_same_said_or_not() -> None:
    assert recipe(MOBILENET, width=1.0).key == recipe(MOBILENET).key != recipe(MOBILENET, width=0.5).key
    vww = MODELS["mobilenetv1_025_96"]
    assert recipe(vww, width=0.25).key == recipe(vww).key != recipe(vww, width=1.0).key


@pytest.mark.parametrize(
    "model", [DIGITS, MODELS["autoencoder"], Model("resnet50", "keras_application", "ResNet50")], ids=lambda m: m.name
)
def test_a_model_without_a_multiplier_has_no_width(model: Model) -> None:
    with pytest.raises(UnsupportedOptimization, match=rf"{model.name}.* cannot have width 0.5: it has no width mult"):
        recipe(model, width=0.5)


def test_imagenet_weights_are_there_for_some_widths_only() -> None:
    trained = replace(MOBILENET, weights="imagenet")
    assert recipe(trained, width=0.35).width == 0.35
    with pytest.raises(UnsupportedOptimization, match=r"for the widths 0.35, 0.5, 0.75, 1, 1.3, 1.4 only"):
        recipe(trained, width=0.6)
    assert recipe(MOBILENET, width=0.6).width == 0.6


def test_what_a_tiny_network_cannot_have(build: Build) -> None:
    with pytest.raises(ConfigError, match="'ResNet50' is no network of MLPerf Tiny") as caught:
        recipe(Model("x", "tiny", "ResNet50"))
    assert "resnet8" in str(caught.value.hint)
    with pytest.raises(ConfigError, match="autoencoder is for task reconstruction, not classification"):
        recipe(Model("x", "tiny", "autoencoder"))
    with pytest.raises(UnsupportedOptimization, match="cannot have input_size 96: its shape is its own"):
        recipe(MODELS["ds_cnn"], input_size=96)
    with pytest.raises(BuildError, match="neither random nor a Keras weights file"):
        recipe(replace(MODELS["resnet8"], weights="imagenet"))
    with pytest.raises(BuildError, match=r"MobileNet cannot have input_size 32 with width 0\.01"):
        build(SMALL, width=0.01)
    assert build(MODELS["resnet8"], input_size=16).manifest["inputs"][0]["shape"] == [1, 16, 16, 3]


def test_the_seed_or_a_file_makes_the_weights(build: Build, own: Path) -> None:
    first, second = build(MODELS["resnet8"], seed=1), build(MODELS["resnet8"], seed=2)
    assert answers_of(first).reference.tolist() != answers_of(second).reference.tolist()
    with pytest.raises(BuildError, match=r"v3\.weights\.h5 does not hold weights of resnet8"):
        build(replace(MODELS["resnet8"], weights=str(own / "v3.weights.h5")))


@pytest.mark.parametrize("steps", ["none", "int8"])
def test_anomalies_among_digits_are_found(build: Build, steps: str) -> None:
    """The area under the curve is a real one: nine digits are learnt, and every image of the tenth is strange."""
    artifact = build(ANOMALIES, steps)
    found = answers_of(artifact)
    assert artifact.evaluation is not None and found.labels is not None
    inputs = Evaluation.read(artifact.evaluation).inputs[0]
    assert (len(inputs), 150 < found.labels.sum() < 200) == (500, True)
    area = auc(reconstruction_errors(inputs, found.ours), found.labels)
    assert area is not None and area > 0.95
    assert artifact.manifest["training"]["anomaly"] == "the digit 2"
    assert artifact.manifest["evaluation"]["task"] == "reconstruction"
    assert "anomalies are images of the digit 2" in artifact.manifest["evaluation"]["source"]


@pytest.mark.parametrize("application", APPLICATIONS)
def test_images_are_prepared_as_keras_does(application: str) -> None:
    """Of each application, by its own module."""
    import sys

    images = np.random.default_rng(0).integers(0, 256, (2, 5, 4, 3)).astype(np.uint8)
    module = sys.modules[getattr(keras.applications, application).__module__]
    theirs = module.preprocess_input(images.astype(np.float32))
    ours = PREPROCESSINGS[preprocessing_of(application)](images)
    np.testing.assert_allclose(ours, theirs, atol=2e-5)
