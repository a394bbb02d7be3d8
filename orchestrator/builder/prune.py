"""Magnitude pruning: of each kernel, the values closest to 0 become 0. Keras: worker only."""

from __future__ import annotations

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


def kernels_of(model: Any, subject: str) -> dict[str, Any]:
    """The kernels that hold slack, as Keras variables by their layers' names.

    Raises UnsupportedOptimization where there is none.
    """
    # Private, but the only way that also finds layers inside of nested models, wrappers and attention.
    layers = [layer for layer in model._flatten_layers() if isinstance(layer, (*_PRUNED, *_SEPARABLE))]
    if not layers:
        raise UnsupportedOptimization(f"{subject} cannot be pruned: it has no convolution and no dense layer")
    return {layer.name: layer.pointwise_kernel if isinstance(layer, _SEPARABLE) else layer.kernel for layer in layers}


def without_smallest(kernel: Array, sparsity: float) -> Array:
    """A copy whose ``round(sparsity * size)`` values of least magnitude are 0."""
    thinned: Array = kernel.copy()
    count = round(sparsity * kernel.size)
    thinned.reshape(-1)[np.argsort(np.abs(kernel), axis=None, kind="stable")[:count]] = 0
    return thinned


class Pruning:
    """Sets the smallest values of all kernels to 0, and keeps them there while the model is trained on."""

    def __init__(self, model: Any, sparsity: float, subject: str) -> None:
        self._kernels = kernels_of(model, subject)
        self._sparsity = sparsity
        self._masks: dict[str, Array] = {}

    def begin_epoch(self, epoch: int, epochs: int) -> None:
        """More zeros from epoch to epoch, fast at first, all of them at two thirds of the way: the cubic schedule of
        Zhu and Gupta 2017, "To prune, or not to prune"."""
        share = min(1.0, (epoch + 1) / max(1.0, 2 * epochs / 3))
        self._prune(self._sparsity * (1 - (1 - share) ** 3))

    def after_step(self) -> None:
        """What is 0 stays 0."""
        for name, mask in self._masks.items():
            self._kernels[name].assign(self._kernels[name].numpy() * mask)

    def finish(self) -> dict[str, float]:
        """All the zeros that were asked for; the share of zeros per layer."""
        self._prune(self._sparsity)
        return {name: float((kernel.numpy() == 0).mean()) for name, kernel in self._kernels.items()}

    def _prune(self, sparsity: float) -> None:
        for name, kernel in self._kernels.items():
            thinned = without_smallest(kernel.numpy(), sparsity)
            kernel.assign(thinned)
            self._masks[name] = (thinned != 0).astype(thinned.dtype)
