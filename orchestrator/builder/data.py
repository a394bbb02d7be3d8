"""A user's own data: read, brought to the model's size, and divided into what is evaluated and the rest."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from orchestrator.builder import pictures
from orchestrator.builder.data_files import class_folders, class_of, identify, images_in
from orchestrator.builder.images import Array
from orchestrator.builder.kinds import PREPROCESSING_HINT, unknown_preprocessing
from orchestrator.builder.preprocess import PREPROCESSINGS
from orchestrator.builder.recipe import Recipe
from orchestrator.builder.samples import Ports, Samples, images
from orchestrator.errors import BuildError, ConfigError

RECONSTRUCTION = "reconstruction"
_TRAINING_BYTES = 2**30
"""Of inputs in memory at most, so that a large folder is not read as a whole to fine-tune for some epochs."""

_SLACK = 0.05
"""Of the range of a preprocessing: resampling overshoots."""

Pair = tuple[list[Array], Array]


class Data(Protocol):
    """Samples, by number."""

    @property
    def labels(self) -> Array | None: ...
    @property
    def words(self) -> str: ...  # what it is
    @property
    def prepared(self) -> str: ...  # how inputs were made of it
    def __len__(self) -> int: ...
    def take(self, chosen: Array) -> Samples: ...


@dataclass(frozen=True, slots=True)
class Split:
    """The same seed gives the same parts; ``rest`` shares no sample with ``evaluation``, and no anomalies are in it."""

    data: Data
    evaluation: Samples
    rest: Array  # numbers of samples
    task: str
    sha256: str  # of the data
    seed: int

    @property
    def evaluation_source(self) -> str:
        return f"{len(self.evaluation)} of {len(self.data)} {self.data.words}, {self.data.prepared}"

    @property
    def rest_source(self) -> str:
        return f"{len(self.rest)} {self.data.words} that are not evaluated, {self.data.prepared}"

    def inputs(self, samples: int, seed: int) -> list[Array]:
        """Seeds in a row give samples in a row, each once before one comes again."""
        places = (np.arange(samples) + seed * samples) % len(self.rest)
        return self.data.take(self.rest[places]).inputs

    @property
    def digest(self) -> str:
        """Which samples are evaluated, and with which labels: equal for all models that answer the same data."""
        return hashlib.sha256(f"{self.sha256} {self.seed} {len(self.evaluation)} {self.task}".encode()).hexdigest()

    def train(self) -> Pair | None:
        """Inputs and labels, of the first ``_TRAINING_BYTES``; inputs and inputs for a reconstruction. None where there
        is nothing to learn."""
        if self.data.labels is None and self.task != RECONSTRUCTION:
            return None
        size = sum(values.nbytes for values in self.data.take(self.rest[:1]).inputs)
        chosen = self.data.take(self.rest[: max(1, _TRAINING_BYTES // max(1, size))])
        inputs = chosen.inputs
        if self.task == RECONSTRUCTION:
            return inputs, inputs[0]
        return None if chosen.labels is None else (inputs, chosen.labels)


def split(recipe: Recipe, ports: Ports) -> Split:
    """The data of a recipe for a model with these inputs and outputs.

    Raises BuildError or ConfigError where they do not fit the model, and BuildError where a file cannot be read or
    changed after the plan was made.
    """
    path, sha256 = identify(str(recipe.data))
    if sha256 != recipe.data_sha256:
        raise BuildError(f"model.data={path} changed after the plan was made", hint="start the sweep again")
    data = _folder(Path(path), recipe, ports) if Path(path).is_dir() else _arrays(Path(path), recipe, ports)
    if len(data) < 2:
        raise BuildError(f"model.data={path} holds {len(data)} samples: some are evaluated, others calibrate")
    if data.labels is not None and recipe.task == RECONSTRUCTION and set(np.unique(data.labels)) - {0, 1}:
        raise BuildError(f"model.data={path}: with model.task={RECONSTRUCTION} a label is 0, or 1 for an anomaly")
    order = np.random.default_rng(recipe.seed).permutation(len(data))
    count = min(recipe.evaluation_samples, len(data) // 2)
    rest = order[count:]
    if data.labels is not None and recipe.task == RECONSTRUCTION:
        rest = rest[data.labels[rest] == 0]
        if not len(rest):
            raise BuildError(f"model.data={path}: there is nothing but anomalies left to calibrate on")
    return Split(data, data.take(order[:count]), rest, recipe.task, sha256, recipe.seed)


@dataclass(frozen=True, slots=True)
class _Folder:
    files: list[Path]
    labels: Array | None
    words: str
    prepared: str
    read: Callable[[list[Path], Array | None], Samples]

    def __len__(self) -> int:
        return len(self.files)

    def take(self, chosen: Array) -> Samples:
        labels = None if self.labels is None else self.labels[chosen]
        return self.read([self.files[number] for number in chosen], labels)


def _folder(root: Path, recipe: Recipe, ports: Ports) -> Data:
    if ports.image is None:
        shapes = ", ".join(str(list(shape)) for shape, _ in ports.inputs)
        raise BuildError(
            f"model.data={root} is a folder of images, and {recipe.name} takes {shapes}: no image",
            hint="give its inputs as a .npz with x (and y)",
        )
    height, width, channels, _ = ports.image
    mode = PREPROCESSINGS[recipe.preprocessing]
    found = [(folder, list(images_in(folder))) for folder in class_folders(root)]
    filled = [(folder, files) for folder, files in found if files]
    if not filled:
        raise BuildError(f"model.data={root} holds no .jpg or .png in its subfolders", hint="one subfolder per class")
    classes = None if recipe.task == RECONSTRUCTION else ports.classes
    numbers = class_of([folder for folder, _ in filled], root, classes)
    labels = np.array([numbers[folder.name] for folder, files in filled for _ in files], np.int64)

    def read(files: list[Path], chosen: Array | None) -> Samples:
        pixels = np.stack([pictures.decoded(file, height, width, channels) for file in files])
        return images(pixels, ports, mode, chosen)

    return _Folder(
        [file for _, files in filled for file in files],
        labels if recipe.task == RECONSTRUCTION or classes is not None else None,
        f"images of the folder {root.name}",
        f"{pictures.WORDS}, preprocessing {mode.name}",
        read,
    )


@dataclass(frozen=True, slots=True)
class _Arrays:
    samples: Samples
    words: str
    prepared: str

    @property
    def labels(self) -> Array | None:
        return self.samples.labels

    def __len__(self) -> int:
        return len(self.samples)

    def take(self, chosen: Array) -> Samples:
        return self.samples.only(chosen)


def _arrays(path: Path, recipe: Recipe, ports: Ports) -> Data:
    """``x``, or ``x_0``, ``x_1`` ... for several inputs; ``y``."""
    stored = _loaded(path)
    names = ["x"] if len(ports.inputs) == 1 else [f"x_{number}" for number in range(len(ports.inputs))]
    missing = [name for name in names if name not in stored]
    if missing:
        raise BuildError(
            f"model.data={path} holds {', '.join(stored) or 'nothing'}, and {recipe.name} needs {', '.join(names)}"
        )
    found = [_fitting(path, stored[name], name, *port) for name, port in zip(names, ports.inputs, strict=True)]
    counts = {len(values) for values in found}
    labels = _labels(path, stored.get("y"), recipe, ports)
    if labels is not None:
        counts.add(len(labels))
    if len(counts) > 1:
        raise BuildError(f"model.data={path}: its arrays are of different lengths: {sorted(counts)}")
    words = f"samples of {path.name}"
    if len(found) > 1 or found[0].dtype != np.uint8 or np.dtype(ports.inputs[0][1]).kind != "f":
        _refuse_pixels(path, found, ports, recipe)
        cast = tuple(values.astype(dtype) for values, (_, dtype) in zip(found, ports.inputs, strict=True))
        return _Arrays(Samples(cast, None, labels), words, "as they are")
    if recipe.preprocessing == "auto":
        raise ConfigError(
            f"model.data={path} holds bytes, and {unknown_preprocessing(recipe.name)}", hint=PREPROCESSING_HINT
        )
    mode = PREPROCESSINGS[recipe.preprocessing]
    channels_first = ports.image is not None and ports.image[3]
    pixels = np.moveaxis(found[0], 1, -1) if channels_first else found[0]
    return _Arrays(images(pixels, ports, mode, labels), words, f"preprocessing {mode.name}")


def _refuse_pixels(path: Path, found: list[Array], ports: Ports, recipe: Recipe) -> None:
    """Numbers are taken as they are; those beyond what the model's preprocessing could make of a pixel are pixels.

    Raises ConfigError.
    """
    if recipe.preprocessing == "auto" or ports.image is None or found[0].dtype.kind != "f":
        return
    *_, channels, _ = ports.image
    scale, offset = PREPROCESSINGS[recipe.preprocessing].affine(channels)
    low, high = float(offset.min()), float((255 * scale + offset).max())
    slack = _SLACK * (high - low)
    if found[0].min() < low - slack or found[0].max() > high + slack:
        raise ConfigError(
            f"model.data={path}: x reaches from {found[0].min():.4g} to {found[0].max():.4g}, and preprocessing"
            f" {recipe.preprocessing} of {recipe.name} gives {low:.4g} to {high:.4g}",
            hint="numbers are taken as they are: give the pixels as bytes (uint8) and they are prepared here",
        )


def _loaded(path: Path) -> dict[str, Array]:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except Exception as error:
        raise BuildError(
            f"model.data={path} cannot be read: {error}", hint="np.savez(path, x=inputs, y=labels)"
        ) from error


def _fitting(path: Path, values: Array, name: str, shape: tuple[int, ...], dtype: Any) -> Array:
    if values.dtype.kind not in "fiub":
        raise BuildError(f"model.data={path}: {name} is of type {values.dtype}, not numbers")
    if values.shape[1:] != tuple(shape[1:]):
        raise BuildError(
            f"model.data={path}: {name} has the shape {list(values.shape)}, and the model takes {list(shape)}",
            hint="samples come first; a folder of images is brought to the model's size, an array is not",
        )
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise BuildError(f"model.data={path}: {name} holds values that are not finite")
    if values.dtype.kind == "f" and np.dtype(dtype).kind != "f":
        raise BuildError(f"model.data={path}: {name} is of type {values.dtype}, and the model takes {np.dtype(dtype)}")
    return values


def _labels(path: Path, labels: Array | None, recipe: Recipe, ports: Ports) -> Array | None:
    """None also where the model's answers are no scores that a class could be held against."""
    if labels is None or (recipe.task != RECONSTRUCTION and ports.classes is None):
        return None
    if labels.ndim != 1 or labels.dtype.kind not in "iub":
        raise BuildError(
            f"model.data={path}: y is of type {labels.dtype} and shape {list(labels.shape)}, not a class per sample"
        )
    highest = int(labels.max(initial=0))
    if labels.min(initial=0) < 0 or (recipe.task != RECONSTRUCTION and highest >= (ports.classes or 0)):
        raise BuildError(f"model.data={path}: y holds class {highest}, and the model has {ports.classes}, from 0")
    return labels.astype(np.int64)
