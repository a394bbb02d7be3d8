"""The evaluation that goes with an artifact: inputs that the board answers, labels, the float model's answers.

The same for all optimizations and formats of a model, so that they are held against each other, and a board gets the
file once. TensorFlow: worker only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from orchestrator.builder.data import RECONSTRUCTION
from orchestrator.builder.images import Array
from orchestrator.builder.inference import answers
from orchestrator.builder.recipe import FINISHED, Recipe
from orchestrator.builder.samples import EVALUATED, EVALUATION_SEED, Samples
from orchestrator.builder.source import Batch, Source, keras_specs
from orchestrator.builder.store import EVALUATION
from orchestrator.evaluation import Evaluation

_BATCH = 16

Answering = Callable[[Batch], Array]
"""The first output of a float model for each sample."""


def write(source: Source, reference: Answering | None, recipe: Recipe, folder: Path) -> dict[str, Any] | None:
    """Write the evaluation into ``folder``; the manifest's part about it. ``reference``: the float model as it came.

    None where there is nothing to hold answers against (neither labels nor a float model), and for a model that does
    not answer each sample by itself.
    """
    samples, words = _samples(source, recipe)
    if reference is None and samples.labels is None:
        return None
    theirs = None if reference is None else _once(recipe, reference, samples)
    if theirs is not None and theirs.shape[:1] != (len(samples),):
        return None
    path = folder / EVALUATION
    Evaluation(samples.stored, theirs, samples.labels, samples.affine).write(path)
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    doubt = _doubt(recipe, theirs)
    return {
        "sha256": sha256,
        "size_bytes": path.stat().st_size,
        "samples": len(samples),
        "labelled": samples.labels is not None,
        "task": recipe.task,
        "classes": _classes(recipe, theirs),
        "source": words,
        "reference": _words(recipe, theirs),
        "meaningful": doubt is None,
        "reason": doubt,
    }


def not_finite(source: Source, recipe: Recipe, content: bytes) -> list[str]:
    """A word of warning where the artifact's outputs for some of the evaluation are not finite."""
    if recipe.format != "tflite":
        return []
    some = _samples(source, recipe)[0].only(slice(1))
    return [] if np.isfinite(answers(content, some.inputs)).all() else ["its outputs are not finite"]


def answers_of(source: Source, recipe: Recipe, inputs: Batch) -> Array:
    """By TensorFlow, in batches; a model that has a batch of its own is asked in those."""
    if source.model is None:
        call = source.freeze(1)
        types, size = [given.dtype for given in call.inputs], int(call.inputs[0].shape[0])
    else:
        model, plain = source.model, _plain(recipe)
        types, size = [spec.dtype for spec in keras_specs(model, plain)], int(model.inputs[0].shape[0] or _BATCH)
        call = tf.function(lambda *given: model(given[0] if len(given) == 1 else list(given), training=False))
    found = []
    for start in range(0, len(inputs[0]), size):
        batch = [values[start : start + size] for values in inputs]
        missing = size - len(batch[0])
        padded = [np.concatenate([values, np.repeat(values[-1:], missing, axis=0)]) for values in batch]
        outputs = call(*[tf.cast(values, dtype) for values, dtype in zip(padded, types, strict=True)])
        found.append(tf.nest.flatten(outputs)[0].numpy()[: size - missing])
    return np.concatenate(found)


_answered: dict[Recipe, Array] = {}


def _once(recipe: Recipe, reference: Answering, samples: Samples) -> Array:
    """The float model is asked once for all that is made of it in a row."""
    plain = _plain(recipe)
    if plain not in _answered:
        _answered.clear()
        _answered[plain] = reference(samples.inputs).astype(np.float32)
    return _answered[plain]


def _plain(recipe: Recipe) -> Recipe:
    """What all optimizations, formats and batch sizes of a model have in common."""
    form = str(recipe.form) if recipe.form in FINISHED else "tflite"
    return replace(recipe.unoptimized, batch_size=1, format=form, versions=())


def _samples(source: Source, recipe: Recipe) -> tuple[Samples, str]:
    if source.evaluation is not None:
        return source.evaluation, source.evaluation_source
    return Samples(tuple(source.inputs(EVALUATED, recipe.seed + EVALUATION_SEED))), source.inputs_source


def _words(recipe: Recipe, theirs: Array | None) -> str:
    if theirs is None:
        return "none: the file is quantized, and there is no float model of it"
    who = "the float file itself" if recipe.form in FINISHED else f"the float model, by TensorFlow {tf.__version__}"
    return f"{who} where it was built"


def _doubt(recipe: Recipe, theirs: Array | None) -> str | None:
    if theirs is not None and not np.isfinite(theirs).all():
        return "the float model's outputs are not finite"
    return "its weights are random" if recipe.weights == "random" else None


def _classes(recipe: Recipe, theirs: Array | None) -> int | None:
    shape = () if theirs is None or recipe.task == RECONSTRUCTION else theirs.shape
    return int(shape[1]) if len(shape) == 2 and shape[1] > 1 else None
