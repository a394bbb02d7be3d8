"""Quantizes a float ONNX model, with ONNX Runtime's own tools. Worker only."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
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
from onnxruntime.quantization.onnx_model import ONNXModel
from onnxruntime.quantization.shape_inference import quant_pre_process
from onnxruntime.transformers.float16 import convert_float_to_float16

from orchestrator.builder.kept import chosen
from orchestrator.builder.onnx_graph import KERNELS
from orchestrator.builder.onnx_weights import weights_only
from orchestrator.builder.recipe import Recipe
from orchestrator.builder.source import Batch
from orchestrator.errors import BuildError, ConfigError, UnsupportedOptimization

_MATRICES = ["MatMul", "Gemm"]
_TENSORRT = ["Conv", "ConvTranspose", "Gemm", "MatMul"]
_SHOWN = 24

Samples = Callable[[], Iterator[Batch]]
"""Batches as the model takes them."""


def prepared(content: bytes) -> bytes:
    """The same model as the tools want it: constants folded, normalizations fused into convolutions, shapes written.

    Only shapes that are fixed: what symbolic inference would add costs another package. Raises BuildError where ONNX
    Runtime does not take the model.
    """
    with tempfile.TemporaryDirectory() as folder:
        given, done = Path(folder, "given.onnx"), Path(folder, "ready.onnx")
        given.write_bytes(content)  # of a model in memory it would look for the weights in another file
        try:
            quant_pre_process(str(given), str(done), skip_symbolic_shape=True)
        except Exception as error:  # of C++, translated by pybind11; their classes are its own
            raise BuildError(f"ONNX Runtime does not take the model: {_said(error)}") from error
        return _tidy(onnx.load(done))


def quantized(floating: bytes, recipe: Recipe, samples: Samples) -> bytes:
    """A :func:`prepared` model quantized as the recipe says; ``samples`` are drawn if needed.

    Raises UnsupportedOptimization where it cannot be done, ConfigError for a name in ``keep_float`` that no node has.
    """
    model = onnx.load_from_string(floating)
    kept = _kept(model, recipe)
    try:
        return _tidy(_STEPS[recipe.quantization](model, recipe, kept, samples))
    except (UnsupportedOptimization, ConfigError):
        raise
    except Exception as error:  # the tools raise whatever their parts raise, plain Exceptions among it
        raise UnsupportedOptimization(f"{recipe.subject}: this model cannot be quantized so: {_said(error)}") from error


def kept_names(nodes: Sequence[Any], recipe: Recipe, *, strict: bool = False) -> set[str]:
    """The names of the nodes that ``keep_float`` means; a pattern is searched in a node's kind, name and output.

    ``strict``: raises ConfigError for a pattern that means none.
    """
    names = [f"{node.op_type} {node.name} {node.output[0] if node.output else ''}" for node in nodes]
    weighted = [node.op_type in KERNELS for node in nodes]
    found: set[str] = set()
    for pattern in recipe.keep_float or ():
        places = chosen(pattern, names, weighted)
        if strict and not places:
            rest = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            raise ConfigError(
                f"optimization.keep_float: {pattern!r} matches no operator of {recipe.name}",
                hint=f"its operators are {', '.join(names[:_SHOWN])}{rest}",
            )
        found |= {nodes[place].name for place in places}
    return found


def _kept(model: Any, recipe: Recipe) -> list[str]:
    """The names of the nodes that stay float; every node has one."""
    nodes = model.graph.node
    for number, node in enumerate(nodes):
        node.name = node.name or f"{node.op_type}_{number}"
    return sorted(kept_names(nodes, recipe, strict=True))


class _Reader(CalibrationDataReader):  # type: ignore[misc]
    """Batches by the names of the model's inputs."""

    def __init__(self, model: Any, samples: Iterator[Batch]) -> None:
        weights = {tensor.name for tensor in model.graph.initializer}
        self._names = [given.name for given in model.graph.input if given.name not in weights]
        self._samples = samples

    def get_next(self) -> dict[str, Any] | None:
        batch = next(self._samples, None)
        return None if batch is None else dict(zip(self._names, batch, strict=True))


def _float16(model: Any, recipe: Recipe, kept: list[str], samples: Samples) -> Any:
    """Half precision throughout, but for inputs and outputs: for GPUs and newer Arm cores. ONNX Runtime has no such
    kernels on x86 and goes to float32 and back around each operator (MobileNetV2: 10 ms instead of 6.5)."""
    half = ONNXModel(convert_float_to_float16(model, keep_io_types=True))
    half.topological_sort()  # it appends what it adds, and only ONNX Runtime takes that
    return half.model


def _dynamic_range(model: Any, recipe: Recipe, kept: list[str], samples: Samples) -> Any:
    """Matrices only, as ONNX Runtime recommends: its convolution of integers is slower than that of floats (MobileNetV2
    all in all 20 ms with unsigned weights and 80 ms with signed ones, instead of 6.5)."""
    if not any(node.op_type in _MATRICES and node.name not in kept for node in model.graph.node):
        raise UnsupportedOptimization(
            f"{recipe.subject}: in ONNX only matrices are quantized on the fly, and there is none (weight_only and "
            "int8 include convolutions)"
        )
    return _by_file(
        quantize_dynamic,
        model,
        op_types_to_quantize=_MATRICES,
        per_channel=recipe.granularity == "per_channel",
        weight_type=QuantType.QInt8,
        nodes_to_exclude=kept,
    )


def _weight_only(model: Any, recipe: Recipe, kept: list[str], samples: Samples) -> Any:
    return weights_only(model, recipe, kept)


def _int8(model: Any, recipe: Recipe, kept: list[str], samples: Samples) -> Any:
    """Pairs of QuantizeLinear and DequantizeLinear, which a runtime makes integer operators of."""
    return _by_file(
        quantize_static,
        model,
        _Reader(model, samples()),
        quant_format=QuantFormat.QDQ,
        per_channel=recipe.granularity == "per_channel",
        weight_type=QuantType.QInt8,
        nodes_to_exclude=kept,
        **_ACTIVATIONS[str(recipe.activations)],
    )


_ACTIVATIONS: dict[str, dict[str, Any]] = {
    # For processors. Measured on x86 with VNNI, MobileNetV2: 3.4 ms; 5.6 ms with signed activations; float 6.5 ms.
    "uint8": {"activation_type": QuantType.QUInt8},
    # For TensorRT: no zero points, no integer biases, float weights in pairs of their own. It fuses outputs by itself.
    "int8": {
        "activation_type": QuantType.QInt8,
        "op_types_to_quantize": _TENSORRT,
        "extra_options": {
            "ActivationSymmetric": True,
            "QuantizeBias": False,
            "AddQDQPairToWeight": True,
            "DedicatedQDQPair": True,
            "OpTypesToExcludeOutputQuantization": _TENSORRT,
            "QDQOpTypePerChannelSupportToAxis": {"Conv": 0, "ConvTranspose": 1},
        },
    },
}


def _by_file(tool: Callable[..., None], model: Any, *given: Any, **settings: Any) -> Any:
    """The tools write files."""
    with tempfile.TemporaryDirectory() as folder:
        done = Path(folder, "done.onnx")
        tool(model, done, *given, **settings)
        return onnx.load(done)


def _tidy(model: Any) -> bytes:
    """Without the operator sets that ONNX Runtime names and nothing uses: other parsers may stumble over them."""
    used = {node.domain for node in model.graph.node} | {""}
    imports = [opset for opset in model.opset_import if opset.domain in used or opset.domain == "ai.onnx"]
    del model.opset_import[:]
    model.opset_import.extend(imports)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def _said(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[-1] if lines else type(error).__name__


_Step = Callable[[Any, Recipe, list[str], Samples], Any]
_STEPS: dict[str, _Step] = {
    "float16": _float16,
    "dynamic_range": _dynamic_range,
    "weight_only": _weight_only,
    "int8": _int8,
}
