"""A user's own models: a Keras file, a SavedModel, a factory function. TensorFlow: worker only."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from orchestrator.builder.code import Code, code_in, load
from orchestrator.builder.digests import digest
from orchestrator.builder.files import SAVED_MODEL
from orchestrator.builder.recipe import Recipe
from orchestrator.builder.samples import Ports, shapes
from orchestrator.builder.source import Source, freezing, frozen, keras_ports, on_noise, static
from orchestrator.errors import BuildError

_SIGNATURE = "serving_default"


def check_unchanged(recipe: Recipe) -> Path:
    """The key was made from this content; another one must not be stored under it. Returns the path."""
    path = Path(str(recipe.path))
    if recipe.factory:
        code = code_in(str(path), recipe.factory)
        found = code.sha256 if code else None
    else:
        found = _digest(path)
    if found != recipe.sha256:
        what = f"the code of {recipe.factory}" if recipe.factory else path
        raise BuildError(f"{what} changed after the plan was made", hint="start the sweep again")
    return path


def _digest(path: Path) -> str:
    try:
        return digest(path)
    except OSError as error:
        raise BuildError(f"cannot read {path}: {error.strerror or error}") from error


def keras_file(recipe: Recipe) -> Source:
    """A ``.keras`` or ``.h5``. Code in it is refused: Lambda layers, pickled objects, classes that Keras lacks."""
    path = check_unchanged(recipe)
    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:
        raise BuildError(
            f"{path} cannot be loaded: {_said(error)}",
            hint="a model with code of its own (Lambda, custom layers) goes by a function: model=factory",
        ) from error
    return _keras_source(model, recipe)


def factory(recipe: Recipe) -> Source:
    """What the user's function returns."""
    where, name = check_unchanged(recipe), str(recipe.factory)
    function = load(name, Code(str(where), str(recipe.sha256)))
    arguments = json.loads(recipe.arguments or "{}")
    try:
        model = function(**arguments)
    except Exception as error:
        raise BuildError(
            f"model.factory={name} failed: {_said(error)}", hint="model.arguments are its keywords"
        ) from error
    if not isinstance(model, keras.Model):
        raise BuildError(f"model.factory={name} returned no keras.Model but {type(model).__name__}")
    return _keras_source(model, recipe)


def saved_model(recipe: Recipe) -> Source:
    """The signature ``serving_default`` of a SavedModel."""
    path = check_unchanged(recipe)
    try:
        loaded = tf.saved_model.load(str(path))
    except Exception as error:
        raise BuildError(f"{path / SAVED_MODEL} cannot be loaded: {_said(error)}") from error
    if _SIGNATURE not in loaded.signatures:
        raise BuildError(f"{path} has no signature {_SIGNATURE}, only {', '.join(loaded.signatures) or 'none at all'}")
    signature = loaded.signatures[_SIGNATURE]
    named = {
        name: tf.TensorSpec(s.shape, s.dtype, name=name) for name, s in signature.structured_input_signature[1].items()
    }

    def freeze(batch_size: int) -> Any:
        # loaded is held here: a signature alone does not keep its variables alive
        call = tf.function(lambda *batch: loaded.signatures[_SIGNATURE](**dict(zip(named, batch, strict=True))))
        return frozen(call, static(list(named.values()), recipe, batch_size))

    given = static(list(named.values()), recipe, 1)
    taken = shapes([(spec.shape.as_list(), spec.dtype.as_numpy_dtype) for spec in given])
    return on_noise(freeze, Ports(taken, tuple(freeze(1).outputs[0].shape)), recipe)


def _keras_source(model: Any, recipe: Recipe) -> Source:
    if not getattr(model, "inputs", None):
        raise BuildError(
            f"{recipe.subject}: the model does not say what it takes",
            hint="make it a Sequential with a keras.Input or a functional model",
        )
    return on_noise(freezing(model, recipe), keras_ports(model, recipe), recipe, model)


def _said(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
