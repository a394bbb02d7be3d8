"""Quantizes a float ONNX model, with ONNX Runtime's own tools. Worker only."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process
from onnxruntime.transformers.float16 import convert_float_to_float16

from orchestrator.builder.kept import chosen
from orchestrator.builder.onnx_cost import Weighed
from orchestrator.builder.recipe import Recipe
from orchestrator.builder.source import Batch
from orchestrator.errors import ConfigError, UnsupportedOptimization

_MATRICES = ["MatMul", "Gemm"]
_SHOWN = 24


def quantized(content: bytes, recipe: Recipe, samples: Callable[[], Iterator[Batch]]) -> bytes:
    """The model quantized as the recipe says; ``samples`` (batches as the model takes them) are drawn if needed.

    Raises UnsupportedOptimization where it cannot be done, ConfigError for a name in ``keep_float`` that no node has.
    """
    kept = _kept(onnx.load_from_string(content), recipe)
    with tempfile.TemporaryDirectory() as folder:  # its tools read and write files
        given, ready, done = (Path(folder, f"{name}.onnx") for name in ("given", "ready", "done"))
        given.write_bytes(content)
        try:
            quant_pre_process(str(given), str(ready), skip_symbolic_shape=True)
            _TOOLS[recipe.quantization](ready, done, recipe, kept, samples)
        except (ValueError, RuntimeError, NotImplementedError, KeyError, AssertionError) as error:
            lines = str(error).strip().splitlines()
            said = lines[-1] if lines else type(error).__name__
            raise UnsupportedOptimization(f"{recipe.subject}: this model cannot be quantized so: {said}") from error
        return done.read_bytes()


def _kept(model: Any, recipe: Recipe) -> list[str]:
    """The nodes that stay float."""
    nodes, found = model.graph.node, set[int]()
    weighted = {kernel.node.name for kernel in Weighed(model).kernels()}
    names = [f"{node.op_type} {node.name}" for node in nodes]
    for pattern in recipe.keep_float or ():
        places = chosen(pattern, names, [node.name in weighted for node in nodes])
        if not places:
            rest = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            raise ConfigError(
                f"optimization.keep_float: {pattern!r} matches no operator of {recipe.name}",
                hint=f"its operators are {', '.join(names[:_SHOWN])}{rest}",
            )
        found |= set(places)
    return [nodes[place].name for place in sorted(found)]


class _Samples(CalibrationDataReader):  # type: ignore[misc]
    """Batches by the names of the model's inputs."""

    def __init__(self, model: Path, samples: Iterator[Batch]) -> None:
        graph = onnx.load(model, load_external_data=False).graph
        weights = {tensor.name for tensor in graph.initializer}
        self._names = [given.name for given in graph.input if given.name not in weights]
        self._samples = samples

    def get_next(self) -> dict[str, Any] | None:
        batch = next(self._samples, None)
        return None if batch is None else dict(zip(self._names, batch, strict=True))


def _float16(ready: Path, done: Path, recipe: Recipe, kept: list[str], samples: Callable[[], Iterator[Batch]]) -> None:
    """Computed in half precision where the runtime can, with float inputs and outputs."""
    model = convert_float_to_float16(onnx.load(ready), keep_io_types=True, node_block_list=kept)
    onnx.save(model, done)


def _dynamic_range(
    ready: Path, done: Path, recipe: Recipe, kept: list[str], samples: Callable[[], Iterator[Batch]]
) -> None:
    """Matrices only: a convolution quantized on the fly has no kernel for signed weights on the CPU."""
    quantize_dynamic(
        ready,
        done,
        op_types_to_quantize=_MATRICES,
        per_channel=recipe.granularity == "per_channel",
        weight_type=QuantType.QInt8,
        nodes_to_exclude=kept,
    )


def _int8(ready: Path, done: Path, recipe: Recipe, kept: list[str], samples: Callable[[], Iterator[Batch]]) -> None:
    """QDQ, signed weights and activations: what ONNX Runtime recommends, and TensorRT and OpenVINO read."""
    quantize_static(
        ready,
        done,
        _Samples(ready, samples()),
        quant_format=QuantFormat.QDQ,
        per_channel=recipe.granularity == "per_channel",
        activation_type=QuantType.QInt8,
        weight_type=QuantType.QInt8,
        nodes_to_exclude=kept,
    )


_Tool = Callable[[Path, Path, Recipe, list[str], Callable[[], Iterator[Batch]]], None]
_TOOLS: dict[str, _Tool] = {"float16": _float16, "dynamic_range": _dynamic_range, "int8": _int8}
