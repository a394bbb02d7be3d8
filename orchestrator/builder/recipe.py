"""Everything that goes into an artifact, and the key that follows from it; no TensorFlow here."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

from orchestrator.builder.combinations import check_combination
from orchestrator.builder.formats import activations_for, check_format, format_for
from orchestrator.builder.kinds import parts
from orchestrator.cell import Model, Runtime
from orchestrator.errors import BuildError
from orchestrator.optimization import CALIBRATED, FINE_TUNED, QUANTIZATIONS, SCALED, Optimization


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
    format: str  # what the artifact is, of FORMATS in the contract
    steps: tuple[str, ...]  # of STEPS, in the order in which they are applied
    # Parameters of those steps, each None where no step has it: see Optimization.
    sparsity: float | None
    sparse_encoding: bool | None
    channels: float | None
    channel_multiple: int | None
    clusters: int | None
    fine_tune_epochs: int | None  # None also: the schedule's own
    calibration_samples: int | None
    io: str | None
    activations: str | None  # of int8 in ONNX: uint8, with zero points, for processors; int8, without, for TensorRT
    granularity: str | None
    keep_float: tuple[str, ...] | None
    batch_size: int
    input_size: int | None  # pixels of a side; None: what the file says
    width: float | None  # width multiplier; None: the model's own
    data: str | None  # path of the user's data: a folder or a .npz
    data_sha256: str | None  # of its content
    preprocessing: str
    evaluation_samples: int
    task: str
    seed: int
    versions: tuple[tuple[str, str], ...]
    builder: str  # digest of this package's sources

    @classmethod
    def of(
        cls,
        model: Model,
        optimization: Optimization,
        *,
        runtime: Runtime | None = None,
        batch_size: int = 1,
        input_size: int | None = None,
        width: float | None = None,
        seed: int = 0,
    ) -> Self:
        """The recipe of a cell. ``input_size`` overrides the model's own; ``runtime`` decides the format, None: TFLite.

        Raises UnsupportedOptimization for an impossible combination, ConfigError for an unknown application or a
        factory whose module is not there, and BuildError where a model, weights or data file cannot be read.
        """
        steps = tuple(optimization.steps)
        found = parts(model, optimization, batch_size, input_size, width)
        finished = found["form"] in FINISHED
        format = str(found["form"]) if finished else format_for(runtime)
        check_combination(optimization, format)
        check_format(optimization, format, runtime)
        return cls(
            kind=model.kind,
            **found,
            format=format,
            steps=steps,
            **_parameters(optimization),
            activations=activations_for(optimization, format, runtime),
            batch_size=batch_size,
            evaluation_samples=model.evaluation_samples,
            task=model.task,
            seed=0 if finished and not steps and found["data"] is None else seed,
            versions=_versions(_packages(model.kind, found["form"], format, optimization, found["data"])),
            builder=_own_digest(),
        )

    @property
    def content(self) -> dict[str, Any]:
        """What the key is made of, as plain JSON data."""
        plain = {
            field.name: getattr(self, field.name) for field in dataclasses.fields(self) if field.name not in _PATHS
        }
        kept = None if self.keep_float is None else list(self.keep_float)
        return plain | {"steps": list(self.steps), "keep_float": kept, "versions": dict(self.versions)}

    @property
    def key(self) -> str:
        """SHA-256 over the canonical JSON of the content."""
        text = json.dumps(self.content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def message(self) -> dict[str, Any]:
        """Plain JSON data for another process; ``from_message`` is the way back."""
        return self.content | {name: getattr(self, name) for name in _PATHS}

    @classmethod
    def from_message(cls, message: dict[str, Any]) -> Self:
        """What ``message`` said."""
        kept = message["keep_float"]
        tuples = {
            "steps": tuple(message["steps"]),
            "keep_float": None if kept is None else tuple(kept),
            "versions": tuple(message["versions"].items()),
        }
        return cls(**message | tuples)

    @classmethod
    def kept(cls, manifest: Mapping[str, Any] | None) -> Self | None:
        """The recipe in the manifest of an artifact, also of one that other sources have built: to find it again, not
        to build it. None where it is of another version.
        """
        try:
            return cls.from_message({**(manifest or {})["recipe"], **dict.fromkeys(_PATHS)})
        except (LookupError, TypeError, AttributeError):
            return None

    @property
    def quantization(self) -> str:
        """The step that ends the chain, of QUANTIZATIONS; ``none`` where the weights stay float."""
        return next((step for step in self.steps if step in QUANTIZATIONS), "none")

    @property
    def is_requantized(self) -> bool:
        """True where a float TFLite file is quantized, and not a model while it is converted."""
        return _is_requantized(self.form, self.steps, self.granularity, self.keep_float)

    @property
    def unquantized(self) -> Self:
        """The recipe of the float model that this one is quantized from: pruned, if this one is."""
        steps = tuple(step for step in self.steps if step not in QUANTIZATIONS)
        return dataclasses.replace(
            self, steps=steps, calibration_samples=None, io=None, activations=None, granularity=None, keep_float=None
        )

    @property
    def unoptimized(self) -> Self:
        """The recipe of the float model as it came."""
        return dataclasses.replace(self, steps=(), activations=None, **_parameters(Optimization("none")))

    @property
    def origin(self) -> Self:
        """What all artifacts of a model are made from: training and weights know neither a batch size nor a format."""
        form = str(self.form) if self.form in FINISHED else "tflite"
        return dataclasses.replace(self.unoptimized, batch_size=1, format=form, versions=())

    @property
    def name(self) -> str:
        """How messages call the model, whatever is done to it."""
        return str(self.path if self.kind == "file" else self.application or self.factory or self.kind)

    @property
    def subject(self) -> str:
        """How messages call what is built."""
        return f"{self.name} ({', '.join(self.steps) or 'none'})"


_PATHS = ("path", "data")
FINISHED = ("tflite", "onnx")
"""Forms of a user's own file that are no source to convert, but an artifact already."""


def _parameters(o: Optimization) -> dict[str, Any]:
    """Those that some step has; the others are None."""
    steps = set(o.steps)
    integer, scaled = steps & set(CALIBRATED), steps & set(SCALED)
    return {
        "sparsity": o.sparsity if "prune" in steps else None,
        "sparse_encoding": o.sparse_encoding if "prune" in steps else None,
        "channels": o.channels if "prune_channels" in steps else None,
        "channel_multiple": o.channel_multiple if "prune_channels" in steps else None,
        "clusters": o.clusters if "cluster" in steps else None,
        "fine_tune_epochs": o.fine_tune_epochs if steps & set(FINE_TUNED) else None,
        "calibration_samples": o.calibration_samples if integer else None,
        "io": o.io if integer else None,
        "granularity": o.granularity if scaled else None,
        "keep_float": tuple(o.keep_float) if scaled else None,
    }


def _is_requantized(
    form: str | None, steps: Sequence[str], granularity: str | None, keep_float: Sequence[str] | None
) -> bool:
    """What ai-edge-quantizer does: whatever the converter cannot do, or does wrong.

    Of int16x8 per tensor the converter of TensorFlow 2.21 makes a file that no interpreter takes where a depthwise
    convolution is in it: "Quantized dimension for tensor property and quantization parameters do not match".
    """
    quantizes = bool(set(steps) & set(QUANTIZATIONS))
    odd = "weight_only" in steps or bool(keep_float) or ("int16x8" in steps and granularity == "per_tensor")
    return quantizes and (odd or form == "tflite")


def _packages(kind: str, form: str | None, format: str, optimization: Optimization, data: str | None) -> list[str]:
    """What the result depends on."""
    names = [] if form == "onnx" else ["tensorflow", "keras"]
    if kind == "digits":
        names.append("scikit-learn")
    if format == "tflite":
        names.append("ai-edge-litert")  # runs what was made, and answers for a file that is its own reference
    if format == "onnx":
        names += ["onnx", "onnxruntime", *(["tf2onnx"] if form != "onnx" else [])]
    elif _is_requantized(form, optimization.steps, optimization.granularity, optimization.keep_float):
        names.append("ai-edge-quantizer")
    if data is not None and Path(data).is_dir():  # images are decoded and resized with it
        names.append("pillow")
    return [*names, "numpy"]


def _versions(names: list[str]) -> tuple[tuple[str, str], ...]:
    """Without importing any of it."""
    try:
        return tuple((name, version(name)) for name in names)
    except PackageNotFoundError as error:
        raise BuildError(
            f"models cannot be built here: {error.name} is not installed", hint="pip install edge-orchestrator"
        ) from error


def _board_side(module: str) -> Path:
    """The source of a module of the board's program; looked up, not imported, since it needs numpy."""
    spec = find_spec(f"remote.{module}")
    if spec is None or spec.origin is None:
        raise BuildError(f"the module remote.{module} is not installed", hint="pip install edge-orchestrator")
    return Path(spec.origin)


@cache
def _own_digest() -> str:
    """A change of the builder, or of what an evaluation is written by, makes new artifacts."""
    digest = hashlib.sha256()
    here = Path(__file__).parent
    for source in sorted([*here.rglob("*.py"), here.parent / "evaluation.py", _board_side("stored_inputs")]):
        name = str(source.relative_to(here)) if source.is_relative_to(here) else source.name
        digest.update(name.encode() + b"\0" + source.read_bytes() + b"\0")
    return digest.hexdigest()
