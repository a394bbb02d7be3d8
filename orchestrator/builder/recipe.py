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

from orchestrator.builder.kinds import parts
from orchestrator.cell import QUANTIZATIONS, Model, Optimization
from orchestrator.errors import BuildError

CALIBRATED = ("int8", "int16x8")


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is built and from what. Two recipes with the same ``key`` make the same artifact.

    Labels (names, descriptions, where a file lies) are no part of the key; the content of a file is.
    """

    kind: str
    application: str | None
    weights: str  # random | imagenet | trained | file | factory
    form: str | None  # of a user's own file: tflite | keras | saved_model | onnx
    path: str | None  # of the model or weights file; where the factory's module is found
    sha256: str | None  # of the file, the folder, or the code
    factory: str | None  # package.module:function
    arguments: str | None  # of the factory, as JSON
    steps: tuple[str, ...]  # of STEPS, in the order in which they are applied
    sparsity: float | None  # None where nothing is pruned
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

        Raises UnsupportedOptimization for an impossible combination, ConfigError for an unknown application or a
        factory whose module is not there, and BuildError where a model or weights file cannot be read.
        """
        steps = tuple(optimization.steps)
        found = parts(model, optimization, batch_size, input_size)
        finished = found["form"] in ("tflite", "onnx")
        return cls(
            kind=model.kind,
            **found,
            steps=steps,
            sparsity=optimization.sparsity if "prune" in steps else None,
            calibration_samples=optimization.calibration_samples if set(steps) & set(CALIBRATED) else None,
            batch_size=batch_size,
            seed=0 if finished else seed,
            versions=_versions(model.kind, found["form"]),
            builder=_own_digest(),
        )

    @property
    def content(self) -> dict[str, Any]:
        """What the key is made of, as plain JSON data."""
        plain = {field.name: getattr(self, field.name) for field in dataclasses.fields(self) if field.name != "path"}
        return plain | {"steps": list(self.steps), "versions": dict(self.versions)}

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
        tuples = {"steps": tuple(message["steps"]), "versions": tuple(message["versions"].items())}
        return cls(**message | tuples)

    @property
    def format(self) -> str:
        """What the artifact will be, of RUNTIME_FORMATS; known before it is built."""
        return "onnx" if self.form == "onnx" else "tflite"

    @property
    def quantization(self) -> str:
        """The step that ends the chain, of QUANTIZATIONS; ``none`` where the weights stay float."""
        return next((step for step in self.steps if step in QUANTIZATIONS), "none")

    @property
    def unquantized(self) -> Self:
        """The recipe of the float model that this one is quantized from: pruned, if this one is."""
        steps = tuple(step for step in self.steps if step not in QUANTIZATIONS)
        return dataclasses.replace(self, steps=steps, calibration_samples=None)

    @property
    def unoptimized(self) -> Self:
        """The recipe of the float model as it came."""
        return dataclasses.replace(self, steps=(), sparsity=None, calibration_samples=None)

    @property
    def name(self) -> str:
        """How messages call the model, whatever is done to it."""
        return str(self.path if self.kind == "file" else self.application or self.factory or self.kind)

    @property
    def subject(self) -> str:
        """How messages call what is built."""
        return f"{self.name} ({', '.join(self.steps) or 'none'})"


def _versions(kind: str, form: str | None) -> tuple[tuple[str, str], ...]:
    """Of what the result depends on, without importing any of it."""
    names = ("tensorflow", "keras", "numpy", *(("scikit-learn",) if kind == "digits" else ()))
    if form == "onnx":
        names = ("onnx", "onnxruntime", "numpy")
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
