"""The seeded input: the same numbers for every optimization of a model, in the tensor's own type."""

from __future__ import annotations

from typing import Any, List, Tuple

import numpy as np


def seeded(types: List[Tuple[Tuple[int, ...], Any, float, int]], seed: int) -> List[np.ndarray[Any, Any]]:
    """One array per input, drawn in order from ``numpy.random.default_rng(seed)``.

    Floats are uniform in [-1, 1). A quantized input gets those same floats, quantized with its own scale and zero
    point, so that an int8 model sees what its float twin sees. Other whole numbers are 0 or 1, which are
    valid as an index and as a flag alike.
    """
    generator = np.random.default_rng(seed)
    return [_draw(generator, *kind) for kind in types]


def _draw(
    generator: np.random.Generator, shape: Tuple[int, ...], kind: Any, scale: float, zero_point: int
) -> np.ndarray[Any, Any]:
    dtype = np.dtype(kind)
    if dtype.kind == "f":
        floats: np.ndarray[Any, Any] = generator.uniform(-1.0, 1.0, shape).astype(dtype)
        return floats
    if dtype.kind in "iu" and scale > 0:
        limits = np.iinfo(dtype)
        levels = np.rint(generator.uniform(-1.0, 1.0, shape) / scale) + zero_point
        quantized: np.ndarray[Any, Any] = np.clip(levels, limits.min, limits.max).astype(dtype)
        return quantized
    if dtype.kind in "iub":
        whole: np.ndarray[Any, Any] = generator.integers(0, 2, shape).astype(dtype)
        return whole
    raise TypeError("an input of type %s cannot be made up; only numbers can" % dtype.name)
