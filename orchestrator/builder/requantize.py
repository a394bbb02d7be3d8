"""Quantizes a finished float TFLite model, with Google's ai-edge-quantizer. Worker only.

For what the converter cannot do: a file without the model that it came from, weights that are quantized for storage
alone, and mixed precision.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from ai_edge_quantizer import qtyping, quantizer, recipe_manager
from ai_edge_quantizer.algorithm_manager import AlgorithmName

from orchestrator.builder.flatbuffer import read_graph
from orchestrator.builder.inference import loaded
from orchestrator.builder.recipe import Recipe
from orchestrator.builder.signature import KEY, signed
from orchestrator.builder.source import Batch
from orchestrator.errors import ConfigError, UnsupportedOptimization

_ALL = qtyping.TFLOperationName.ALL_SUPPORTED
_SHOWN = 8
_GRANULARITY = {
    "per_channel": qtyping.QuantGranularity.CHANNELWISE,
    "per_tensor": qtyping.QuantGranularity.TENSORWISE,
}


def requantize(content: bytes, recipe: Recipe, samples: Callable[[], Iterator[Batch]]) -> bytes:
    """The model quantized as the recipe says; ``samples`` (batches as the model takes them) are drawn if needed.

    Raises UnsupportedOptimization where an operator does not take it, ConfigError for a name in ``keep_float`` that no
    operator has.
    """
    _check_names(content, recipe)
    settings = recipe_manager.RecipeManager()
    _SETTINGS[recipe.quantization](settings, recipe)
    for pattern in recipe.keep_float or ():
        settings.add_quantization_config(pattern, _ALL, algorithm_key=AlgorithmName.NO_QUANTIZE)
    whole = signed(content)
    try:
        working = quantizer.Quantizer(bytearray(whole), settings.get_quantization_recipe())
        ranges = working.calibrate({KEY: _Named(samples)}, num_threads=1) if working.need_calibration else None
        done = working.quantize(ranges, enable_progress_bar=False, enable_progress_report=False).quantized_model
        loaded(bytes(done or b""))
    except (ValueError, RuntimeError, NotImplementedError, KeyError) as error:
        lines = str(error).strip().splitlines()
        said = lines[-1] if lines else type(error).__name__
        raise UnsupportedOptimization(f"{recipe.subject}: this model cannot be quantized so: {said}") from error
    return bytes(done)


class _Named:
    """Batches by the names of the signature, as often as they are asked for."""

    def __init__(self, samples: Callable[[], Iterator[Batch]]) -> None:
        self._samples = samples

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for batch in self._samples():
            yield {f"input_{number}": values for number, values in enumerate(batch)}


def _check_names(content: bytes, recipe: Recipe) -> None:
    graph = read_graph(content)
    names = [graph.tensors[op.outputs[0]].name for op in graph.ops]
    for pattern in recipe.keep_float or ():
        if not any(re.search(pattern, name) for name in names):
            some = ", ".join(dict.fromkeys(name.split(";")[0] for name in names[:_SHOWN]))
            raise ConfigError(
                f"optimization.keep_float: no operator of {recipe.name} has a name that matches {pattern!r}",
                hint=f"there are {len(names)}, among them {some}",
            )


def _static(bits: int) -> Callable[[Any, Recipe], None]:
    def add(settings: Any, recipe: Recipe) -> None:
        settings.add_static_config(".*", _ALL, bits, 8, _granularity(recipe))
        if recipe.io == "float":
            for end in (qtyping.TFLOperationName.INPUT, qtyping.TFLOperationName.OUTPUT):
                settings.add_quantization_config(".*", end, algorithm_key=AlgorithmName.NO_QUANTIZE)

    return add


def _float16(settings: Any, recipe: Recipe) -> None:
    half = qtyping.TensorQuantizationConfig(num_bits=16, dtype=qtyping.TensorDataType.FLOAT)
    stored = qtyping.OpQuantizationConfig(
        weight_tensor_config=half, compute_precision=qtyping.ComputePrecision.FLOAT, explicit_dequantize=True
    )
    settings.add_quantization_config(".*", _ALL, op_config=stored, algorithm_key=AlgorithmName.FLOAT_CASTING)


def _granularity(recipe: Recipe) -> Any:
    return _GRANULARITY[recipe.granularity or "per_channel"]


_SETTINGS: dict[str, Callable[[Any, Recipe], None]] = {
    "float16": _float16,
    "dynamic_range": lambda settings, recipe: settings.add_dynamic_config(".*", _ALL, 8, _granularity(recipe)),
    "weight_only": lambda settings, recipe: settings.add_weight_only_config(".*", _ALL, 8, _granularity(recipe)),
    "int8": _static(8),
    "int16x8": _static(16),
}
