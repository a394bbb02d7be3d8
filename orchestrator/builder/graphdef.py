"""A frozen TensorFlow graph as one file: what the runtime ``tensorflow`` executes. TensorFlow: worker only.

The length of a JSON text as 8 bytes, little endian; the text, ``{"inputs": [names], "outputs": [names]}`` in order; the
serialized GraphDef, whose inputs are placeholders.
"""

from __future__ import annotations

import json
import struct
from typing import Any

from orchestrator.builder.manifest import describe, head
from orchestrator.builder.recipe import Recipe
from orchestrator.builder.source import Source


def convert(function: Any, source: Source, recipe: Recipe, floating: bytes | None = None) -> bytes:
    """The file of a frozen concrete function."""
    names = {"inputs": [t.name for t in function.inputs], "outputs": [t.name for t in function.outputs]}
    text = json.dumps(names).encode()
    return struct.pack("<Q", len(text)) + text + bytes(function.graph.as_graph_def().SerializeToString())


def describe_beside(recipe: Recipe, content: bytes, twin: bytes) -> dict[str, Any]:
    """The manifest: what the graph computes is told by its TFLite ``twin``, of the same function."""
    told = describe(recipe, twin, None)
    of_file = head(recipe, content)
    return told | of_file | {"ops": {}, "notes": ["operations are counted in its TFLite twin"]}
