"""The evaluation that goes with an artifact: inputs that the board answers, labels, the float model's answers.

The same for all optimizations and formats of a model, so that they are held against each other, and a board gets the
file once. TensorFlow: worker only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from orchestrator.builder import data, finished
from orchestrator.builder.images import Array
from orchestrator.builder.inference import answers
from orchestrator.builder.preprocess import PREPROCESSINGS
from orchestrator.builder.recipe import FINISHED, Recipe
from orchestrator.builder.samples import EVALUATED, EVALUATION_SEED, Samples, noise
from orchestrator.builder.source import UNKNOWN, Source, keras_specs
from orchestrator.builder.store import EVALUATION
from orchestrator.evaluation import Evaluation

_BATCH = 16
_QUANTIZED = "none: the file is quantized, and there is no float model of it"

Sources = Callable[[Recipe], Source]


@dataclass(frozen=True, slots=True)
class Evaluated:
    """Samples with the float model's first output for each; None: there is no float model."""

    samples: Samples
    reference: Array | None
    source: str
    answered_by: str
    data: str | None = None  # digest of a user's data; None: that of the samples themselves


def write(recipe: Recipe, folder: Path, source_of: Sources) -> dict[str, Any] | None:
    """Write the evaluation into ``folder``; the manifest's part about it. None where there is nothing to hold answers
    against: neither labels nor a float model that answers each sample. ``source_of``: the float model of a recipe
    without optimizations."""
    made = _evaluated(recipe.origin, source_of)
    if made.reference is None and made.samples.labels is None:
        return None
    path = folder / EVALUATION
    samples = made.samples
    Evaluation(samples.stored, made.reference, samples.labels, samples.affine).write(path)
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    random = recipe.weights == "random"
    return {
        "sha256": sha256,
        "size_bytes": path.stat().st_size,
        "data": made.data or _digest(samples),
        "samples": len(samples),
        "labelled": samples.labels is not None,
        "task": recipe.task,
        "classes": None if recipe.task == data.RECONSTRUCTION else _classes(made),
        "source": made.source,
        "reference": made.answered_by,
        "meaningful": not random,
        "reason": "its weights are random" if random else None,
    }


def _digest(samples: Samples) -> str:
    """The same inputs with the same labels."""
    digest = hashlib.sha256()
    for values in (*samples.stored, *([] if samples.labels is None else [samples.labels])):
        digest.update(f"{values.dtype} {values.shape}".encode() + np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()


def not_finite(recipe: Recipe, content: bytes, source_of: Sources) -> list[str]:
    """A word of warning where the artifact's outputs for some of the evaluation are not finite."""
    made = _evaluated(recipe.origin, source_of)
    if recipe.format != "tflite":
        return []
    if made.reference is None:  # nobody knows whether it can be asked sample by sample
        return ["the float model's outputs are not finite"] if "finite" in made.answered_by else []
    some = made.samples.only(slice(1))
    return [] if np.isfinite(answers(content, some.inputs)).all() else ["its outputs are not finite"]


@lru_cache(maxsize=1)
def _evaluated(recipe: Recipe, source_of: Sources) -> Evaluated:
    if recipe.form in FINISHED:
        return _of_file(recipe)
    source = source_of(recipe)
    if source.evaluation is None:
        samples, words = Samples(tuple(source.inputs(EVALUATED, recipe.seed + EVALUATION_SEED))), source.inputs_source
    else:
        samples, words = source.evaluation, source.evaluation_source
    theirs = _reference(source, samples, recipe)
    by = f"the float model, by TensorFlow {tf.__version__} where it was built"
    return replace(_evaluation(samples, theirs, words, by), data=source.data_digest)


def _reference(source: Source, samples: Samples, recipe: Recipe) -> Array | None:
    """The float model's first output, in batches; one that has a batch of its own is asked in those. None where there
    is not an output for each sample."""
    if source.model is None:
        call = source.freeze(1)
        types, size = [given.dtype for given in call.inputs], int(call.inputs[0].shape[0])
    else:
        model = source.model
        types, size = [spec.dtype for spec in keras_specs(model, recipe)], int(model.inputs[0].shape[0] or _BATCH)
        call = tf.function(lambda *given: model(given[0] if len(given) == 1 else list(given), training=False))
    found = []
    for start in range(0, len(samples), size):
        batch = samples.only(slice(start, start + size)).inputs
        missing = size - len(batch[0])
        padded = [np.concatenate([values, np.repeat(values[-1:], missing, axis=0)]) for values in batch]
        outputs = call(*[tf.cast(values, dtype) for values, dtype in zip(padded, types, strict=True)])
        first = tf.nest.flatten(outputs)[0]
        if first.shape[:1] != (size,):
            return None
        found.append(first.numpy()[: size - missing])
    return np.concatenate(found).astype(np.float32)


def _of_file(recipe: Recipe) -> Evaluated:
    """A finished file is its own float model, if it is one."""
    file, digest = finished.opened(recipe), None
    if recipe.data is not None:
        split = data.split(recipe, file.ports)
        samples, words, digest = split.evaluation, split.evaluation_source, split.digest
    else:  # seeded by nothing but itself, since a finished file has no seed of its own
        mode = PREPROCESSINGS["tf" if recipe.preprocessing == "auto" else recipe.preprocessing]
        samples, words = noise(file.ports, EVALUATED, EVALUATION_SEED, mode), UNKNOWN
    if not file.is_float:
        return Evaluated(samples, None, words, _QUANTIZED, digest)
    per_sample = file.ports.output[:1] == file.ports.inputs[0][0][:1]
    theirs = file.answers(samples) if per_sample else None
    by = f"the file itself, by {file.answered_by} where it was taken in"
    return replace(_evaluation(samples, theirs, words, by), data=digest)


def _evaluation(samples: Samples, theirs: Array | None, words: str, by: str) -> Evaluated:
    if theirs is None:
        return Evaluated(samples, None, words, "none: the model has no output for each sample")
    if not np.isfinite(theirs).all():
        return Evaluated(samples, None, words, "none: the float model's outputs are not finite")
    return Evaluated(samples, theirs, words, by)


def _classes(made: Evaluated) -> int | None:
    shape = () if made.reference is None else made.reference.shape
    return int(shape[1]) if len(shape) == 2 and shape[1] > 1 else None
