"""Builds one artifact into a folder: the model, its manifest. TensorFlow: worker only."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from orchestrator.builder.inference import run_once
from orchestrator.builder.manifest import describe
from orchestrator.builder.models import Source, check_unchanged, make_source
from orchestrator.builder.optimize import calibration_batches, convert, freeze
from orchestrator.builder.quality import judge
from orchestrator.builder.recipe import Recipe
from orchestrator.builder.store import MANIFEST, MODEL
from orchestrator.errors import BuildError

tf.config.experimental.enable_op_determinism()  # the same seed gives the same bytes, on any number of threads


def cook(recipe: Recipe, folder: Path) -> None:
    """Fill ``folder`` with the artifact of ``recipe``."""
    begun = time.monotonic()
    content, manifest = _KINDS.get(recipe.kind, _optimized)(recipe)
    manifest["build_s"] = time.monotonic() - begun
    (folder / MODEL).write_bytes(content)
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1, allow_nan=False) + "\n")


@dataclass(frozen=True, slots=True)
class FloatModel:
    """What all optimizations of one model start from."""

    source: Source
    function: Any  # frozen concrete function
    content: bytes  # its float conversion
    convert_s: float


_source = lru_cache(maxsize=1)(make_source)  # a sweep asks for variants of one model in a row; two may not fit


@lru_cache(maxsize=1)
def _float_model(recipe: Recipe) -> FloatModel:
    source = _source(replace(recipe, batch_size=1))  # training and weights know no batch size
    function = freeze(source, recipe.batch_size)
    begun = time.monotonic()
    content = convert(function, source, recipe)
    return FloatModel(source, function, content, time.monotonic() - begun)


def _optimized(recipe: Recipe) -> tuple[bytes, dict[str, Any]]:
    twin = _float_model(recipe.unoptimized)
    content, convert_s = twin.content, twin.convert_s
    if recipe.quantization != "none":
        begun = time.monotonic()
        content = convert(twin.function, twin.source, recipe)
        convert_s = time.monotonic() - begun
    facts = {
        "parameters": int(twin.source.model.count_params()),
        "parameters_source": "the Keras model",
        "convert_s": convert_s,
        "calibration": _calibration(recipe, twin.source),
        "training": twin.source.training,
        "quality": judge(content, twin.content, twin.source, recipe.seed),
        "notes": [*twin.source.notes, *_doubts(recipe, twin.source)],
    }
    return content, describe(recipe, content, twin.content) | facts


def _calibration(recipe: Recipe, source: Source) -> dict[str, Any] | None:
    if recipe.calibration_samples is None:
        return None
    return {"source": source.inputs_source, "samples": calibration_batches(recipe) * recipe.batch_size}


def _doubts(recipe: Recipe, source: Source) -> list[str]:
    if recipe.calibration_samples is None or recipe.weights not in ("imagenet", "file"):
        return []
    return [f"activation ranges come from {source.inputs_source}: real data may give better answers, at the same speed"]


def _file(recipe: Recipe) -> tuple[bytes, dict[str, Any]]:
    path = Path(str(recipe.path))
    check_unchanged(path, recipe)
    content = path.read_bytes()
    try:
        outputs = run_once(content, recipe.seed)
    except (ValueError, RuntimeError) as error:
        raise BuildError(f"{path} cannot be run: {error}", hint="is the file whole?") from error
    manifest = describe(recipe, content, None) | {"convert_s": None}
    if not all(np.isfinite(output).all() for output in outputs if output.dtype.kind == "f"):
        manifest["notes"].append("its outputs for noise are not finite")
    return content, manifest


_KINDS: dict[str, Callable[[Recipe], tuple[bytes, dict[str, Any]]]] = {"file": _file}
