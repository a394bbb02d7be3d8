"""Keras models by kind: built, with weights, and with inputs to calibrate them on. TensorFlow: worker only."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from orchestrator.builder import own
from orchestrator.builder.activations import make_realistic
from orchestrator.builder.digits import train_digits
from orchestrator.builder.images import Array, photographic_noise
from orchestrator.builder.recipe import Recipe
from orchestrator.builder.source import Source, freezing
from orchestrator.errors import BuildError


def make_source(recipe: Recipe) -> Source:
    """The float model of a recipe; the same recipe gives the same numbers, whatever was built before."""
    keras.backend.clear_session()  # layer names count up otherwise, and they end up in the artifact
    keras.utils.set_random_seed(recipe.seed)
    return _KINDS[recipe.kind](recipe)


def _application(recipe: Recipe) -> Source:
    factory = getattr(tf.keras.applications, str(recipe.application))
    preprocess = sys.modules[factory.__module__].preprocess_input
    size = recipe.input_size or 0

    def inputs(samples: int, seed: int) -> Array:
        ready: Array = preprocess(photographic_noise(samples, size, size, 3, seed)).astype("float32")
        return ready

    try:
        model = factory(weights=None, input_shape=(size, size, 3))
    except ValueError as error:  # too small an image, for example
        raise BuildError(f"{recipe.application} cannot have input_size {size}: {error}") from error
    _WEIGHTS[recipe.weights](recipe, model, factory, inputs)
    notes = ["random weights: speed and size mean something, answers do not"] if recipe.weights == "random" else []
    source = "seeded noise with the spectrum of photographs"
    return Source(freezing(model, recipe), lambda samples, seed: [inputs(samples, seed)], source, model, notes=notes)


def _random(recipe: Recipe, model: Any, factory: Any, inputs: Callable[[int, int], Array]) -> None:
    make_realistic(model, inputs, recipe.seed)


def _imagenet(recipe: Recipe, model: Any, factory: Any, inputs: Callable[[int, int], Array]) -> None:
    try:
        trained = factory(weights="imagenet")
    except Exception as error:
        if type(error) is not Exception and not isinstance(error, OSError | ValueError):
            raise  # keras.utils.get_file raises a bare Exception for a failed download; nothing else is meant
        raise BuildError(
            f"the ImageNet weights of {recipe.application} could not be loaded: {error}",
            hint="set model.weights=random, or model.weights to the path of a Keras weights file",
        ) from error
    try:
        model.set_weights(trained.get_weights())
    except ValueError as error:
        raise BuildError(
            f"the ImageNet weights of {recipe.application} do not fit input_size {recipe.input_size}: {error}"
        ) from error


def _from_file(recipe: Recipe, model: Any, factory: Any, inputs: Callable[[int, int], Array]) -> None:
    path = own.check_unchanged(recipe)
    try:
        model.load_weights(path)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BuildError(f"{path} does not hold weights of {recipe.application}: {error}") from error


def _digits(recipe: Recipe) -> Source:
    trained = train_digits(recipe.seed)
    unseen, labels = trained.held_out
    return Source(
        freezing(trained.model, recipe),
        lambda samples, seed: [trained.inputs(samples, seed)],
        "training images of scikit-learn digits",
        trained.model,
        trained.report,
        ([unseen], labels),
        "held-out images of scikit-learn digits",
        ([trained.seen[0]], trained.seen[1]),
    )


_WEIGHTS = {"random": _random, "imagenet": _imagenet, "file": _from_file}
_FILES = {"keras": own.keras_file, "saved_model": own.saved_model, "tflite": own.tflite_file}
_KINDS: dict[str, Callable[[Recipe], Source]] = {
    "keras_application": _application,
    "digits": _digits,
    "file": lambda recipe: _FILES[str(recipe.form)](recipe),
    "factory": own.factory,
}
