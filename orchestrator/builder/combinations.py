"""Steps and formats that do not go together, whatever the model; no TensorFlow here."""

from __future__ import annotations

from itertools import pairwise

from orchestrator.errors import UnsupportedOptimization
from orchestrator.optimization import Optimization

_ORDER = ("prune_channels", "prune", "cluster")
_NO_SPARSE = {
    "dynamic_range": "LiteRT cannot load sparse 8-bit kernels",
    "weight_only": "its weights are quantized in the finished file, which has no sparse encoding then",
}


def check_combination(optimization: Optimization, form: str) -> None:
    """``form``: what the artifact is, of FORMATS in the contract. Raises UnsupportedOptimization with the reason."""
    name, steps = optimization.name, optimization.steps
    lean = [step for step in steps if step in _ORDER]
    for first, then in pairwise(lean):
        if _ORDER.index(first) > _ORDER.index(then):
            raise UnsupportedOptimization(
                f"optimization {name!r} cannot do {then} after {first}: it would take back a part of that (the order "
                f"is {', '.join(_ORDER)})"
            )
    if "prune" not in steps or not optimization.sparse_encoding:
        return
    if form != "tflite":
        raise UnsupportedOptimization(
            f"optimization {name!r} cannot have sparse_encoding in a .{form}: only TFLite files have that encoding"
        )
    for step in steps:
        if step in _NO_SPARSE:
            raise UnsupportedOptimization(
                f"optimization {name!r} cannot have sparse_encoding with {step}: {_NO_SPARSE[step]}"
            )
