"""Weight sharing: each kernel keeps few different values, so that its file compresses. Keras: worker only."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning

from orchestrator.builder.images import Array
from orchestrator.builder.prune import kernels_of

_ROUNDS = 50


class Clustering:
    """Replaces the values of each kernel by the centres of ``clusters`` of them, and keeps them together while the
    model is trained on. Zeros stay zeros: they may be pruned ones, and are one of the values.

    k-means from centres at equal distances between the extremes (Han et al. 2016, "Deep Compression").
    """

    def __init__(self, model: Any, clusters: int, subject: str) -> None:
        self._kernels = kernels_of(model, subject)
        self._members = {name: _clustered(kernel.numpy(), clusters) for name, kernel in self._kernels.items()}
        self.after_step()

    def begin_epoch(self, epoch: int, epochs: int) -> None:
        """Nothing changes with time."""

    def after_step(self) -> None:
        """Values of a cluster move together, to their mean: a step by the mean of their gradients."""
        for name, members in self._members.items():
            kernel = self._kernels[name].numpy()
            counts = np.maximum(np.bincount(members, minlength=int(members.max()) + 1), 1)
            centres = np.bincount(members, weights=kernel.reshape(-1)) / counts
            centres[0] = 0.0
            self._kernels[name].assign(centres[members].reshape(kernel.shape).astype(kernel.dtype))

    def finish(self) -> dict[str, float]:
        """How many different values each layer has."""
        return {name: float(np.unique(kernel.numpy()).size) for name, kernel in self._kernels.items()}


def _clustered(kernel: Array, clusters: int) -> Array:
    """The cluster of each value, flat: 0 for zeros, the others from 1."""
    values = kernel.reshape(-1, 1).astype(np.float64)
    zeros = values[:, 0] == 0
    members = np.zeros(len(values), np.int64)
    rest = values[~zeros]
    count = min(clusters - int(zeros.any()), len(np.unique(rest)))
    if count > 0:
        centres = np.linspace(rest.min(), rest.max(), count).reshape(-1, 1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # fewer clusters than asked for are fine
            members[~zeros] = KMeans(count, init=centres, n_init=1, max_iter=_ROUNDS).fit_predict(rest) + 1
    return members
