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

from orchestrator.builder import evaluate
from orchestrator.builder.manifest import describe
from orchestrator.builder.models import make_source
from orchestrator.builder.optimize import batch_of, calibration_batches, checked, convert, doubtful_ranges
from orchestrator.builder.ready import Built, ready
from orchestrator.builder.recipe import FINISHED, Recipe
from orchestrator.builder.slim import slim
from orchestrator.builder.source import Source
from orchestrator.builder.store import MANIFEST, model_name
from orchestrator.errors import BuildError

tf.config.experimental.enable_op_determinism()  # the same seed gives the same bytes, on any number of threads


def cook(recipe: Recipe, folder: Path) -> None:
    """Fill ``folder`` with the artifact of ``recipe``."""
    begun = time.monotonic()
    content, manifest = ready(recipe) if recipe.form in FINISHED else _optimized(recipe)
    manifest["evaluation"] = evaluate.write(recipe, folder, _source)
    manifest["notes"] += evaluate.not_finite(recipe, content, _source)
    manifest["build_s"] = time.monotonic() - begun
    (folder / model_name(recipe.format)).write_bytes(content)
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


@lru_cache(maxsize=3)  # one made leaner, one that is not, and a twin in another format
def _float_model(recipe: Recipe) -> FloatModel:
    whole = _source(recipe.origin)
    begun = time.monotonic()
    lean = slim(whole, recipe)
    function = lean.source.freeze(recipe.batch_size)
    content = _FORMATS[recipe.format]().convert(function, lean.source, recipe, None)
    return FloatModel(lean.source, function, content, time.monotonic() - begun, lean.facts)


def _optimized(recipe: Recipe) -> Built:
    form, base = _FORMATS[recipe.format](), _float_model(recipe.unquantized)
    source, content, convert_s = base.source, base.content, base.convert_s
    if recipe.quantization != "none":
        begun = time.monotonic()
        content = form.convert(base.function, source, recipe, base.content)
        convert_s = time.monotonic() - begun
    facts: dict[str, Any] = {
        "convert_s": convert_s,
        "calibration": _calibration(recipe, base),
        "slimming": base.slimming,
        "training": source.training,
        "notes": [*source.notes, *_doubts(recipe, base), *form.check(recipe, content)],
    }
    if source.model is not None:
        facts |= {"parameters": int(source.model.count_params()), "parameters_source": "the Keras model"}
    manifest = form.describe(recipe, content, base) | facts
    return content, manifest


def _calibration(recipe: Recipe, base: FloatModel) -> dict[str, Any] | None:
    if recipe.calibration_samples is None:
        return None
    batch = batch_of(base.function)
    used, there = calibration_batches(recipe, batch) * batch, base.source.calibrates
    return {"source": base.source.inputs_source, "samples": used if there is None else min(used, there)}


def _doubts(recipe: Recipe, base: FloatModel) -> list[str]:
    doubts = []
    if recipe.calibration_samples is not None and recipe.weights in ("imagenet", "file", "factory"):
        doubts.append(doubtful_ranges(base.source.inputs_source))
    if base.slimming and not any(step["fine_tune_epochs"] for step in base.slimming):
        doubts.append("not fine-tuned: its quality is what is left")
    if any("statistics" in step for step in base.slimming):
        doubts.append("without the channels that are gone, normalizations were fitted anew on seeded inputs")
    if recipe.sparsity or recipe.clusters:
        doubts.append("the file compresses better; dense kernels get no faster by zeros or by equal values")
    if batch_of(base.function) != recipe.batch_size:
        doubts.append(f"its batch is its own: {batch_of(base.function)}")
    return doubts


@dataclass(frozen=True, slots=True)
class Format:
    """What is done for one format of artifacts."""

    convert: Callable[[Any, Source, Recipe, bytes | None], bytes]
    """From a frozen function to bytes, quantized as the recipe says; the last argument is the float conversion."""
    describe: Callable[[Recipe, bytes, FloatModel], dict[str, Any]]
    """The manifest of the bytes, beside what they were quantized from."""
    check: Callable[[Recipe, bytes], list[str]]
    """What must be said about the bytes."""


def _of_tflite() -> Format:
    def against_whole(recipe: Recipe, content: bytes) -> list[str]:
        return checked(recipe, content, _float_model(recipe.unoptimized).content)

    return Format(convert, lambda recipe, content, base: describe(recipe, content, base.content), against_whole)


def _of_onnx() -> Format:
    from orchestrator.builder import onnx_convert, onnx_effects, onnx_report  # a second that most workers never need

    return Format(
        onnx_convert.convert,
        lambda recipe, content, base: onnx_report.describe(recipe, content, base.content),
        onnx_effects.check_effects,
    )


def _of_graphdef() -> Format:
    from orchestrator.builder import graphdef

    def told(recipe: Recipe, content: bytes, base: FloatModel) -> dict[str, Any]:
        try:
            twin = _float_model(replace(recipe, format="tflite")).content
        except BuildError:
            twin = None
        return graphdef.describe_beside(recipe, content, twin)

    return Format(graphdef.convert, told, lambda recipe, content: [graphdef.NOTE])


_FORMATS: dict[str, Callable[[], Format]] = {"tflite": _of_tflite, "onnx": _of_onnx, "graphdef": _of_graphdef}
