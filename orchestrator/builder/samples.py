"""Inputs of a model as they are stored: images as bytes, anything else as numbers. No TensorFlow here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from orchestrator.builder.images import Array, invented, photographic_noise
from orchestrator.builder.preprocess import Preprocessing

Shape = tuple[int, ...]
Affine = tuple[Array, Array]
"""A scale and an offset, which are broadcast against a sample: a value per channel."""

EVALUATED, EVALUATION_SEED = 16, 2_000_003
"""Samples of noise, and what is added to the seed: neither BatchNorm nor calibration has seen them."""

_IMAGE_RANK = 4
_CHANNELS = (1, 3, 4)


@dataclass(frozen=True, slots=True)
class Ports:
    """What a model takes and answers: shapes with the batch first, and NumPy types."""

    inputs: tuple[tuple[Shape, Any], ...]
    output: tuple[int | None, ...]  # the first one's shape

    @property
    def classes(self) -> int | None:
        """How many there are where the answer is a row of scores; else None."""
        return self.output[1] if len(self.output) == 2 and (self.output[1] or 0) > 1 else None

    @property
    def image(self) -> tuple[int, int, int, bool] | None:
        """Height, width, channels and whether these come first, where the only input is an image; else None."""
        if len(self.inputs) != 1 or len(self.inputs[0][0]) != _IMAGE_RANK:
            return None
        _, first, second, third = self.inputs[0][0]
        if third not in _CHANNELS and first in _CHANNELS:
            return second, third, first, True
        return first, second, third, False


@dataclass(frozen=True, slots=True)
class Samples:
    """Samples along the first axis of each array; those of the first input are bytes where there is an ``affine``."""

    stored: tuple[Array, ...]
    affine: Affine | None = None
    labels: Array | None = None

    def __len__(self) -> int:
        return len(self.stored[0])

    def only(self, chosen: Any) -> Samples:
        """Some of them, by an index array or a slice."""
        labels = None if self.labels is None else self.labels[chosen]
        return Samples(tuple(values[chosen] for values in self.stored), self.affine, labels)

    @property
    def inputs(self) -> list[Array]:
        """What the model takes; the very numbers that a board makes of the stored ones."""
        first, *rest = self.stored
        if self.affine is not None:
            first = first.astype(np.float32) * self.affine[0] + self.affine[1]
        return [first, *rest]


def images(pixels: Array, ports: Ports, preprocessing: Preprocessing, labels: Array | None = None) -> Samples:
    """Of bytes, channels last, for a model that takes images in either order."""
    scale, offset = preprocessing.affine(pixels.shape[-1])
    stored = preprocessing.ordered(pixels)
    if ports.image is not None and ports.image[3]:
        stored = np.moveaxis(stored, -1, 1)
        scale, offset = scale[:, None, None], offset[:, None, None]
    return Samples((np.ascontiguousarray(stored),), (scale, offset), labels)


def noise(ports: Ports, samples: int, seed: int, preprocessing: Preprocessing) -> Samples:
    """Seeded: images with the spectrum of photographs; see :func:`invented` for anything else."""
    if ports.image is None or np.dtype(ports.inputs[0][1]).kind != "f" or min(ports.image[:2]) < 2:
        return Samples(tuple(invented(ports.inputs, samples, seed)))
    height, width, channels, _ = ports.image
    pixels = np.rint(photographic_noise(samples, height, width, channels, seed)).astype(np.uint8)
    return images(pixels, ports, preprocessing)


def shapes(given: Sequence[tuple[Sequence[int], Any]]) -> tuple[tuple[Shape, Any], ...]:
    """As :class:`Ports` holds them."""
    return tuple((tuple(int(size) for size in shape), np.dtype(dtype)) for shape, dtype in given)
