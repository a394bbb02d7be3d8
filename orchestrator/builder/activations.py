"""Random weights with realistic activations.

Untouched, a random MobileNetV2 answers 1/1000 for every class (its signal fades from layer to layer, because the
statistics of BatchNorm are those of no data), and quantization has nothing to hold on to.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from orchestrator.builder.images import Array

_IMAGES = 16
_LOGIT_STD = 2.0
"""Spread of a classifier's logits over its classes, about that of trained ImageNet models."""


def make_realistic(model: Any, inputs: Callable[[int, int], Array], seed: int) -> None:
    """Set the BatchNorm statistics from seeded inputs and the last layer's gain from the resulting features."""
    last = next(layer for layer in reversed(model.layers) if hasattr(layer, "kernel"))
    _fit_classifier(last, _fit_batch_norms(keras.Model(model.inputs, last.input), inputs(_IMAGES, seed)))


def _fit_batch_norms(body: Any, images: Array) -> Array:
    """One pass in training mode without memory (momentum 0) sets each layer to the statistics that it sees.

    Returns the features that come out, which are those of inference, too, because the statistics are the same.
    """
    norms = [layer for layer in body.layers if isinstance(layer, keras.layers.BatchNormalization)]
    drops = [layer for layer in body.layers if isinstance(layer, keras.layers.Dropout)]
    momenta, rates = [layer.momentum for layer in norms], [layer.rate for layer in drops]
    for layer in norms:
        layer.momentum = 0.0
    for layer in drops:
        layer.rate = 0.0  # it would disturb the statistics
    # As a graph: eager execution keeps every activation until the end, a multiple of the memory.
    features: Array = tf.function(lambda batch: body(batch, training=True))(tf.constant(images)).numpy()
    for layer, momentum in zip(norms, momenta, strict=True):
        layer.momentum = momentum
    for layer, rate in zip(drops, rates, strict=True):
        layer.rate = rate
    return features


def _fit_classifier(last: Any, features: Array) -> None:
    """Scale the last kernel so that the logits spread as in a trained model; else softmax is near uniform."""
    kernel = last.kernel.numpy()
    logits = features.reshape(len(features), -1) @ kernel.reshape(-1, kernel.shape[-1])
    spread = float(logits.std(axis=1).mean())
    if spread > 0:
        last.kernel.assign(kernel * (_LOGIT_STD / spread))
