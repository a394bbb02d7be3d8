"""What is known about an artifact, as plain JSON data (``manifest.json``, version 1)."""

from __future__ import annotations

import gzip
import hashlib
from collections import Counter
from typing import Any

from orchestrator.builder import cost
from orchestrator.builder.flatbuffer import read_graph
from orchestrator.builder.graph import Graph, Tensor
from orchestrator.builder.recipe import Recipe
from orchestrator.builder.roundtrip import weight_report

VERSION = 1
_GZIP_LEVEL = 6  # gzip's own default: what a web server or a package would do


def describe(recipe: Recipe, content: bytes, reference: bytes | None) -> dict[str, Any]:
    """The manifest of a TFLite file, as far as it follows from the bytes. ``reference``: what it was quantized from."""
    graph = read_graph(content)
    moved = cost.traffic(graph)
    scheme = recipe.quantization if recipe.form != "tflite" else "as in the file"
    return head(recipe, content) | {
        "parameters": cost.parameters(graph),
        "parameters_source": "kernels and biases of the graph",
        "macs": cost.macs(graph),
        "macs_uncounted": cost.uncounted(graph),
        "macs_by_arithmetic": cost.macs_by_arithmetic(graph),
        "weight_bytes": moved[0] if moved else None,
        "activation_bytes": moved[1] if moved else None,
        "inputs": [_port(graph.tensors[number]) for number in graph.inputs],
        "outputs": [_port(graph.tensors[number]) for number in graph.outputs],
        "ops": dict(sorted(Counter(op.name for op in graph.ops).items())),
        "subgraphs": graph.subgraphs,
        "sparsity": cost.sparsity(graph),
        "quantization": {"scheme": scheme} | weight_report(graph, _reference(reference)),
    }


def head(recipe: Recipe, content: bytes) -> dict[str, Any]:
    """What every manifest holds, whatever the format."""
    return {
        "version": VERSION,
        "key": recipe.key,
        "recipe": recipe.content,
        "format": recipe.format,
        "sha256": hashlib.sha256(content).hexdigest(),
        "size_bytes": len(content),
        "gzip_bytes": len(gzip.compress(content, _GZIP_LEVEL, mtime=0)),
        "weights": recipe.weights,
        "versions": dict(recipe.versions),
        "calibration": None,
        "slimming": [],
        "training": None,
        "evaluation": None,
        "notes": [],
    }


def _reference(content: bytes | None) -> Graph | None:
    return None if content is None else read_graph(content)


def _port(tensor: Tensor) -> dict[str, Any]:
    return {
        "name": tensor.name,
        "shape": list(tensor.shape),
        "dtype": tensor.dtype,
        "scale": float(tensor.scales[0]) if tensor.scales.size else None,
        "zero_point": int(tensor.zero_points[0]) if tensor.zero_points.size else None,
    }
