"""Seeded inputs that look more like photographs than white noise does: for calibration where there are no data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_FINEST_CELLS = 64


def photographic_noise(samples: int, height: int, width: int, channels: int, seed: int) -> Array:
    """``samples`` images of 0..255, float32.

    Sum of random grids from coarse to fine with equal amplitude, so that most energy lies in large areas, as in
    photographs (1/f spectrum). White noise averages out in a network's pooling: every image would look the same.
    """
    rng = np.random.default_rng(seed)
    images = np.zeros((samples, height, width, channels), np.float32)
    cells = 2
    while cells <= _FINEST_CELLS:
        grid = rng.uniform(-1, 1, (samples, cells, cells, channels)).astype(np.float32)
        rows, columns = np.arange(height) * cells // height, np.arange(width) * cells // width
        images += grid[:, rows][:, :, columns]
        cells *= 2
    low = images.min(axis=(1, 2, 3), keepdims=True)
    high = images.max(axis=(1, 2, 3), keepdims=True)
    images -= low
    images *= np.float32(255) / (high - low)
    return images


def invented(shapes: Sequence[tuple[Sequence[int], Any]], samples: int, seed: int) -> list[Array]:
    """Inputs for a model of which nothing but shapes (batch first) and types are known, as on a board.

    Images and other floats within -1 and 1; whole numbers are 0 or 1, which are valid as an index and as a flag alike.
    """
    return [_invented(shape, np.dtype(dtype), samples, seed + number) for number, (shape, dtype) in enumerate(shapes)]


def _invented(shape: Sequence[int], dtype: np.dtype[Any], samples: int, seed: int) -> Array:
    wanted = (samples, *shape[1:])
    if dtype.kind != "f":
        return np.random.default_rng(seed).integers(0, 2, wanted).astype(dtype)
    if len(shape) == 4 and min(shape[1:3]) > 1:
        height, width, channels = shape[1:]
        return (photographic_noise(samples, height, width, channels, seed) / 127.5 - 1).astype(dtype)
    return np.random.default_rng(seed).uniform(-1, 1, wanted).astype(dtype)
