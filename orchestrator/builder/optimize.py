"""From a float model to TFLite bytes, by quantization. TensorFlow: worker only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf
from tensorflow.lite.python.convert_phase import ConverterError
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from orchestrator.builder.images import Array
from orchestrator.builder.models import Source
from orchestrator.builder.recipe import Recipe
from orchestrator.errors import BuildError, UnsupportedOptimization

_CALIBRATION_SEED = 1_000_003
"""Added to the seed: calibration must not see the very images that BatchNorm was fitted on."""


def freeze(source: Source, batch_size: int) -> Any:
    """The model as one concrete function with constants for weights and a static batch.

    Measured on MobileNetV2: converting this takes 1.4 s, ``from_keras_model`` 7 s (it exports a SavedModel first)
    for the same operators; a function that still has variables cannot be calibrated (READ_VARIABLE fails).
    """
    shape = (batch_size, *source.model.input_shape[1:])
    call = tf.function(lambda batch: source.model(batch, training=False))
    return convert_variables_to_constants_v2(call.get_concrete_function(tf.TensorSpec(shape, tf.float32, name="input")))


def convert(function: Any, source: Source, recipe: Recipe) -> bytes:
    """TFLite bytes. Raises UnsupportedOptimization where the model holds what the quantization cannot do."""
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function])
    _SETTINGS[recipe.quantization](converter, source, recipe)
    try:
        return bytes(converter.convert())
    except (ConverterError, ValueError, RuntimeError, NotImplementedError) as error:
        raise _refusal(error, recipe) from error


def _none(converter: Any, source: Source, recipe: Recipe) -> None:
    """Float stays float."""


def _dynamic_range(converter: Any, source: Source, recipe: Recipe) -> None:
    """int8 weights, float activations."""
    converter.optimizations = [tf.lite.Optimize.DEFAULT]


def _float16(converter: Any, source: Source, recipe: Recipe) -> None:
    """Weights stored in half precision, computed in float."""
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = [tf.float16]


def _int8(converter: Any, source: Source, recipe: Recipe) -> None:
    """Everything in int8, inputs and outputs too: what integer accelerators need, and no QUANTIZE at the ends."""
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = _representative(source.inputs, recipe)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = tf.int8
    converter.inference_output_type = tf.int8


_SETTINGS: dict[str, Callable[[Any, Source, Recipe], None]] = {
    "none": _none,
    "float16": _float16,
    "dynamic_range": _dynamic_range,
    "int8": _int8,
}


def _representative(inputs: Callable[[int, int], Array], recipe: Recipe) -> Callable[[], Iterator[list[Array]]]:
    def batches() -> Iterator[list[Array]]:
        for number in range(calibration_batches(recipe)):
            yield [inputs(recipe.batch_size, recipe.seed + _CALIBRATION_SEED + number)]

    return batches


def calibration_batches(recipe: Recipe) -> int:
    """Whole batches that hold at least the samples asked for."""
    return -(-(recipe.calibration_samples or 0) // recipe.batch_size)


def _refusal(error: Exception, recipe: Recipe) -> BuildError:
    text = str(error).strip()
    said = text.splitlines()[-1] if text else type(error).__name__
    if recipe.quantization != "none" and "not yet supported" in text:
        return UnsupportedOptimization(f"{recipe.subject}: the converter cannot quantize this model: {said}")
    return BuildError(f"{recipe.subject}: TensorFlow could not convert the model: {said}")
