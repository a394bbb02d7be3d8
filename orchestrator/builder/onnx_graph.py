"""An ONNX model with the shapes and types of everything in it, and its kernels. ONNX: worker only."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from orchestrator.builder.images import Array

KERNELS = {
    **dict.fromkeys(("Conv", "ConvTranspose", "ConvInteger", "Gemm", "MatMul", "MatMulInteger"), 1),
    **dict.fromkeys(("QLinearConv", "QLinearMatMul"), 3),
}
"""Operator -> the input that holds its kernel."""
_SHAPING = ("Cast", "Transpose", "Reshape", "Squeeze", "Unsqueeze", "Identity")
_NOTHING = np.zeros(0)


@dataclass(frozen=True, slots=True)
class Kernel:
    """A constant that a node multiplies with. ``values`` are quantized where the node or a QuantizeLinear wants it so,
    whatever the file holds."""

    node: Any
    name: str  # of the stored tensor
    values: Array
    scales: Array  # empty: not quantized; several: per channel along ``axis``
    zero_points: Array
    axis: int
    is_reshaped: bool = False  # on the way from the file to the node: ``axis`` says nothing then

    @property
    def dtype(self) -> str:
        """As numpy calls it."""
        return str(self.values.dtype.name)


@dataclass(frozen=True, slots=True)
class _Scaled:
    """What an operator says about quantized values."""

    scales: Array
    zero_points: Array
    axis: int


class Weighed:
    """The graph of a model, with what shape inference says about it."""

    def __init__(self, model: Any) -> None:
        self.graph = onnx.shape_inference.infer_shapes(model).graph
        self.constants = {tensor.name: tensor for tensor in self.graph.initializer}
        for node in self.graph.node:
            if node.op_type == "Constant" and node.attribute and node.attribute[0].name == "value":
                self.constants[node.output[0]] = node.attribute[0].t
        self.makers = {name: node for node in self.graph.node for name in node.output}
        values = (*self.graph.input, *self.graph.output, *self.graph.value_info)
        self._types = {value.name: value.type.tensor_type for value in values}

    def shape(self, name: str) -> list[int] | None:
        """None where it is not known, or only when the model runs."""
        if name in self.constants:
            return [int(size) for size in self.constants[name].dims]
        kind = self._types.get(name)
        if kind is None or not kind.HasField("shape"):
            return None
        dims = kind.shape.dim
        return [int(dim.dim_value) for dim in dims] if all(dim.HasField("dim_value") for dim in dims) else None

    def dtype(self, name: str) -> str | None:
        """As numpy calls it; None where it is not known."""
        kind = self.constants[name].data_type if name in self.constants else None
        kind = kind or (self._types[name].elem_type if name in self._types else 0)
        return str(onnx.helper.tensor_dtype_to_np_dtype(kind)) if kind else None

    def size(self, name: str) -> int | None:
        """Number of values."""
        shape = self.shape(name)
        return None if shape is None else prod(shape)

    def kernels(self) -> list[Kernel]:
        """In the order of the graph; nodes whose kernel is computed have none."""
        nodes = [n for n in self.graph.node if n.op_type in KERNELS and len(n.input) > KERNELS[n.op_type]]
        return [kernel for node in nodes if (kernel := self._kernel(node)) is not None]

    def _kernel(self, node: Any) -> Kernel | None:
        name, scaled, in_graph, reshaped = node.input[KERNELS[node.op_type]], self._own_scales(node), False, False
        while name not in self.constants:
            maker = self.makers.get(name)
            if maker is None or not maker.input:
                return None
            if maker.op_type in ("DequantizeLinear", "QuantizeLinear"):
                in_graph |= maker.op_type == "QuantizeLinear"
                scaled = self._scales(maker)
            elif maker.op_type == "Mul" and self._unpacks(maker):
                scaled = self._multiplied(maker)
            elif maker.op_type not in _SHAPING:
                return None
            reshaped |= maker.op_type in ("Transpose", "Reshape", "Squeeze", "Unsqueeze")
            name = maker.input[0]
        values = numpy_helper.to_array(self.constants[name])
        if scaled is None:
            return Kernel(node, name, values, _NOTHING, _NOTHING, 0, reshaped)
        if in_graph:
            values = _quantized(values, scaled)
        return Kernel(node, name, values, scaled.scales, scaled.zero_points, scaled.axis, reshaped)

    def _own_scales(self, node: Any) -> _Scaled | None:
        """Of an operator that takes integers."""
        place = KERNELS[node.op_type]
        if node.op_type.startswith("QLinear"):
            scale, zero_point = node.input[place + 1], node.input[place + 2]
        elif node.op_type.endswith("Integer"):  # multiplied later on; by this name if ONNX Runtime's tools made it
            scale = f"{node.input[place].removesuffix('_quantized')}_scale"
            zero_point = node.input[3] if len(node.input) > 3 else ""
        else:
            return None
        axis = 0 if "Conv" in node.op_type else len(self.shape(node.input[place]) or (0,)) - 1
        return _Scaled(self._numbers(scale), self._numbers(zero_point), axis)

    def _scales(self, maker: Any) -> _Scaled:
        axis = next((attribute.i for attribute in maker.attribute if attribute.name == "axis"), 1)
        rank = len(self.shape(maker.input[0]) or ())
        zero_point = maker.input[2] if len(maker.input) > 2 else ""
        return _Scaled(self._numbers(maker.input[1]), self._numbers(zero_point), axis % rank if rank else 0)

    def _unpacks(self, mul: Any) -> bool:
        """Whether it scales stored integers, as onnx_weights writes it."""
        cast = self.makers.get(mul.input[0])
        return (
            cast is not None
            and cast.op_type == "Cast"
            and mul.input[1] in self.constants
            and (self.dtype(cast.input[0]) or "") in ("int8", "uint8")
        )

    def _multiplied(self, mul: Any) -> _Scaled:
        scales = numpy_helper.to_array(self.constants[mul.input[1]])
        axis = int(np.argmax(scales.shape)) if scales.ndim else 0
        return _Scaled(scales.reshape(-1).astype(np.float64), _NOTHING, axis)

    def _numbers(self, name: str) -> Array:
        """A constant as a row; empty where there is none."""
        if name not in self.constants:
            return _NOTHING
        found = numpy_helper.to_array(self.constants[name]).reshape(-1)
        return found if found.dtype.kind in "iu" else found.astype(np.float64)


def _quantized(values: Array, scaled: _Scaled) -> Array:
    """As QuantizeLinear does it."""
    dtype = scaled.zero_points.dtype if scaled.zero_points.dtype.kind in "iu" else np.dtype(np.uint8)
    shape = [-1 if number == scaled.axis and scaled.scales.size > 1 else 1 for number in range(values.ndim)]
    offset = scaled.zero_points.reshape(shape).astype(np.int64) if scaled.zero_points.size else 0
    limits = np.iinfo(dtype)
    whole = np.round(values / scaled.scales.reshape(shape)) + offset
    found: Array = np.clip(whole, limits.min, limits.max).astype(dtype)
    return found
