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
    images = inputs(_IMAGES, seed)
    _fit_batch_norms(model, images)
    _fit_classifier(model, images)


def _fit_batch_norms(model: Any, images: Array) -> None:
    """One pass in training mode without memory (momentum 0) sets each layer to the statistics that it sees."""
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    drops = [layer for layer in model.layers if isinstance(layer, keras.layers.Dropout)]
    momenta, rates = [layer.momentum for layer in norms], [layer.rate for layer in drops]
    for layer in norms:
        layer.momentum = 0.0
    for layer in drops:
        layer.rate = 0.0  # it would disturb the statistics

    # As a graph: eager execution keeps every activation until the end, a multiple of the memory.
    tf.function(lambda batch: model(batch, training=True))(tf.constant(images))
    for layer, momentum in zip(norms, momenta, strict=True):
        layer.momentum = momentum
    for layer, rate in zip(drops, rates, strict=True):
        layer.rate = rate


def _fit_classifier(model: Any, images: Array) -> None:
    """Scale the last kernel so that the logits spread as in a trained model; else softmax is near uniform."""
    last = next((layer for layer in reversed(model.layers) if hasattr(layer, "kernel")), None)
    if last is None:
        return
    features = keras.Model(model.inputs, last.input).predict(images, verbose=0)
    kernel = last.kernel.numpy()
    logits = features.reshape(len(images), -1) @ kernel.reshape(-1, kernel.shape[-1])
    spread = float(logits.std(axis=1).mean())
    if spread > 0:
        last.kernel.assign(kernel * (_LOGIT_STD / spread))
