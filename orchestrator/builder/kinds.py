"""What each kind of model puts into a recipe, and what is impossible for it; no TensorFlow here."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from orchestrator.builder import data_files
from orchestrator.builder.applications import APPLICATIONS, WIDTHS, preprocessing_of
from orchestrator.builder.code import locate
from orchestrator.builder.digests import digest
from orchestrator.builder.files import identify
from orchestrator.builder.networks import TINY
from orchestrator.cell import Model
from orchestrator.errors import BuildError, ConfigError, UnsupportedOptimization
from orchestrator.optimization import FINE_TUNED, Optimization

DIGITS_SIZE = 8
"""Pixels of a side of scikit-learn's handwritten digits."""

WEIGHTS_SUFFIXES = (".weights.h5", ".h5", ".keras")
"""What Keras loads weights from; a pickle is a program and is refused."""

Parts = dict[str, Any]


def parts(
    model: Model, optimization: Optimization, batch_size: int, input_size: int | None, width: float | None = None
) -> Parts:
    """The fields of a recipe that depend on the kind of the model.

    Raises UnsupportedOptimization, ConfigError or BuildError as :meth:`Recipe.of` says.
    """
    nothing = {"application": None, "form": None, "path": None, "sha256": None, "factory": None, "arguments": None}
    found = nothing | _KINDS[model.kind](model, optimization, batch_size, input_size)
    return found | {"width": _width(model, width)} | _data(model)


def _width(model: Model, width: float | None) -> float | None:
    """The multiplier asked for; None where it is the model's own."""
    own = 1.0 if model.application in WIDTHS else TINY[str(model.application)].width if model.kind == "tiny" else None
    if width is None or width == own:
        return None
    if own is None or model.kind not in ("keras_application", "tiny"):
        raise UnsupportedOptimization(
            f"model {model.name!r} cannot have width {width:g}: it has no width multiplier (those that have: "
            f"{', '.join([*WIDTHS, *(name for name, network in TINY.items() if network.width)])})"
        )
    weights = WIDTHS.get(str(model.application), ())
    if model.weights == "imagenet" and width not in weights:
        raise UnsupportedOptimization(
            f"model {model.name!r} cannot have width {width:g}: there are ImageNet weights of {model.application} for "
            f"the widths {', '.join(f'{one:g}' for one in weights)} only"
        )
    return width


def _data(model: Model) -> Parts:
    """The user's data, and how its pixels become inputs: ``auto`` is left where nobody knows that."""
    mode = model.preprocessing
    if mode == "auto" and model.kind in _PREPARED:
        mode = _PREPARED[model.kind](model)
    if model.data is None:
        return {"data": None, "data_sha256": None, "preprocessing": mode}
    path, sha256 = data_files.identify(model.data)
    if mode == "auto" and Path(path).is_dir():
        raise ConfigError(unknown_preprocessing(model.name), hint=PREPROCESSING_HINT)
    return {"data": path, "data_sha256": sha256, "preprocessing": mode}


_PREPARED: dict[str, Callable[[Model], str]] = {
    "keras_application": lambda model: preprocessing_of(str(model.application)),
    "tiny": lambda model: TINY[str(model.application)].preprocessing,
    "digits": lambda model: "unit",
}
PREPROCESSING_HINT = "set model.preprocessing: none (0 to 255), unit (0 to 1), tf (-1 to 1), torch or caffe"


def unknown_preprocessing(name: str) -> str:
    """What to say where pixels are given, and nobody knows what the model makes of them."""
    return f"model {name!r} does not say how it was trained on images"


def _application(model: Model, optimization: Optimization, batch_size: int, input_size: int | None) -> Parts:
    if model.application not in APPLICATIONS:
        raise ConfigError(
            f"model {model.name!r}: application {model.application!r} is none of tf.keras.applications",
            hint=f"model.application is one of {', '.join(sorted(APPLICATIONS))}",
        )
    size = input_size or model.input_size or APPLICATIONS[model.application]
    found = {"application": model.application, "input_size": size}
    if model.weights == "imagenet":
        return found | {"weights": model.weights}
    return found | _weights(model, "neither random, imagenet nor")


def _tiny(model: Model, optimization: Optimization, batch_size: int, input_size: int | None) -> Parts:
    network = TINY.get(str(model.application))
    if network is None:
        raise ConfigError(
            f"model {model.name!r}: application {model.application!r} is no network of MLPerf Tiny",
            hint=f"model.application is one of {', '.join(TINY)}",
        )
    if model.task != network.task:
        raise ConfigError(f"model {model.name!r}: {model.application} is for task {network.task}, not {model.task}")
    if network.size is None and input_size is not None:
        raise UnsupportedOptimization(f"model {model.name!r} cannot have input_size {input_size}: its shape is its own")
    size = None if network.size is None else input_size or model.input_size or network.size
    return {"application": model.application, "input_size": size} | _weights(model, "neither random nor")


def _weights(model: Model, otherwise: str) -> Parts:
    if model.weights == "random":
        return {"weights": "random"}
    if not model.weights.endswith(WEIGHTS_SUFFIXES):
        raise BuildError(
            f"model {model.name!r}: weights {model.weights!r} are {otherwise} a Keras weights file",
            hint=f"a weights file ends in {', '.join(WEIGHTS_SUFFIXES)}",
        )
    path = Path(model.weights).expanduser().absolute()
    try:
        return {"weights": "file", "path": str(path), "sha256": digest(path)}
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
    "tiny": _tiny,
    "file": _file,
    "factory": _factory,
}
