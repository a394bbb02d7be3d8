"""Seeded inputs that look more like photographs than white noise does: for calibration where there are no data."""

from __future__ import annotations

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
