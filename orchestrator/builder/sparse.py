"""TFLite's sparse encoding of a constant: which zeros are left out of the file, and how to put them back.

As schema.fbs describes it (``SparsityParameters``, after TACO): dimensions in ``traversal_order``, blocks of some of
them behind, each dense or compressed like the rows of a CSR matrix.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from tensorflow.lite.python import schema_py_generated as schema

from orchestrator.builder.images import Array

_DENSE = 0


def dense(sparsity: Any, values: Array, shape: tuple[int, ...]) -> Array:
    """The whole tensor of a flatbuffer's ``SparsityParameters`` and the values that are stored."""
    order = _numbers(sparsity.TraversalOrderAsNumpy())
    blocks = _numbers(sparsity.BlockMapAsNumpy())
    levels = [sparsity.DimMetadata(number) for number in range(sparsity.DimMetadataLength())]
    sizes = {len(shape) + k: levels[order.index(len(shape) + k)].DenseSize() for k in range(len(blocks))}
    positions = np.zeros((1, 0), np.int64)  # of what is stored, level by level
    for level in levels:
        positions = _expanded(level, positions)
    indices = []
    for axis in range(len(shape)):
        index = positions[:, order.index(axis)]
        if axis in blocks:
            inner = len(shape) + blocks.index(axis)
            index = index * sizes[inner] + positions[:, order.index(inner)]
        indices.append(index)
    whole: Array = np.zeros(shape, values.dtype)
    whole[tuple(indices)] = values[: len(positions)]
    return whole


def _expanded(level: Any, positions: Array) -> Array:
    """One more index behind each position: all of a dense dimension, or those that a compressed one names."""
    if level.Format() == _DENSE:
        size = level.DenseSize()
        return np.column_stack([np.repeat(positions, size, axis=0), np.tile(np.arange(size), len(positions))])
    segments = _vector(level.ArraySegmentsType(), level.ArraySegments())
    indices = _vector(level.ArrayIndicesType(), level.ArrayIndices())
    return np.column_stack([np.repeat(positions, np.diff(segments), axis=0), indices])


def _vector(kind: int, table: Any) -> Array:
    """Of the union's member ``kind``: a table that holds one vector of numbers."""
    vector = _VECTORS[kind]()
    vector.Init(table.Bytes, table.Pos)
    return np.asarray(vector.ValuesAsNumpy()).astype(np.int64)


_VECTORS = {1: schema.Int32Vector, 2: schema.Uint16Vector, 3: schema.Uint8Vector}


def _numbers(values: Any) -> list[int]:
    return [int(value) for value in values] if isinstance(values, np.ndarray) else []
