"""Magnitude pruning in one shot: of each kernel, the values closest to 0 become 0. Keras: worker only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np

from orchestrator.builder.images import Array
from orchestrator.errors import UnsupportedOptimization

_PRUNED = (
    *(keras.layers.Dense, keras.layers.EinsumDense, keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D),
    *(keras.layers.Conv1DTranspose, keras.layers.Conv2DTranspose, keras.layers.Conv3DTranspose),
)
_SEPARABLE = (keras.layers.SeparableConv1D, keras.layers.SeparableConv2D)
"""As TensorFlow's own pruning does: of separable convolutions the pointwise kernel; not the kernels of depthwise
convolutions, which are small and hold little slack, and neither biases nor what belongs to a normalization."""


@contextmanager
def pruned(model: Any, sparsity: float, subject: str) -> Iterator[dict[str, float]]:
    """The model with ``sparsity`` of each kernel at 0, per layer, while the context lasts; then as it was.

    Yields the reached share of zeros per layer.
    """
    # Private, but the only way that also finds layers inside of nested models, wrappers and attention.
    layers = [layer for layer in model._flatten_layers() if isinstance(layer, (*_PRUNED, *_SEPARABLE))]
    if not layers:
        raise UnsupportedOptimization(f"{subject} cannot be pruned: it has no convolution and no dense layer")
    kernels = [layer.pointwise_kernel if isinstance(layer, _SEPARABLE) else layer.kernel for layer in layers]
    kept = [kernel.numpy() for kernel in kernels]
    shares: dict[str, float] = {}
    try:
        for layer, kernel, full in zip(layers, kernels, kept, strict=True):
            thinned = without_smallest(full, sparsity)
            kernel.assign(thinned)
            shares[layer.name] = float((thinned == 0).mean())
        yield shares
    finally:
        for kernel, full in zip(kernels, kept, strict=True):
            kernel.assign(full)


def without_smallest(kernel: Array, sparsity: float) -> Array:
    """A copy whose ``round(sparsity * size)`` values of least magnitude are 0."""
    thinned: Array = kernel.copy()
    count = round(sparsity * kernel.size)
    thinned.reshape(-1)[np.argsort(np.abs(kernel), axis=None, kind="stable")[:count]] = 0
    return thinned
