"""The four networks of MLPerf Tiny, layer by layer as https://github.com/mlcommons/tiny trains them (commit 1afd2c9).

Regularizers and dropout are left out, because they are for training alone. TensorFlow: worker only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from orchestrator.builder.recipe import Recipe

layers = keras.layers

_KEYWORD_SHAPE, _KEYWORDS = (49, 10, 1), 12
_MEL_BANDS = 640  # five frames of 128


def build(recipe: Recipe) -> Any:
    """A ``keras.Model`` with random weights. Raises ValueError for an input that is too small."""
    return _NETWORKS[str(recipe.application)](recipe.input_size or 0, recipe.width)


def _ds_cnn(size: int, width: float | None) -> Any:
    """Keyword spotting: ``benchmark/training/keyword_spotting/keras_model.py``, ``ds_cnn``; 49 frames of 10 MFCCs."""
    filters = _scaled(64, width or 1.0)
    given = keras.Input(_KEYWORD_SHAPE)
    x = _normal(layers.Conv2D(filters, (10, 4), strides=2, padding="same")(given))
    for _ in range(4):
        x = _separable(x, filters)
    x = layers.AveragePooling2D((_KEYWORD_SHAPE[0] // 2, _KEYWORD_SHAPE[1] // 2))(x)
    return keras.Model(given, layers.Dense(_KEYWORDS, activation="softmax")(layers.Flatten()(x)))


def _resnet8(size: int, width: float | None) -> Any:
    """CIFAR-10: ``benchmark/training/image_classification/keras_model.py``, ``resnet_v1_eembc`` with 16 filters, as in
    ``trained_models/pretrainedResnet``."""
    filters = _scaled(16, width or 1.0)
    given = keras.Input((size, size, 3))
    x = _normal(_conv(filters, 3)(given))
    for stack in range(3):
        x = _residual(x, filters * 2**stack, 1 if stack == 0 else 2)
    x = layers.Flatten()(layers.AveragePooling2D(min(x.shape[1:3]))(x))
    return keras.Model(given, layers.Dense(10, activation="softmax", kernel_initializer="he_normal")(x))


def _residual(x: Any, filters: int, stride: int) -> Any:
    y = _normal(_conv(filters, 3, stride)(x))
    y = layers.BatchNormalization()(_conv(filters, 3)(y))
    if stride > 1:
        x = _conv(filters, 1, stride)(x)
    return layers.Activation("relu")(layers.add([x, y]))


def _mobilenet(size: int, width: float | None) -> Any:
    """Visual wake words: ``benchmark/training/visual_wake_words/vww_model.py``; the multiplier of MobileNetV1 is 0.25
    there."""
    alpha = width or 0.25
    given = keras.Input((size, size, 3))
    x = _normal(_conv(_scaled(32, alpha), 3, 2)(given))
    for filters, stride in _MOBILENET:
        x = _separable(x, _scaled(filters, alpha), stride, kernel_initializer="he_normal")
    x = layers.Flatten()(layers.AveragePooling2D(x.shape[1:3])(x))
    return keras.Model(given, layers.Dense(2, activation="softmax")(x))


_MOBILENET = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1))


def _autoencoder(size: int, width: float | None) -> Any:
    """Anomaly detection: ``benchmark/training/anomaly_detection/keras_model.py``; five frames of 128 mel bands."""
    given = x = keras.Input((_MEL_BANDS,))
    for units in (128, 128, 128, 128, 8, 128, 128, 128, 128):
        x = _normal(layers.Dense(units)(x))
    return keras.Model(given, layers.Dense(_MEL_BANDS)(x))


def _separable(x: Any, filters: int, stride: int = 1, **rest: Any) -> Any:
    depthwise = {name.replace("kernel", "depthwise"): value for name, value in rest.items()}
    x = _normal(layers.DepthwiseConv2D(3, strides=stride, padding="same", **depthwise)(x))
    return _normal(layers.Conv2D(filters, 1, padding="same", **rest)(x))


def _conv(filters: int, size: int, stride: int = 1) -> Any:
    return layers.Conv2D(filters, size, strides=stride, padding="same", kernel_initializer="he_normal")


def _normal(x: Any) -> Any:
    return layers.Activation("relu")(layers.BatchNormalization()(x))


def _scaled(filters: int, width: float) -> int:
    return max(1, round(filters * width))


_NETWORKS: dict[str, Callable[[int, float | None], Any]] = {
    "ds_cnn": _ds_cnn,
    "resnet8": _resnet8,
    "mobilenetv1_025_96": _mobilenet,
    "autoencoder": _autoencoder,
}
