"""Reads a TFLite file into a graph, from the flatbuffer itself. TensorFlow (for the schema): worker only."""

from __future__ import annotations

from typing import Any

import numpy as np
from tensorflow.lite.python import schema_py_generated as schema

from orchestrator.builder.graph import Graph, Op, Tensor
from orchestrator.builder.images import Array
from orchestrator.builder.sparse import dense

_TYPE_NAMES = {v: k.lower() for k, v in vars(schema.TensorType).items() if isinstance(v, int)}
_OP_NAMES = {v: k for k, v in vars(schema.BuiltinOperator).items() if isinstance(v, int)}
_NUMPY_TYPES = {
    name: np.dtype(name)
    for name in ("float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "bool")
}


def read_graph(content: bytes) -> Graph:
    """Read a file that the interpreter has accepted (nothing is verified here)."""
    model = schema.Model.GetRootAs(content, 0)
    main = model.Subgraphs(0)
    names = [_op_name(model.OperatorCodes(i)) for i in range(model.OperatorCodesLength())]
    return Graph(
        tensors=tuple(_tensor(content, model, main.Tensors(i)) for i in range(main.TensorsLength())),
        ops=tuple(_op(names, main.Operators(i)) for i in range(main.OperatorsLength())),
        inputs=_numbers(main.InputsAsNumpy()),
        outputs=_numbers(main.OutputsAsNumpy()),
        subgraphs=model.SubgraphsLength(),
    )


def _op_name(code: Any) -> str:
    # Files from before 2020 keep the code in the deprecated byte, newer ones in the larger field.
    name = _OP_NAMES.get(max(code.BuiltinCode(), code.DeprecatedBuiltinCode()), "UNKNOWN")
    return f"CUSTOM:{code.CustomCode().decode()}" if name == "CUSTOM" and code.CustomCode() else name


def _op(names: list[str], op: Any) -> Op:
    return Op(names[op.OpcodeIndex()], _numbers(op.InputsAsNumpy()), _numbers(op.OutputsAsNumpy()))


def _stored(content: bytes, buffer: Any) -> Array:
    """The bytes of a constant, in the flatbuffer itself or behind it, where newer writers put them."""
    raw = buffer.DataAsNumpy()
    if isinstance(raw, np.ndarray):
        return raw
    behind = buffer.Offset() > 1
    return np.frombuffer(content, np.uint8, buffer.Size(), buffer.Offset()) if behind else np.zeros(0, np.uint8)


def _tensor(content: bytes, model: Any, tensor: Any) -> Tensor:
    shape, dtype = _numbers(tensor.ShapeAsNumpy()), _TYPE_NAMES[tensor.Type()]
    quantization = tensor.Quantization()
    raw = _stored(content, model.Buffers(tensor.Buffer()))
    constant = raw.size > 0
    values = raw.view(_NUMPY_TYPES[dtype]) if constant and dtype in _NUMPY_TYPES else None
    if values is not None:
        encoding = tensor.Sparsity()
        values = values.reshape(shape) if encoding is None else dense(encoding, values, shape)
    return Tensor(
        name=(tensor.Name() or b"").decode(errors="replace"),
        shape=shape,
        dtype=dtype,
        scales=_floats(quantization.ScaleAsNumpy() if quantization else 0),
        zero_points=np.array(_numbers(quantization.ZeroPointAsNumpy() if quantization else 0), np.int64),
        axis=quantization.QuantizedDimension() if quantization else 0,
        data=values,
        is_constant=constant,
        is_sparse=tensor.Sparsity() is not None,
    )


def _numbers(values: Any) -> tuple[int, ...]:
    """flatbuffers answers 0 for an absent vector."""
    return tuple(int(v) for v in values) if isinstance(values, np.ndarray) else ()


def _floats(values: Any) -> Array:
    return values.astype(np.float64) if isinstance(values, np.ndarray) else np.zeros(0)
