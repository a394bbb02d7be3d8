"""Weight sharing: each kernel keeps few different values, so that its file compresses. Keras: worker only."""

from __future__ import annotations

from typing import Any

import numpy as np

from orchestrator.builder.images import Array
from orchestrator.builder.prune import kernels_of

_ROUNDS = 100


class Clustering:
    """Replaces the values of each kernel by the centres of ``clusters`` of them, and keeps them together while the
    model is trained on. Zeros stay zeros: they may be pruned ones, and are one of the values.
    """

    def __init__(self, model: Any, clusters: int, subject: str) -> None:
        self._kernels = kernels_of(model, subject)
        self._members = {name: clustered(kernel.numpy(), clusters) for name, kernel in self._kernels.items()}
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

    def finish(self) -> dict[str, int]:
        """How many different values each layer has."""
        return {name: int(np.unique(kernel.numpy()).size) for name, kernel in self._kernels.items()}


def clustered(kernel: Array, clusters: int) -> Array:
    """The cluster of each value, flat: 0 for zeros, the others from 1.

    k-means from centres at equal distances between the extremes (Han et al. 2016, "Deep Compression"). In one dimension
    a cluster is an interval, so sums over sorted values do; they are the same on any number of threads.
    """
    values = kernel.reshape(-1).astype(np.float64)
    members = np.zeros(values.size, np.int64)
    free = values != 0
    rest = np.sort(values[free])
    count = min(clusters - int(not free.all()), np.unique(rest).size)
    if count > 0:
        members[free] = np.searchsorted(_bounds(rest, count), values[free], side="right") + 1
    return members


def _bounds(ordered: Array, count: int) -> Array:
    """Where one cluster ends and the next begins."""
    sums = np.concatenate([[0.0], np.cumsum(ordered)])
    centres: Array = np.linspace(ordered[0], ordered[-1], count)
    for _ in range(_ROUNDS):
        bounds = (centres[:-1] + centres[1:]) / 2
        ends = np.concatenate([[0], np.searchsorted(ordered, bounds), [ordered.size]])
        sizes, totals = np.diff(ends), np.diff(sums[ends])
        moved = np.where(sizes > 0, totals / np.maximum(sizes, 1), np.nan)
        if not sizes.all():
            moved = _refilled(moved, ordered, np.repeat(moved, sizes))
        if np.array_equal(moved, centres):
            break
        centres = moved
    return (centres[:-1] + centres[1:]) / 2


def _refilled(centres: Array, ordered: Array, nearest: Array) -> Array:
    """Empty clusters (NaN) begin anew at the values that are farthest from their own centre."""
    empty = np.isnan(centres)
    farthest = np.argsort(-np.abs(ordered - nearest), kind="stable")[: empty.sum()]
    return np.sort(np.concatenate([centres[~empty], ordered[farthest]]))
