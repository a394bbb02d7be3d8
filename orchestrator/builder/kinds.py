"""What each kind of model puts into a recipe, and what is impossible for it; no TensorFlow here."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from orchestrator.builder.applications import APPLICATIONS
from orchestrator.builder.code import locate
from orchestrator.builder.digests import digest
from orchestrator.builder.files import identify
from orchestrator.cell import Model
from orchestrator.errors import BuildError, ConfigError, UnsupportedOptimization
from orchestrator.optimization import FINE_TUNED, Optimization

DIGITS_SIZE = 8
"""Pixels of a side of scikit-learn's handwritten digits."""

WEIGHTS_SUFFIXES = (".weights.h5", ".h5", ".keras")
"""What Keras loads weights from; a pickle is a program and is refused."""

Parts = dict[str, Any]


def parts(model: Model, optimization: Optimization, batch_size: int, input_size: int | None) -> Parts:
    """The fields of a recipe that depend on the kind of the model.

    Raises UnsupportedOptimization, ConfigError or BuildError as :meth:`Recipe.of` says.
    """
    nothing = {"application": None, "form": None, "path": None, "sha256": None, "factory": None, "arguments": None}
    return nothing | _KINDS[model.kind](model, optimization, batch_size, input_size)


def _application(model: Model, optimization: Optimization, batch_size: int, input_size: int | None) -> Parts:
    if model.application not in APPLICATIONS:
        raise ConfigError(
            f"model {model.name!r}: application {model.application!r} is none of tf.keras.applications",
            hint=f"model.application is one of {', '.join(sorted(APPLICATIONS))}",
        )
    size = input_size or model.input_size or APPLICATIONS[model.application]
    found = {"application": model.application, "input_size": size}
    if model.weights in ("random", "imagenet"):
        return found | {"weights": model.weights}
    if not model.weights.endswith(WEIGHTS_SUFFIXES):
        raise BuildError(
            f"model {model.name!r}: weights {model.weights!r} are neither random, imagenet nor a Keras weights file",
            hint=f"a weights file ends in {', '.join(WEIGHTS_SUFFIXES)}",
        )
    path = Path(model.weights).expanduser().absolute()
    try:
        return found | {"weights": "file", "path": str(path), "sha256": digest(path)}
    except OSError as error:
        raise BuildError(f"cannot read weights file {path}: {error.strerror or error}") from error


def _digits(model: Model, optimization: Optimization, batch_size: int, input_size: int | None) -> Parts:
    if input_size not in (None, DIGITS_SIZE):
        raise UnsupportedOptimization(
            f"model {model.name!r} cannot have input_size {input_size}: it is trained on images of "
            f"{DIGITS_SIZE}x{DIGITS_SIZE}"
        )
    return {"weights": "trained", "input_size": DIGITS_SIZE}


def _file(model: Model, optimization: Optimization, batch_size: int, input_size: int | None) -> Parts:
    if not model.path:
        raise ConfigError(f"model {model.name!r} is of kind file and names none", hint="set model.path=FILE")
    found = identify(model.path)
    lean = [step for step in optimization.steps if step in FINE_TUNED]
    if found.form in ("tflite", "onnx") and lean:
        raise UnsupportedOptimization(
            f"{found.path} cannot be optimized ({', '.join(lean)}): a finished .{found.form} does not say how it was "
            "trained (a .keras does; quantizations are possible)"
        )
    if found.form == "saved_model" and lean:
        raise UnsupportedOptimization(
            f"{found.path} cannot be optimized ({', '.join(lean)}): a SavedModel does not say which of its numbers are "
            "kernels (a .keras does)"
        )
    if found.form == "tflite" and input_size is not None:
        raise UnsupportedOptimization(
            f"{found.path} cannot have input_size {input_size}: a file's input shape is its own"
        )
    if found.form == "tflite" and batch_size != 1:
        raise UnsupportedOptimization(f"{found.path} cannot have batch_size {batch_size}: a file's batch is its own")
    size = None if found.form == "tflite" else input_size or model.input_size
    path = {"path": str(found.path), "sha256": found.sha256, "form": found.form}
    return path | {"weights": "file", "input_size": size}


def _factory(model: Model, optimization: Optimization, batch_size: int, input_size: int | None) -> Parts:
    if not model.factory:
        raise ConfigError(
            f"model {model.name!r} is of kind factory and names none", hint="set model.factory=package.module:function"
        )
    try:
        arguments = json.dumps(model.arguments, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"model.arguments are no plain data: {error}") from error
    code = locate(model.factory)
    return {
        "weights": "factory",
        "factory": model.factory,
        "arguments": arguments,
        "path": code.root,
        "sha256": code.sha256,
        "input_size": input_size or model.input_size,
    }


_KINDS: dict[str, Callable[[Model, Optimization, int, int | None], Parts]] = {
    "keras_application": _application,
    "digits": _digits,
    "file": _file,
    "factory": _factory,
}
