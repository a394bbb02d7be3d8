"""A TFLite graph as plain nouns: tensors and operators of its main subgraph."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from orchestrator.builder.images import Array

_UNPACKING = ("DEQUANTIZE", "DENSIFY")
"""Operators that only make whole what is stored in less: float16 weights, sparse ones."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor; ``data`` is None where it is computed at run time or of a type that numpy lacks (int4)."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    scales: Array  # empty: not quantized; several: per channel along ``axis``
    zero_points: Array
    axis: int
    data: Array | None
    is_constant: bool
    is_sparse: bool = False  # zeros are left out of what is stored

    @property
    def elements(self) -> int:
        """Number of values."""
        return int(np.prod(self.shape, dtype=np.int64))


@dataclass(frozen=True, slots=True)
class Op:
    """One operator; tensor numbers, -1 for an optional input that is absent."""

    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True)
class Graph:
    """The main subgraph of a file."""

    tensors: tuple[Tensor, ...]
    ops: tuple[Op, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    subgraphs: int

    @cached_property
    def _makers(self) -> dict[int, Op]:
        return {number: op for op in self.ops for number in op.outputs}

    def operand(self, op: Op, position: int) -> Tensor | None:
        """The tensor at an input position; None where it is absent."""
        number = op.inputs[position] if position < len(op.inputs) else -1
        return self.tensors[number] if number >= 0 else None

    def constant(self, op: Op, position: int) -> Tensor | None:
        """The stored constant behind an input, looking through what unpacks it at load; None if computed."""
        tensor = self.operand(op, position)
        if tensor is None or tensor.is_constant:
            return tensor
        maker = self._makers.get(op.inputs[position])
        return self.constant(maker, 0) if maker is not None and maker.name in _UNPACKING else None
