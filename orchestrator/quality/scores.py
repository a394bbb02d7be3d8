"""Scores of answers: pure functions of arrays, samples along the first axis."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

Z95 = 1.959964
"""Two-sided 95 % of the normal distribution."""
DRAWS = 2000
_SEED = 0


def right(scores: Array, labels: Array) -> Array:
    """Whether each sample's highest score is its label's; (samples, classes) and (samples,) -> (samples,) of bool."""
    found: Array = scores.argmax(axis=1) == labels
    return found


def top_k(scores: Array, labels: Array, k: int) -> float:
    """Share of the samples whose label is among the ``k`` highest scores. Ties count against the label."""
    own = scores[np.arange(len(labels)), labels]
    others = (scores >= own[:, None]).sum(axis=1) - 1
    return float((others < k).mean())


def wilson(hits: int, samples: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927), which stays within 0 and 1 and holds for few samples, too."""
    share, z2 = hits / samples, Z95**2
    middle = (share + z2 / (2 * samples)) / (1 + z2 / samples)
    half = Z95 * math.sqrt(share * (1 - share) / samples + z2 / (4 * samples**2)) / (1 + z2 / samples)
    return max(0.0, middle - half), min(1.0, middle + half)


def paired_drop(reference: Array, ours: Array) -> tuple[float, float, float]:
    """What share of right answers was lost on the same samples, with its 95 % interval; two arrays of bool.

    The interval is Wald's after half a sample is added to each of the four counts (Agresti and Min 2005, Statistics in
    Medicine 24:729), which also holds where few or no answers changed.
    """
    lost, won, samples = int((reference & ~ours).sum()), int((~reference & ours).sum()), len(ours)
    more = samples + 2
    centre = (lost - won) / more
    half = Z95 * math.sqrt((lost + won + 1) - (lost - won) ** 2 / more) / more
    return (lost - won) / samples, max(-1.0, centre - half), min(1.0, centre + half)


def auc(scores: Array, labels: Array) -> float | None:
    """Area under the ROC curve: how often an anomaly (label 1) scores higher than what is none, ties half.

    None where there is only one kind.
    """
    positive = labels == 1
    count, others = int(positive.sum()), int((~positive).sum())
    if not count or not others:
        return None
    ranks = _ranks(scores)
    return float((ranks[positive].sum() - count * (count + 1) / 2) / (count * others))


def auc_drop(reference: Array, ours: Array, labels: Array) -> tuple[float, float, float] | None:
    """The AUC that was lost, with a 95 % percentile bootstrap interval: samples are drawn with their labels, the same
    for both. None where there is no AUC."""
    whole = auc(reference, labels), auc(ours, labels)
    if whole[0] is None or whole[1] is None:
        return None
    drawing, drops = np.random.default_rng(_SEED), []
    for _ in range(DRAWS):
        chosen = drawing.integers(0, len(labels), len(labels))
        pair = auc(reference[chosen], labels[chosen]), auc(ours[chosen], labels[chosen])
        if pair[0] is not None and pair[1] is not None:
            drops.append(pair[0] - pair[1])
    low, high = np.quantile(drops, [0.025, 0.975])
    return whole[0] - whole[1], float(low), float(high)


def reconstruction_errors(inputs: Array, outputs: Array) -> Array:
    """Mean squared error of each sample: the anomaly score of an autoencoder, as in MLPerf Tiny."""
    squared = (inputs.reshape(len(inputs), -1).astype(np.float64) - outputs.reshape(len(outputs), -1)) ** 2
    errors: Array = squared.mean(axis=1)
    return errors


def sqnr_db(reference: Array, ours: Array) -> float | None:
    """Signal to quantization noise over all values, in dB; None where there is no noise at all, or no signal."""
    noise = float(((reference - ours) ** 2).sum())
    signal = float((reference**2).sum())
    return 10 * math.log10(signal / noise) if noise > 0 and signal > 0 else None


def _ranks(scores: Array) -> Array:
    """From 1; equal scores share the mean of their ranks."""
    _, where, counts = np.unique(scores, return_inverse=True, return_counts=True)
    last = counts.cumsum()
    means: Array = (last - (counts - 1) / 2)[where]
    return means
