"""The manifest of an ONNX model, as far as it follows from the bytes. ONNX: worker only."""

from __future__ import annotations

from collections import Counter
from typing import Any

import onnx

from orchestrator.builder import cost, onnx_cost
from orchestrator.builder.graph import Op, Tensor
from orchestrator.builder.manifest import head
from orchestrator.builder.onnx_graph import Kernel, Weighed
from orchestrator.builder.recipe import Recipe
from orchestrator.builder.roundtrip import Pair, report


def describe(recipe: Recipe, content: bytes, reference: bytes | None) -> dict[str, Any]:
    """``reference``: the prepared float model that it was quantized from; None: it is as it came."""
    model = onnx.load_from_string(content)
    weighed = Weighed(model)
    kernels, macs, moved = weighed.kernels(), onnx_cost.macs(weighed), onnx_cost.traffic(weighed)
    given = [value for value in model.graph.input if value.name not in {t.name for t in model.graph.initializer}]
    return head(recipe, content) | {
        "parameters": onnx_cost.parameters(weighed),
        "parameters_source": "initializers of the graph",
        "macs": macs,
        "macs_reason": None if macs is not None else "the shapes in the graph are not all known",
        "macs_uncounted": onnx_cost.uncounted(weighed),
        "macs_by_arithmetic": onnx_cost.macs_by_arithmetic(weighed) if macs is not None else {},
        "weight_bytes": moved[0] if moved else None,
        "activation_bytes": moved[1] if moved else None,
        "inputs": [_port(value) for value in given],
        "outputs": [_port(value) for value in model.graph.output],
        "ops": dict(sorted(Counter(node.op_type for node in model.graph.node).items())),
        "subgraphs": 1,
        "sparsity": onnx_cost.sparsity(kernels),
        "quantization": {
            "scheme": recipe.quantization if recipe.steps or recipe.form != "onnx" else "as in the file",
            "activations": recipe.activations,
            **report(_paired(kernels, reference)),
        },
    }


def _paired(kernels: list[Kernel], reference: bytes | None) -> list[Pair]:
    """Each kernel with its float original, found by its name."""
    if reference is None:
        return [(_weight(kernel), None, "no float source") for kernel in kernels]
    originals = {kernel.name: kernel for kernel in Weighed(onnx.load_from_string(reference)).kernels()}
    pairs: list[Pair] = []
    for kernel in kernels:
        original = originals.get(kernel.name.removesuffix("_quantized"))
        if original is None or original.values.shape != kernel.values.shape or kernel.is_reshaped:
            pairs.append((_weight(kernel), None, "the tools stored it in another shape than the float model"))
        else:
            pairs.append((_weight(kernel), _weight(original).tensor, None))
    return pairs


def _weight(kernel: Kernel) -> cost.Weight:
    values = kernel.values
    tensor = Tensor(
        name=kernel.name,
        shape=tuple(values.shape),
        dtype=kernel.dtype,
        scales=kernel.scales,
        zero_points=kernel.zero_points,
        axis=kernel.axis,
        data=values,
        is_constant=True,
    )
    return cost.Weight(Op(kernel.node.op_type, (), ()), "kernel", tensor)


def _port(value: Any) -> dict[str, Any]:
    dims = value.type.tensor_type.shape.dim
    return {
        "name": value.name,
        "shape": [dim.dim_value if dim.HasField("dim_value") else None for dim in dims],
        "dtype": str(onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)),
        "scale": None,
        "zero_point": None,
    }
