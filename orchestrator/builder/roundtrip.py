"""How far each quantized weight is from the float weight it was made from: w ~ (q - zero point) * scale."""

from __future__ import annotations

from typing import Any

import numpy as np

from orchestrator.builder.cost import Weight, along_axis, weights
from orchestrator.builder.graph import Graph, Tensor
from orchestrator.builder.images import Array

_STORED_AS_FLOAT = ("float32", "float64")
Pair = tuple[Weight, Tensor | None, str | None]
"""A weight with its float original, or the reason why there is none."""


def weight_report(graph: Graph, reference: Graph | None) -> dict[str, Any]:
    """Scale, zero point and round-trip error per quantized weight, and the worst of all.

    ``reference`` is the float conversion of the very same model; None for a finished file, whose float weights
    nobody has. Errors in ``max_error_scales`` are in units of the scale: at most 0.5 where rounding is all.
    """
    return report(_paired(graph, reference))


def report(pairs: list[Pair]) -> dict[str, Any]:
    """The same of weights that somebody else has paired, whatever the format."""
    pairs = [pair for pair in pairs if pair[0].tensor.dtype not in _STORED_AS_FLOAT]
    tensors = [_entry(weight, original, reason) for weight, original, reason in pairs]
    errors = [e["max_error_scales"] for e in tensors if e["role"] == "kernel" and e["max_error_scales"] is not None]
    levels = [e["sqnr_db"] for e in tensors if e["role"] == "kernel" and e["sqnr_db"] is not None]
    return {
        "tensors": tensors,
        "max_error_scales": max(errors, default=None),
        "min_sqnr_db": min(levels, default=None),
        "reason": None if tensors else "all weights are stored in float32",
    }


def sqnr_db(signal: Array, noisy: Array) -> float | None:
    """Signal to quantization noise ratio in decibel; None where there is no noise, or no signal, at all."""
    noise = float(np.square(noisy.astype(np.float64) - signal).sum())
    power = float(np.square(signal.astype(np.float64)).sum())
    return 10 * float(np.log10(power / noise)) if noise > 0 and power > 0 else None


def _paired(graph: Graph, reference: Graph | None) -> list[Pair]:
    """Each weight with its float original, or the reason why there is none. Both graphs run in the same order."""
    ours = list(weights(graph))
    if reference is None:
        return [(weight, None, "no float source") for weight in ours]
    theirs = list(weights(reference))
    if [_place(w) for w in ours] != [_place(w) for w in theirs]:
        return [(weight, None, "the converter built another graph than for float") for weight in ours]
    return [(weight, original.tensor, None) for weight, original in zip(ours, theirs, strict=True)]


def _place(weight: Weight) -> tuple[str, str, tuple[int, ...]]:
    return weight.op.name, weight.role, weight.tensor.shape


def _entry(weight: Weight, original: Tensor | None, reason: str | None) -> dict[str, Any]:
    tensor = weight.tensor
    entry = {
        "name": tensor.name,
        "op": weight.op.name,
        "role": weight.role,
        "shape": list(tensor.shape),
        "dtype": tensor.dtype,
        "scale": _range(tensor.scales),
        "zero_point": _range(tensor.zero_points),
        "max_abs_error": None,
        "max_error_scales": None,
        "sqnr_db": None,
        "reason": reason,
    }
    if original is None:
        return entry
    if tensor.data is None or original.data is None:
        return entry | {"reason": f"{tensor.dtype} cannot be read here"}
    return entry | _error(tensor, tensor.data, original.data.astype(np.float64))


def _error(tensor: Tensor, data: Array, original: Array) -> dict[str, Any]:
    scale = _per_channel(tensor.scales, tensor)
    zero_point = _per_channel(tensor.zero_points, tensor)
    restored = (data.astype(np.float64) - (0 if zero_point is None else zero_point)) * (1 if scale is None else scale)
    error = np.abs(restored - original)
    in_scales = None if scale is None else float((error / scale).max())
    return {
        "max_abs_error": float(error.max()),
        "max_error_scales": in_scales,
        "sqnr_db": sqnr_db(original, restored),
        "reason": None if scale is not None else f"{tensor.dtype} has no scale",
    }


def _per_channel(values: Array, tensor: Tensor) -> Array | None:
    if values.size == 0:
        return None
    return values if values.size == 1 else along_axis(values, tensor)


def _range(values: Array) -> dict[str, Any] | None:
    if values.size == 0:
        return None
    return {"count": int(values.size), "min": values.min().item(), "max": values.max().item()}
