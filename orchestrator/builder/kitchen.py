"""Builds one artifact into a folder: the model, its manifest. TensorFlow: worker only."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from orchestrator.builder import evaluate
from orchestrator.builder.inference import run_once
from orchestrator.builder.manifest import describe
from orchestrator.builder.models import make_source
from orchestrator.builder.optimize import batch_of, calibration_batches, convert
from orchestrator.builder.own import check_unchanged
from orchestrator.builder.prune import pruned
from orchestrator.builder.recipe import Recipe
from orchestrator.builder.source import Source
from orchestrator.builder.store import MANIFEST, model_name
from orchestrator.errors import BuildError

tf.config.experimental.enable_op_determinism()  # the same seed gives the same bytes, on any number of threads


def cook(recipe: Recipe, folder: Path) -> None:
    """Fill ``folder`` with the artifact of ``recipe``."""
    begun = time.monotonic()
    content, manifest = _FINISHED.get(str(recipe.form), _optimized)(recipe)
    manifest["evaluation"] = evaluate.write(recipe, folder, _source)
    manifest["notes"] += evaluate.not_finite(recipe, content, _source)
    manifest["build_s"] = time.monotonic() - begun
    (folder / model_name(recipe.format)).write_bytes(content)
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1, allow_nan=False) + "\n")


@dataclass(frozen=True, slots=True)
class FloatModel:
    """What all quantizations of one model start from, pruned or not."""

    source: Source
    function: Any  # frozen concrete function
    content: bytes  # its float conversion
    convert_s: float
    zeros: dict[str, float] | None  # share of zeros per pruned layer


_source = lru_cache(maxsize=1)(make_source)  # a sweep asks for variants of one model in a row; two may not fit


@lru_cache(maxsize=2)  # one pruned, and one that is not
def _float_model(recipe: Recipe) -> FloatModel:
    # Training and weights know neither a batch size nor a format.
    source = _source(replace(recipe.unoptimized, batch_size=1, format="tflite"))
    begun = time.monotonic()
    thinning = pruned(source.model, recipe.sparsity, recipe.subject) if recipe.sparsity else nullcontext()
    with thinning as zeros:
        function = source.freeze(recipe.batch_size)
    content = _CONVERTED[recipe.format](function, source, recipe)
    return FloatModel(source, function, content, time.monotonic() - begun, zeros)


def _optimized(recipe: Recipe) -> tuple[bytes, dict[str, Any]]:
    base = _float_model(recipe.unquantized)
    source, content, convert_s = base.source, base.content, base.convert_s
    if recipe.quantization != "none":
        begun = time.monotonic()
        content = _CONVERTED[recipe.format](base.function, source, recipe)
        convert_s = time.monotonic() - begun
    facts: dict[str, Any] = {
        "convert_s": convert_s,
        "calibration": _calibration(recipe, base),
        "pruning": _pruning(recipe, base),
        "training": source.training,
        "notes": [*source.notes, *_doubts(recipe, base)],
    }
    if source.model is not None:
        facts |= {"parameters": int(source.model.count_params()), "parameters_source": "the Keras model"}
    return content, _DESCRIBED[recipe.format](recipe, content, base.content) | facts


def _calibration(recipe: Recipe, base: FloatModel) -> dict[str, Any] | None:
    if recipe.calibration_samples is None:
        return None
    batch = batch_of(base.function)
    return {"source": base.source.inputs_source, "samples": calibration_batches(recipe, batch) * batch}


def _pruning(recipe: Recipe, base: FloatModel) -> dict[str, Any] | None:
    if base.zeros is None:
        return None
    return {"asked": recipe.sparsity, "method": "magnitude, per layer, in one shot", "zeros_per_layer": base.zeros}


def _doubts(recipe: Recipe, base: FloatModel) -> list[str]:
    doubts = []
    if recipe.calibration_samples is not None and recipe.weights in ("imagenet", "file", "factory"):
        doubts.append(
            f"activation ranges come from {base.source.inputs_source}: real data may give better answers, at the same "
            "speed"
        )
    if base.zeros is not None:
        doubts.append(
            "pruned without fine-tuning: the quality is what is left; zeros make the compressed file smaller, and "
            "kernels that do not look for them no faster"
        )
    if batch_of(base.function) != recipe.batch_size:
        doubts.append(f"its batch is its own: {batch_of(base.function)}")
    return doubts


def _tflite(recipe: Recipe) -> tuple[bytes, dict[str, Any]]:
    path = check_unchanged(recipe)
    content = path.read_bytes()
    try:
        outputs = run_once(content, recipe.seed)
    except (ValueError, RuntimeError) as error:
        raise BuildError(f"{path} cannot be run: {error}", hint="is the file whole?") from error
    return content, describe(recipe, content, None) | _as_it_is(outputs)


def _onnx(recipe: Recipe) -> tuple[bytes, dict[str, Any]]:
    from orchestrator.builder import onnx_file  # 0.3 s that most workers never need

    taken = onnx_file.take(check_unchanged(recipe), recipe)
    manifest = onnx_file.describe(recipe, taken) | _as_it_is(taken.outputs)
    manifest["notes"] = [*taken.notes, *manifest["notes"]]
    return taken.content, manifest


def _as_it_is(outputs: list[Any]) -> dict[str, Any]:
    """What is known of a finished file after it has run once."""
    finite = all(np.isfinite(output).all() for output in outputs if output.dtype.kind == "f")
    return {"convert_s": None, "notes": [] if finite else ["its outputs for noise are not finite"]}


_FINISHED: dict[str, Callable[[Recipe], tuple[bytes, dict[str, Any]]]] = {"tflite": _tflite, "onnx": _onnx}
_CONVERTED: dict[str, Callable[[Any, Source, Recipe], bytes]] = {"tflite": convert}
"""From a frozen function to the bytes of each format, quantized as the recipe says."""
_DESCRIBED: dict[str, Callable[[Recipe, bytes, bytes | None], dict[str, Any]]] = {"tflite": describe}
"""The manifest of the bytes of each format; the last argument is the float model that they were quantized from."""
