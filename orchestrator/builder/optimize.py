"""From a float model to TFLite bytes, by quantization. TensorFlow: worker only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf
from tensorflow.lite.python.convert_phase import ConverterError

from orchestrator.builder.effects import check_effects
from orchestrator.builder.flatbuffer import read_graph
from orchestrator.builder.inference import run_once
from orchestrator.builder.recipe import Recipe
from orchestrator.builder.source import Batch, Source
from orchestrator.errors import BuildError, UnsupportedOptimization

_CALIBRATION_SEED = 1_000_003
"""Added to the seed: calibration must not see the very images that BatchNorm was fitted on."""


def convert(function: Any, source: Source, recipe: Recipe, floating: bytes | None = None) -> bytes:
    """TFLite bytes. ``floating``: the same model in float, if it was converted already.

    Raises UnsupportedOptimization where the model holds what the quantization cannot do.
    """
    if floating is not None and recipe.is_requantized:
        from orchestrator.builder.requantize import requantize  # a second that most workers never need

        return requantize(floating, recipe, representative(source.inputs, recipe, batch_of(function)))
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function])
    _SETTINGS[recipe.quantization](converter, recipe)
    converter._experimental_disable_per_channel = recipe.granularity == "per_tensor"
    if recipe.sparse_encoding:
        converter.optimizations = [*converter.optimizations, tf.lite.Optimize.EXPERIMENTAL_SPARSITY]
    if recipe.calibration_samples is not None:
        converter.representative_dataset = representative(source.inputs, recipe, batch_of(function))
    try:
        return bytes(converter.convert())
    except (ConverterError, ValueError, RuntimeError, NotImplementedError) as error:
        raise _refusal(error, recipe) from error


def _none(converter: Any, recipe: Recipe) -> None:
    """Float stays float."""


def _dynamic_range(converter: Any, recipe: Recipe) -> None:
    """int8 weights, float activations."""
    converter.optimizations = [tf.lite.Optimize.DEFAULT]


def _float16(converter: Any, recipe: Recipe) -> None:
    """Weights stored in half precision, computed in float."""
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = [tf.float16]


def _int8(converter: Any, recipe: Recipe) -> None:
    """Everything in int8; inputs and outputs as well is what integer accelerators need."""
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    if recipe.io == "integer":
        converter.inference_input_type = converter.inference_output_type = tf.int8


def _int16x8(converter: Any, recipe: Recipe) -> None:
    """int8 weights, everything else in int16; no operator is left in float."""
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    sixteen = tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
    converter.target_spec.supported_ops = [sixteen]
    if recipe.io == "integer":
        converter.inference_input_type = converter.inference_output_type = tf.int16


_SETTINGS: dict[str, Callable[[Any, Recipe], None]] = {
    "none": _none,
    "float16": _float16,
    "dynamic_range": _dynamic_range,
    "int8": _int8,
    "int16x8": _int16x8,
}


def batch_of(function: Any) -> int:
    """Samples per call: the batch size asked for, or the model's own where that is fixed."""
    return int(function.inputs[0].shape[0])


def representative(inputs: Callable[[int, int], Batch], recipe: Recipe, batch: int) -> Callable[[], Iterator[Batch]]:
    def batches() -> Iterator[Batch]:
        for number in range(calibration_batches(recipe, batch)):
            yield inputs(batch, recipe.seed + _CALIBRATION_SEED + number)

    return batches


def calibration_batches(recipe: Recipe, batch: int) -> int:
    """Whole batches that hold at least the samples asked for."""
    return -(-(recipe.calibration_samples or 0) // batch)


def doubtful_ranges(source: str) -> str:
    """The remark about an artifact that was calibrated on inputs that are perhaps not what it will see."""
    return f"activation ranges come from {source}: real data may give better answers, at the same speed"


def checked(recipe: Recipe, content: bytes, whole: bytes) -> list[str]:
    """Remarks on what the steps did to the graph of ``whole``; that it runs at all is part of it.

    Raises UnsupportedOptimization where it does not run, and what ``check_effects`` raises.
    """
    try:
        run_once(content, recipe.seed)
    except (ValueError, RuntimeError) as error:
        said = str(error).strip().splitlines()
        raise UnsupportedOptimization(
            f"{recipe.subject}: LiteRT refuses what was made: {said[-1] if said else error!r}"
        ) from error
    return check_effects(recipe, read_graph(content), read_graph(whole))


def _refusal(error: Exception, recipe: Recipe) -> BuildError:
    text = str(error).strip()
    said = text.splitlines()[-1] if text else type(error).__name__
    if recipe.quantization != "none" and "not yet supported" in text:
        return UnsupportedOptimization(f"{recipe.subject}: the converter cannot quantize this model: {said}")
    return BuildError(f"{recipe.subject}: TensorFlow could not convert the model: {said}")
