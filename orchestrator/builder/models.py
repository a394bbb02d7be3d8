"""Keras models by kind: built, with weights, and with inputs to calibrate them on. TensorFlow: worker only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from orchestrator.builder import data, own, tiny
from orchestrator.builder.activations import make_realistic, samples_for, spread_of
from orchestrator.builder.digits import train_digits
from orchestrator.builder.finetune import CLASSES
from orchestrator.builder.recipe import Recipe
from orchestrator.builder.source import Source, freezing, keras_ports, on_noise
from orchestrator.errors import BuildError

_RANDOM = "random weights: speed and size mean something, answers do not"


def make_source(recipe: Recipe) -> Source:
    """The float model of a recipe; the same recipe gives the same numbers, whatever was built before."""
    keras.backend.clear_session()  # layer names count up otherwise, and they end up in the artifact
    keras.utils.set_random_seed(recipe.seed)
    source = _KINDS[recipe.kind](recipe)
    return source if recipe.data is None else _with_data(source, recipe)


def _with_data(source: Source, recipe: Recipe) -> Source:
    """Calibrated, judged and fine-tuned on the user's data, whatever it had before."""
    ports = source.ports or keras_ports(source.model, recipe)
    split = data.split(recipe, ports)
    again = recipe.task == data.RECONSTRUCTION
    return replace(
        source,
        inputs=split.inputs,
        inputs_source=split.rest_source,
        evaluation=split.evaluation,
        evaluation_source=split.evaluation_source,
        train_on=cache(split.train),
        calibrates=len(split.rest),
        data_digest=split.digest,
        loss="mean_squared_error" if again else CLASSES,
    )


def _application(recipe: Recipe) -> Source:
    factory, size = getattr(tf.keras.applications, str(recipe.application)), recipe.input_size or 0
    width = {} if recipe.width is None else {"alpha": recipe.width}
    try:
        model = factory(weights=None, input_shape=(size, size, 3), **width)
    except ValueError as error:  # too small an image, for example
        raise BuildError(f"{recipe.application} cannot have {_asked(recipe)}: {error}") from error
    if recipe.weights == "imagenet":
        _imagenet(recipe, model, lambda: factory(weights="imagenet", **width))
    return _weighted(model, recipe)


def _tiny(recipe: Recipe) -> Source:
    try:
        model = tiny.build(recipe)
    except ValueError as error:
        raise BuildError(f"{recipe.application} cannot have {_asked(recipe)}: {error}") from error
    return _weighted(model, recipe)


def _asked(recipe: Recipe) -> str:
    return f"input_size {recipe.input_size}" + ("" if recipe.width is None else f" with width {recipe.width:g}")


def _weighted(model: Any, recipe: Recipe) -> Source:
    """With weights of a file, random ones, or those that it has."""
    source = on_noise(freezing(model, recipe), keras_ports(model, recipe), recipe, model, _noise_words(recipe))
    if recipe.weights == "file":
        _from_file(recipe, model)
    if recipe.weights != "random":
        return source
    given = source.inputs(samples_for(model), recipe.seed)
    make_realistic(model, given, spread_of(recipe.task, given))
    return replace(source, notes=[_RANDOM])


def _noise_words(recipe: Recipe) -> str:
    images = recipe.input_size is not None
    return "seeded noise with the spectrum of photographs" if images else "seeded noise in place of features of sound"


def _imagenet(recipe: Recipe, model: Any, load: Callable[[], Any]) -> None:
    try:
        trained = load()
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


def _from_file(recipe: Recipe, model: Any) -> None:
    path = own.check_unchanged(recipe)
    try:
        model.load_weights(path)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BuildError(f"{path} does not hold weights of {recipe.application}: {error}") from error


def _digits(recipe: Recipe) -> Source:
    trained = train_digits(recipe.seed, recipe.task)
    seen, held = trained.seen, "held-out images of scikit-learn digits"
    if recipe.task == data.RECONSTRUCTION:
        held += f"; anomalies are images of {trained.report['anomaly']}"
    return Source(
        freezing(trained.model, recipe),
        trained.inputs,
        "training images of scikit-learn digits",
        trained.model,
        trained.report,
        trained.unseen.only(slice(recipe.evaluation_samples)),
        held,
        lambda: (seen.inputs, seen.inputs[0] if recipe.task == data.RECONSTRUCTION else np.asarray(seen.labels)),
        loss=trained.loss,
    )


_FILES = {"keras": own.keras_file, "saved_model": own.saved_model}
_KINDS: dict[str, Callable[[Recipe], Source]] = {
    "keras_application": _application,
    "tiny": _tiny,
    "digits": _digits,
    "file": lambda recipe: _FILES[str(recipe.form)](recipe),
    "factory": own.factory,
}
