"""Random weights with realistic activations.

Untouched, a random MobileNetV2 answers 1/1000 for every class (its signal fades from layer to layer, because the
statistics of BatchNorm are those of no data), and quantization has nothing to hold on to.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from orchestrator.builder.images import Array

_SAMPLES, _SAMPLES_OF_VECTORS = 16, 512
LOGIT_STD = 2.0
"""Spread of a classifier's logits over its classes, about that of trained ImageNet models."""


def samples_for(model: Any) -> int:
    """Inputs that statistics are taken from: each pixel of an image counts, of a vector there is only one."""
    return _SAMPLES_OF_VECTORS if all(len(given.shape) == 2 for given in model.inputs) else _SAMPLES


def spread_of(task: str, inputs: list[Array]) -> float:
    """What a trained network of such a task would answer to ``inputs``: logits, or something like the inputs."""
    return float(np.std(inputs[0])) if task == "reconstruction" else LOGIT_STD


def make_realistic(model: Any, inputs: list[Array], spread: float) -> None:
    """Set the BatchNorm statistics from ``inputs``, and the gain of the last layer that has a kernel so that what it
    answers has a standard deviation of ``spread``: of logits over classes, of a reconstruction over its values.

    A network without BatchNorm needs no more: ReLUs pass the gain of any layer on to the last.
    """
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    last = next((layer for layer in reversed(model.layers) if hasattr(layer, "kernel")), None)
    body = keras.Model(model.inputs, model.outputs if last is None else last.input)
    features = _answers(body, inputs, norms)
    if last is not None:
        _fit_last(last, features, spread)


def _answers(body: Any, inputs: list[Array], norms: list[Any]) -> Any:
    """One pass in training mode without memory (momentum 0) sets each layer to the statistics that it sees.

    Returns the features that come out, which are those of inference, too, because the statistics are the same.
    """
    with _set(norms, "momentum", 0.0), _set(_drops(body), "rate", 0.0):  # dropout would disturb the statistics
        batch = [tf.constant(values) for values in inputs]
        # As a graph: eager execution keeps every activation until the end, a multiple of the memory.
        return tf.function(lambda *given: body(given[0] if len(given) == 1 else list(given), training=True))(*batch)


def _drops(body: Any) -> list[Any]:
    return [layer for layer in body.layers if isinstance(layer, keras.layers.Dropout)]


@contextmanager
def _set(layers: list[Any], name: str, value: float) -> Iterator[None]:
    kept = [getattr(layer, name) for layer in layers]
    for layer in layers:
        setattr(layer, name, value)
    try:
        yield
    finally:
        for layer, was in zip(layers, kept, strict=True):
            setattr(layer, name, was)


def _fit_last(last: Any, features: Any, spread: float) -> None:
    """Scale the kernel; with a spread of next to nothing a softmax is near uniform."""
    activation, last.activation = last.activation, keras.activations.linear
    values = keras.ops.convert_to_numpy(last(features))
    last.activation = activation
    found = float(values.reshape(len(values), -1).std(axis=1).mean())
    if found > 0:
        last.kernel.assign(last.kernel * (spread / found))
