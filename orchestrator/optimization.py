"""Optimizations: transformations of a model, and how far each of them goes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from orchestrator.limits import NAME, Between, OneOf

QUANTIZATIONS = ("float16", "dynamic_range", "weight_only", "int8", "int16x8")
"""Steps that end a chain: what is quantized has no float weights any more."""
CALIBRATED = ("int8", "int16x8")
"""Quantizations that fix the ranges of activations beforehand, from samples."""
SCALED = ("dynamic_range", "weight_only", *CALIBRATED)
"""Quantizations to whole numbers, with a scale for each kernel or channel."""
PRUNINGS = ("prune", "prune_channels")
FINE_TUNED = (*PRUNINGS, "cluster")
"""Steps after which training on labelled data wins back quality."""
STEPS = (*FINE_TUNED, *QUANTIZATIONS)


@dataclass(slots=True)
class Optimization:
    """A transformation of the model: ``steps`` of STEPS in the order in which they are applied; none: as it comes.

    A parameter of a step that is not among them changes nothing.
    """

    name: Annotated[str, NAME]
    steps: list[str] = field(default_factory=list)
    # prune
    sparsity: Annotated[float, Between(0.01, 0.99)] = 0.5  # share of each kernel that is set to 0
    sparse_encoding: bool = False  # zeros are left out of the file, in TFLite's sparse format
    # prune_channels
    channels: Annotated[float, Between(0.01, 0.95)] = 0.5  # share of the channels that is removed from the graph
    channel_multiple: Annotated[int, Between(1, 64)] = 8  # what is left is a multiple of it: kernels work in vectors
    # cluster
    clusters: Annotated[int, Between(2, 256)] = 16  # different values that a kernel has afterwards
    # after any of those; None: the schedule's own where the model has labelled training data, else 0
    fine_tune_epochs: Annotated[int | None, Between(0, 1000)] = None
    # int8, int16x8
    calibration_samples: Annotated[int, Between(1, 100_000)] = 100
    io: Annotated[str, OneOf(("integer", "float"))] = "integer"  # types of the inputs and outputs
    # int8, int16x8, weight_only, dynamic_range
    granularity: Annotated[str, OneOf(("per_channel", "per_tensor"))] = "per_channel"  # scales of a kernel
    keep_float: list[str] = field(default_factory=list)  # patterns of layers' names that stay float: mixed precision
    description: str = ""
