"""Builds one artifact into a folder: the model, its manifest. TensorFlow: worker only."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import tensorflow as tf

from orchestrator.builder.evaluate import evaluate
from orchestrator.builder.finished import Finished, checked, finished
from orchestrator.builder.manifest import describe
from orchestrator.builder.models import make_source
from orchestrator.builder.optimize import batch_of, calibration_batches, convert, doubtful_ranges
from orchestrator.builder.recipe import FINISHED, Recipe
from orchestrator.builder.slim import slim
from orchestrator.builder.source import Source
from orchestrator.builder.store import MANIFEST, model_name

tf.config.experimental.enable_op_determinism()  # the same seed gives the same bytes, on any number of threads


def cook(recipe: Recipe, folder: Path) -> None:
    """Fill ``folder`` with the artifact of ``recipe``."""
    begun = time.monotonic()
    done = finished(recipe, _source) if recipe.form in FINISHED else _optimized(recipe)
    manifest = done.manifest
    if done.reference is not None:
        manifest["evaluation"] = evaluate(done.source, done.reference, recipe, folder)
    manifest["build_s"] = time.monotonic() - begun
    (folder / model_name(recipe.format)).write_bytes(done.content)
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1, allow_nan=False) + "\n")


@dataclass(frozen=True, slots=True)
class FloatModel:
    """What all quantizations of one model start from, made leaner or not."""

    source: Source
    function: Any  # frozen concrete function
    content: bytes  # its float conversion
    convert_s: float
    slimming: list[dict[str, Any]]  # what was taken away, step by step


_source = lru_cache(maxsize=1)(make_source)  # a sweep asks for variants of one model in a row; two may not fit


@lru_cache(maxsize=2)  # one made leaner, and one that is not
def _float_model(recipe: Recipe) -> FloatModel:
    # Training and weights know neither a batch size nor a format.
    whole = _source(replace(recipe.unoptimized, batch_size=1, format="tflite"))
    begun = time.monotonic()
    lean = slim(whole, recipe)
    function = lean.source.freeze(recipe.batch_size)
    content = _CONVERTED[recipe.format](function, lean.source, recipe, None)
    return FloatModel(lean.source, function, content, time.monotonic() - begun, lean.facts)


def _optimized(recipe: Recipe) -> Finished:
    base = _float_model(recipe.unquantized)
    whole = _float_model(replace(recipe.unoptimized, format="tflite"))
    source, content, convert_s = base.source, base.content, base.convert_s
    if recipe.quantization != "none":
        begun = time.monotonic()
        content = _CONVERTED[recipe.format](base.function, source, recipe, base.content)
        convert_s = time.monotonic() - begun
    facts: dict[str, Any] = {
        "convert_s": convert_s,
        "calibration": _calibration(recipe, base),
        "slimming": base.slimming,
        "training": source.training,
        "notes": [*source.notes, *_doubts(recipe, base), *_CHECKED[recipe.format](recipe, content, whole.content)],
    }
    if source.model is not None:
        facts |= {"parameters": int(source.model.count_params()), "parameters_source": "the Keras model"}
    manifest = _DESCRIBED[recipe.format](recipe, content, base.content) | facts
    return Finished(content, manifest, whole.source, whole.content)


def _calibration(recipe: Recipe, base: FloatModel) -> dict[str, Any] | None:
    if recipe.calibration_samples is None:
        return None
    batch = batch_of(base.function)
    return {"source": base.source.inputs_source, "samples": calibration_batches(recipe, batch) * batch}


def _doubts(recipe: Recipe, base: FloatModel) -> list[str]:
    doubts = []
    if recipe.calibration_samples is not None and recipe.weights in ("imagenet", "file", "factory"):
        doubts.append(doubtful_ranges(base.source))
    if base.slimming and not any(step["fine_tune_epochs"] for step in base.slimming):
        doubts.append("not fine-tuned: its quality is what is left")
    if recipe.sparsity or recipe.clusters:
        doubts.append("the file compresses better; dense kernels get no faster by zeros or by equal values")
    if batch_of(base.function) != recipe.batch_size:
        doubts.append(f"its batch is its own: {batch_of(base.function)}")
    return doubts


_CONVERTED: dict[str, Callable[[Any, Source, Recipe, bytes | None], bytes]] = {"tflite": convert}
"""From a frozen function to the bytes of each format, quantized as the recipe says."""
_DESCRIBED: dict[str, Callable[[Recipe, bytes, bytes | None], dict[str, Any]]] = {"tflite": describe}
"""The manifest of the bytes of each format; the last argument is the float model that they were quantized from."""
_CHECKED: dict[str, Callable[[Recipe, bytes, bytes], list[str]]] = {"tflite": checked}
"""What must be said about the bytes of each format, beside the float TFLite model as it came."""
