"""The evaluation that goes with an artifact: inputs that the board answers, labels, the float model's answers.

The same for all optimizations and formats of a model, so that they are held against each other, and a board gets the
file once. TensorFlow: worker only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from orchestrator.builder.images import Array
from orchestrator.builder.recipe import Recipe
from orchestrator.builder.source import Batch, Source
from orchestrator.evaluation import Evaluation

EVALUATION = "evaluation.npz"
_SAMPLES = 16
_SEED = 2_000_003
"""Added to the seed: neither BatchNorm nor calibration has seen these."""


def evaluate(
    source: Source, reference: Callable[[Batch], Array], recipe: Recipe, folder: Path
) -> dict[str, Any] | None:
    """Write the evaluation into ``folder``; the manifest's part about it. ``reference``: the float model's answers.

    None for a model that does not answer each sample by itself.
    """
    inputs, labels = (
        _labelled(source, recipe) if source.held_out else (source.inputs(_SAMPLES, recipe.seed + _SEED), None)
    )
    theirs = reference(inputs)
    if theirs.shape[:1] != (len(inputs[0]),):
        return None
    made = Evaluation(tuple(inputs), theirs.astype(np.float32), labels)
    path = folder / EVALUATION
    made.write(path)
    random = recipe.weights == "random"
    return {
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "size_bytes": path.stat().st_size,
        "samples": len(inputs[0]),
        "labelled": labels is not None,
        "task": recipe.task,
        "source": source.held_out_source if labels is not None else source.inputs_source,
        "reference": "the float model, where it was built",
        "meaningful": not random,
        "reason": "its weights are random" if random else None,
    }


def _labelled(source: Source, recipe: Recipe) -> tuple[list[Array], Array]:
    """Shuffled by the seed: a board that answers only the first ones still answers some of all kinds."""
    inputs, labels = source.held_out or ([], np.zeros(0))
    chosen = np.random.default_rng(recipe.seed + _SEED).permutation(len(labels))[: recipe.evaluation_samples]
    return [values[chosen] for values in inputs], labels[chosen]
