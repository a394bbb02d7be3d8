"""What an ONNX graph costs: multiply-accumulates, parameters, the types of its kernels. ONNX: worker only."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import onnx

_CONVOLUTIONS = {"Conv": (0, 1), "ConvInteger": (0, 1), "QLinearConv": (0, 3)}
_MATRICES = {
    "MatMul": (0, 1),
    "Gemm": (0, 1),
    "MatMulInteger": (0, 1),
    "QLinearMatMul": (0, 3),
    "DynamicQuantizeMatMul": (0, 1),
}
KERNELS = {name: place for name, (_, place) in (_CONVOLUTIONS | _MATRICES).items()} | {"ConvTranspose": 1}
"""Operator -> the input that holds its kernel."""
_UNPACKING = ("DequantizeLinear", "Cast", "Transpose", "Reshape", "Squeeze", "Unsqueeze")


@dataclass(frozen=True, slots=True)
class Kernel:
    """A constant that a node multiplies with, as it is stored."""

    node: Any
    values: np.ndarray[Any, Any]
    scales: int  # of its quantization; 0: none


class Weighed:
    """An ONNX model with the shapes of everything in it."""

    def __init__(self, model: Any) -> None:
        self.graph = onnx.shape_inference.infer_shapes(model).graph
        self._constants = {tensor.name: tensor for tensor in self.graph.initializer}
        self._makers = {name: node for node in self.graph.node for name in node.output}
        values = (*self.graph.input, *self.graph.output, *self.graph.value_info)
        self._shapes = {value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim] for value in values}

    def kernels(self) -> list[Kernel]:
        """In the order of the graph; nodes whose kernel is computed have none."""
        found = []
        for node in self.graph.node:
            if node.op_type in KERNELS and len(node.input) > KERNELS[node.op_type]:
                tensor, scales = self._constant(node.input[KERNELS[node.op_type]])
                if tensor is not None:
                    found.append(Kernel(node, onnx.numpy_helper.to_array(tensor), scales))
        return found

    def macs(self) -> int | None:
        """Multiply-accumulates of one call; None where a shape that matters is not known."""
        counted = [self._macs(node) for node in self.graph.node if node.op_type in KERNELS]
        return None if None in counted else sum(count for count in counted if count is not None)

    def macs_by_arithmetic(self) -> dict[str, int]:
        """By the type that is multiplied, as stored."""
        types = {kernel.node.output[0]: kernel.values.dtype.name for kernel in self.kernels()}
        found: Counter[str] = Counter()
        for node in self.graph.node:
            if node.op_type in KERNELS:
                found[types.get(node.output[0], "float32")] += self._macs(node) or 0
        return dict(sorted(found.items()))

    def sparsity(self) -> float | None:
        kernels = [kernel.values for kernel in self.kernels()]
        total = sum(values.size for values in kernels)
        return sum(int((values == 0).sum()) for values in kernels) / total if total else None

    def parameters(self) -> int:
        return sum(int(np.prod(tensor.dims, dtype=np.int64)) for tensor in self.graph.initializer)

    def _constant(self, name: str) -> tuple[Any, int]:
        """The stored constant behind a name, and its scales, looking through what unpacks it."""
        scales = 0
        while name not in self._constants:
            node = self._makers.get(name)
            if node is None or node.op_type not in _UNPACKING:
                return None, scales
            if node.op_type == "DequantizeLinear" and node.input[1] in self._constants:
                scales = int(np.prod(self._constants[node.input[1]].dims, dtype=np.int64))
            name = node.input[0]
        return self._constants[name], scales

    def _shape(self, name: str) -> list[int] | None:
        if name in self._constants:
            return [int(size) for size in self._constants[name].dims]
        shape = self._shapes.get(name)
        return shape if shape and all(size > 0 for size in shape) else None

    def _macs(self, node: Any) -> int | None:
        out, kernel = self._shape(node.output[0]), self._shape(node.input[KERNELS[node.op_type]])
        if out is None or kernel is None:
            return None
        if node.op_type == "ConvTranspose":
            given = self._shape(node.input[0])
            return None if given is None else prod(given) * prod(kernel[1:])
        if node.op_type in _CONVOLUTIONS:
            return prod(out) * prod(kernel[1:])
        flipped = any(attribute.name == "transB" and attribute.i for attribute in node.attribute)
        return prod(out) * kernel[-1 if flipped else -2]
