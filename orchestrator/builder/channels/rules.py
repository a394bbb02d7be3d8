"""What each kind of layer does to the channels that pass it. What is not listed here pins them: it stays correct.

A rule takes the layer, its call, and the atoms along the last axis of each input, and returns those along the last
axis of the output, or None where it does not understand this layer after all. Only exact types count: what a subclass
overrides is not known.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from orchestrator.builder.channels.call import Call
from orchestrator.builder.images import Array

layers = keras.layers
Rule = Callable[[Any, Call], Array | None]

_ELEMENTWISE = {
    *("linear", "relu", "relu6", "leaky_relu", "elu", "selu", "celu", "gelu", "sigmoid", "hard_sigmoid", "tanh"),
    *("silu", "swish", "hard_silu", "hard_swish", "softplus", "softsign", "exponential", "mish", "hard_tanh"),
}
"""Activations of which each value depends on one value only; softmax is none: a removed channel changes the others."""


def is_elementwise(activation: Any) -> bool:
    module = getattr(activation, "__module__", "") or ""
    return module.startswith("keras.") and getattr(activation, "__name__", "") in _ELEMENTWISE


def keep(layer: Any, call: Call) -> Array | None:
    """Each channel by itself: pooling, padding, dropout."""
    return call.only if getattr(layer, "data_format", "channels_last") in ("channels_last", None) else None


def activation(layer: Any, call: Call) -> Array | None:
    return call.only if is_elementwise(layer.activation) else None


def rescaling(layer: Any, call: Call) -> Array | None:
    return call.only if np.ndim(layer.scale) == np.ndim(layer.offset) == 0 else None


def permute(layer: Any, call: Call) -> Array | None:
    return call.only if layer.dims[-1] == len(layer.dims) else None


def prelu(layer: Any, call: Call) -> Array | None:
    if layer.alpha.shape[-1] != len(call.only):
        return None
    call.cut.lay(layer.alpha, {-1: call.only})
    return call.only


def batch_norm(layer: Any, call: Call) -> Array | None:
    if layer.axis not in (-1, call.rank - 1):
        return None
    for weight in layer.weights:
        call.cut.lay(weight, {0: call.only})
    return call.only


def merge(layer: Any, call: Call) -> Array | None:
    """Position by position: what meets can only go together."""
    return call.united()


def concatenate(layer: Any, call: Call) -> Array | None:
    if layer.axis in (-1, call.rank - 1):
        return np.concatenate(call.ins)
    return call.united()


def flatten(layer: Any, call: Call) -> Array | None:
    return call.flat if layer.data_format == "channels_last" else None


def reshape(layer: Any, call: Call) -> Array | None:
    """Where each row of the result holds the same channels in the same order."""
    flat, last = call.flat, call.out_shape[-1]
    if flat is None or last is None or len(flat) % last:
        return None
    rows = flat.reshape(-1, last)
    first: Array = rows[0]
    if not (rows == first).all():
        return None
    call.cut.shape = (tuple(layer.target_shape), first)
    return first


def dense(layer: Any, call: Call) -> Array | None:
    return _made(layer, call, {0: call.only}, 1, "units")


def convolution(layer: Any, call: Call) -> Array | None:
    return _convolved(layer, call, -2, -1) if layer.groups == 1 else None


def transposed(layer: Any, call: Call) -> Array | None:
    return _convolved(layer, call, -1, -2)


def _convolved(layer: Any, call: Call, into: int, out: int) -> Array | None:
    if layer.data_format != "channels_last":
        return None
    return _made(layer, call, {into: call.only}, out, "filters")


def _made(layer: Any, call: Call, taken: dict[int, Array], axis: int, size: str) -> Array | None:
    """A layer that consumes channels and makes new ones."""
    kernel = layer.kernel
    if not any(kernel is weight for weight in layer.weights):  # with LoRA it is computed
        return None
    own = call.own(kernel.shape[axis], is_elementwise(layer.activation))
    call.cut.lay(kernel, {**taken, axis: own})
    call.cut.lay(layer.bias, {0: own})
    call.cut.makers = [(kernel, axis, own)]
    call.cut.sizes = {size: own}
    return own


def depthwise(layer: Any, call: Call) -> Array | None:
    """Each input channel makes ``depth_multiplier`` of its own, which go with it."""
    if layer.data_format != "channels_last":
        return None
    out = np.repeat(call.only, layer.depth_multiplier)
    if not is_elementwise(layer.activation):
        call.atoms.pin(out)
    call.cut.lay(layer.kernel, {-2: call.only})
    call.cut.lay(layer.bias, {0: out})
    call.cut.makers = [(layer.kernel, -2, call.only)]
    return out


def separable(layer: Any, call: Call) -> Array | None:
    if layer.data_format != "channels_last":
        return None
    own = call.own(layer.pointwise_kernel.shape[-1], is_elementwise(layer.activation))
    between = np.repeat(call.only, layer.depth_multiplier)
    call.cut.lay(layer.depthwise_kernel, {-2: call.only})
    call.cut.lay(layer.pointwise_kernel, {-2: between, -1: own})
    call.cut.lay(layer.bias, {0: own})
    call.cut.makers = [(layer.depthwise_kernel, -2, call.only), (layer.pointwise_kernel, -1, own)]
    call.cut.sizes = {"filters": own}
    return own


def operation(op: Any, call: Call) -> Array | None:
    """A bare ``keras.ops`` call, as ``x * 2`` makes one."""
    return call.united() if call.constants_are_scalars else None


_KEEPING = (
    *(layers.Dropout, layers.SpatialDropout1D, layers.SpatialDropout2D, layers.SpatialDropout3D, layers.Identity),
    *(layers.GaussianNoise, layers.GaussianDropout, layers.AlphaDropout, layers.ActivityRegularization),
    *(layers.MaxPooling1D, layers.MaxPooling2D, layers.MaxPooling3D),
    *(layers.AveragePooling1D, layers.AveragePooling2D, layers.AveragePooling3D),
    *(layers.GlobalMaxPooling1D, layers.GlobalMaxPooling2D, layers.GlobalMaxPooling3D),
    *(layers.GlobalAveragePooling1D, layers.GlobalAveragePooling2D, layers.GlobalAveragePooling3D),
    *(layers.ZeroPadding1D, layers.ZeroPadding2D, layers.ZeroPadding3D),
    *(layers.Cropping1D, layers.Cropping2D, layers.Cropping3D),
    *(layers.UpSampling1D, layers.UpSampling2D, layers.UpSampling3D, layers.Resizing),
    *(layers.ReLU, layers.LeakyReLU, layers.ELU),
)
_MERGING = (layers.Add, layers.Subtract, layers.Multiply, layers.Average, layers.Maximum, layers.Minimum)

RULES: dict[type, Rule] = {
    **dict.fromkeys(_KEEPING, keep),
    **dict.fromkeys(_MERGING, merge),
    layers.Activation: activation,
    layers.Rescaling: rescaling,
    layers.Permute: permute,
    layers.PReLU: prelu,
    layers.BatchNormalization: batch_norm,
    layers.Concatenate: concatenate,
    layers.Flatten: flatten,
    layers.Reshape: reshape,
    layers.Dense: dense,
    **dict.fromkeys((layers.Conv1D, layers.Conv2D, layers.Conv3D), convolution),
    **dict.fromkeys((layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose), transposed),
    **dict.fromkeys((layers.DepthwiseConv1D, layers.DepthwiseConv2D), depthwise),
    **dict.fromkeys((layers.SeparableConv1D, layers.SeparableConv2D), separable),
}

_OPERATIONS = {
    *("Add", "Subtract", "Multiply", "Divide", "TrueDivide", "Maximum", "Minimum", "Negative", "Abs", "Square"),
    *("Sqrt", "Exp", "Clip", "Relu", "Relu6", "Sigmoid", "Silu", "HardSigmoid", "HardSilu", "Tanh", "Softplus", "Elu"),
    *("Gelu", "LeakyRelu"),
}


def rule_of(op: Any) -> Rule | None:
    """The rule of a layer or an operation; None: not understood."""
    kind = type(op)
    if kind in RULES:
        return RULES[kind]
    is_operation = kind.__module__.startswith("keras.src.ops.") and kind.__name__ in _OPERATIONS
    return operation if is_operation else None
