"""Everything that goes into an artifact, and the key that follows from it; no TensorFlow here."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Self

from orchestrator.builder.applications import APPLICATIONS
from orchestrator.cell import Model, Optimization
from orchestrator.errors import BuildError, ConfigError, UnsupportedOptimization

DIGITS_SIZE = 8
"""Pixels of a side of scikit-learn's handwritten digits."""

TFLITE_IDENTIFIER = b"TFL3"
"""Bytes 4 to 8 of every TFLite file (flatbuffer file identifier)."""

WEIGHTS_SUFFIXES = (".weights.h5", ".h5", ".keras")
"""What Keras loads weights from; a pickle is a program and is refused."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is built and from what. Two recipes with the same ``key`` make the same artifact.

    Labels (names, descriptions, the path of a file) are no part of the key; the content of a file is.
    """

    kind: str
    application: str | None
    weights: str  # random | imagenet | trained | file
    path: str | None  # of the model or weights file
    path_sha256: str | None
    quantization: str
    calibration_samples: int | None  # None where nothing is calibrated
    batch_size: int
    input_size: int | None  # pixels of a side; None: what the file says
    seed: int
    versions: tuple[tuple[str, str], ...]
    builder: str  # digest of this package's sources

    @classmethod
    def of(
        cls,
        model: Model,
        optimization: Optimization,
        *,
        batch_size: int = 1,
        input_size: int | None = None,
        seed: int = 0,
    ) -> Self:
        """The recipe of a cell. ``input_size`` overrides the model's own.

        Raises UnsupportedOptimization for an impossible combination, ConfigError for an unknown application and
        BuildError where a model or weights file cannot be read.
        """
        parts = _KINDS[model.kind](model, optimization, batch_size, input_size)
        calibrated = optimization.quantization == "int8"
        return cls(
            kind=model.kind,
            **parts,
            quantization=optimization.quantization,
            calibration_samples=optimization.calibration_samples if calibrated else None,
            batch_size=batch_size,
            seed=0 if model.kind == "file" else seed,
            versions=_versions(model.kind),
            builder=_own_digest(),
        )

    @property
    def content(self) -> dict[str, Any]:
        """What the key is made of, as plain JSON data."""
        plain = {field.name: getattr(self, field.name) for field in dataclasses.fields(self) if field.name != "path"}
        return plain | {"versions": dict(self.versions)}

    @property
    def key(self) -> str:
        """SHA-256 over the canonical JSON of the content."""
        text = json.dumps(self.content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def message(self) -> dict[str, Any]:
        """Plain JSON data for another process; ``from_message`` is the way back."""
        return self.content | {"path": self.path}

    @classmethod
    def from_message(cls, message: dict[str, Any]) -> Self:
        """What ``message`` said."""
        return cls(**message | {"versions": tuple(message["versions"].items())})

    @property
    def format(self) -> str:
        """What the artifact will be, of RUNTIME_FORMATS; known before it is built."""
        return "tflite"

    @property
    def unoptimized(self) -> Self:
        """The recipe of the float model that this one is made from."""
        return dataclasses.replace(self, quantization="none", calibration_samples=None)

    @property
    def subject(self) -> str:
        """How messages call it."""
        what = self.path if self.kind == "file" else self.application or self.kind
        return f"{what} ({self.quantization})"


def _application(model: Model, optimization: Optimization, batch_size: int, input_size: int | None) -> dict[str, Any]:
    if model.application not in APPLICATIONS:
        raise ConfigError(
            f"model {model.name!r}: application {model.application!r} is none of tf.keras.applications",
            hint=f"model.application is one of {', '.join(sorted(APPLICATIONS))}",
        )
    size = input_size or model.input_size or APPLICATIONS[model.application]
    parts = {"application": model.application, "input_size": size}
    if model.weights in ("random", "imagenet"):
        return parts | {"weights": model.weights, "path": None, "path_sha256": None}
    if not model.weights.endswith(WEIGHTS_SUFFIXES):
        raise BuildError(
            f"model {model.name!r}: weights {model.weights!r} are neither random, imagenet nor a Keras weights file",
            hint=f"a weights file ends in {', '.join(WEIGHTS_SUFFIXES)}",
        )
    path, content = _read(model.weights, "weights")
    return parts | {"weights": "file", "path": path, "path_sha256": hashlib.sha256(content).hexdigest()}


def _digits(model: Model, optimization: Optimization, batch_size: int, input_size: int | None) -> dict[str, Any]:
    if input_size not in (None, DIGITS_SIZE):
        raise UnsupportedOptimization(
            f"model {model.name!r} cannot have input_size {input_size}: it is trained on images of "
            f"{DIGITS_SIZE}x{DIGITS_SIZE}"
        )
    return {
        "application": None,
        "weights": "trained",
        "path": None,
        "path_sha256": None,
        "input_size": DIGITS_SIZE,
    }


def _file(model: Model, optimization: Optimization, batch_size: int, input_size: int | None) -> dict[str, Any]:
    if not model.path:
        raise ConfigError(f"model {model.name!r} is of kind file and names none", hint="set model.path=FILE.tflite")
    path, content = _read(model.path, "model")
    if optimization.quantization != "none":
        raise UnsupportedOptimization(
            f"{path} cannot be quantized to {optimization.quantization}: a finished .tflite has no float source to "
            "quantize from (use optimization=none)"
        )
    if input_size is not None:
        raise UnsupportedOptimization(f"{path} cannot have input_size {input_size}: a file's input shape is its own")
    if batch_size != 1:
        raise UnsupportedOptimization(f"{path} cannot have batch_size {batch_size}: a file's batch is its own")
    if content[4:8] != TFLITE_IDENTIFIER:
        raise BuildError(f"{path} is not a TFLite model: its bytes 4 to 8 are not {TFLITE_IDENTIFIER.decode()}")
    return {
        "application": None,
        "weights": "file",
        "path": path,
        "path_sha256": hashlib.sha256(content).hexdigest(),
        "input_size": None,
    }


_KINDS = {"keras_application": _application, "digits": _digits, "file": _file}


def _read(path: str, what: str) -> tuple[str, bytes]:
    """The file's absolute path and content."""
    absolute = Path(path).expanduser().absolute()
    try:
        return str(absolute), absolute.read_bytes()
    except OSError as error:
        raise BuildError(f"cannot read {what} file {absolute}: {error.strerror or error}") from error


def _versions(kind: str) -> tuple[tuple[str, str], ...]:
    """Of what the result depends on, without importing any of it."""
    names = ("tensorflow", "keras", "numpy", *(("scikit-learn",) if kind == "digits" else ()))
    try:
        return tuple((name, version(name)) for name in names)
    except PackageNotFoundError as error:
        raise BuildError(
            f"models cannot be built here: {error.name} is not installed", hint="pip install edge-orchestrator"
        ) from error


@cache
def _own_digest() -> str:
    """A change of the builder makes new artifacts."""
    digest = hashlib.sha256()
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.name.encode() + b"\0" + source.read_bytes() + b"\0")
    return digest.hexdigest()
