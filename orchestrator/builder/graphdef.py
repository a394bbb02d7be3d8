"""A frozen TensorFlow graph as one file: what the runtime ``tensorflow`` executes. TensorFlow: worker only.

The length of a JSON text as 8 bytes, little endian; the text, ``{"inputs": [names], "outputs": [names]}`` in order; the
serialized GraphDef, whose inputs are placeholders.
"""

from __future__ import annotations

import json
import struct
from collections import Counter
from typing import Any

import tensorflow as tf

from orchestrator.builder.manifest import describe, head
from orchestrator.builder.recipe import Recipe
from orchestrator.builder.source import Source

_HEAD = struct.Struct("<Q")
_NO_WORK = ("Const", "Placeholder", "Identity", "NoOp")
NOTE = "multiplications and bytes are those of the same function as TFLite"

_WHY = "TFLite, by which it is counted, cannot have this model"
_UNCOUNTED: dict[str, Any] = {
    "macs": None,
    "macs_reason": _WHY,
    "macs_uncounted": [_WHY],
    "macs_by_arithmetic": {},
    "weight_bytes": None,
    "activation_bytes": None,
    "sparsity": None,
    "quantization": {"scheme": "none"},
}


def convert(function: Any, source: Source, recipe: Recipe, floating: bytes | None = None) -> bytes:
    """The file of a frozen concrete function."""
    names = {"inputs": [t.name for t in function.inputs], "outputs": [t.name for t in function.outputs]}
    text = json.dumps(names).encode()
    return _HEAD.pack(len(text)) + text + bytes(function.graph.as_graph_def().SerializeToString())


def describe_beside(recipe: Recipe, content: bytes, twin: bytes | None) -> dict[str, Any]:
    """The manifest: what the graph computes is told by its TFLite ``twin``, of the same function; None: it has none."""
    if twin is None:
        return head(recipe, content) | _UNCOUNTED | {"ops": _ops(content)}
    return describe(recipe, twin, None) | head(recipe, content) | {"ops": _ops(content)}


def _ops(content: bytes) -> dict[str, int]:
    (length,) = _HEAD.unpack_from(content)
    graph = tf.compat.v1.GraphDef.FromString(content[_HEAD.size + length :])
    return dict(sorted(Counter(node.op for node in graph.node if node.op not in _NO_WORK).items()))
