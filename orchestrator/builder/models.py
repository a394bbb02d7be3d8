"""Keras models by kind: built, with weights, and with inputs to calibrate them on. TensorFlow: worker only."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from orchestrator.builder.activations import make_realistic
from orchestrator.builder.digits import train_digits
from orchestrator.builder.images import Array, photographic_noise
from orchestrator.builder.recipe import Recipe
from orchestrator.errors import BuildError


@dataclass(frozen=True, slots=True)
class Source:
    """A float model before conversion."""

    model: Any  # keras.Model
    inputs: Callable[[int, int], Array]  # (samples, seed) -> what the model takes, without batch axis static
    inputs_source: str
    training: dict[str, Any] | None = None
    held_out: tuple[Array, Array] | None = None  # labelled inputs that training has not seen
    notes: list[str] = field(default_factory=list)


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
    return Source(model, inputs, "seeded noise with the spectrum of photographs", notes=notes)


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
    path = Path(str(recipe.path))
    check_unchanged(path, recipe)
    try:
        model.load_weights(path)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BuildError(f"{path} does not hold weights of {recipe.application}: {error}") from error


def check_unchanged(path: Path, recipe: Recipe) -> None:
    """The key was made from this content; another one must not be stored under it."""
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise BuildError(f"cannot read {path}: {error.strerror or error}") from error
    if digest != recipe.path_sha256:
        raise BuildError(f"{path} changed after the plan was made", hint="start the sweep again")


def _digits(recipe: Recipe) -> Source:
    trained = train_digits(recipe.seed)
    return Source(
        trained.model, trained.inputs, "training images of scikit-learn digits", trained.report, trained.held_out
    )


_WEIGHTS = {"random": _random, "imagenet": _imagenet, "file": _from_file}
_KINDS: dict[str, Callable[[Recipe], Source]] = {"keras_application": _application, "digits": _digits}
