"""Models of a user's own, as a lab would keep them: a module for model.factory.

It is copied into a lab's folder, so nothing of the project is imported here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

layers = keras.layers
NOT_A_FUNCTION = 3


def tiny(width: int = 8, side: int | None = 16, batch: int | None = None, activation: str = "relu") -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((side, side, 3), batch_size=batch),
            layers.Conv2D(width, 3, activation=activation),
            layers.DepthwiseConv2D(3),
            layers.GlobalAveragePooling2D(),
            layers.Dense(10, activation="softmax"),
        ]
    )


def logits(data: str) -> keras.Model:
    """A classifier of digits without a softmax, trained for a moment."""
    keras.utils.set_random_seed(0)
    stored = np.load(data)
    body = [layers.Conv2D(16, 3, activation="relu"), layers.Flatten(), layers.Dense(10)]
    model = keras.Sequential([keras.Input((8, 8, 1)), *body])
    model.compile(keras.optimizers.Adam(2e-3), loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(stored["x"] / 255.0, stored["y"], batch_size=32, epochs=3, verbose=0)
    return model


def tangent() -> keras.Model:
    """Of an operator that TFLite does not have."""
    x = keras.Input((4,))
    return keras.Model(x, keras.ops.tan(layers.Dense(3)(x)))


def two_inputs() -> keras.Model:
    """Named against the alphabet, of different shapes and types, with an output that is no row of scores."""
    signal, choice = keras.Input((12, 4), name="z_signal"), keras.Input((2,), dtype="int32", name="a_choice")
    chosen = layers.Embedding(5, 4)(choice)
    mixed = layers.Concatenate(axis=1)([layers.Conv1D(4, 3, padding="same")(signal), chosen])
    return keras.Model([signal, choice], layers.Conv1D(2, 1)(mixed))


def normalized() -> keras.Model:
    """A convolution whose normalization gives each channel a scale of its own."""
    body = [layers.Conv2D(8, 3, use_bias=False), layers.BatchNormalization(), layers.ReLU()]
    model = keras.Sequential([keras.Input((8, 8, 3)), *body, layers.GlobalAveragePooling2D(), layers.Dense(2)])
    model.layers[1].gamma.assign(np.linspace(0.5, 2, 8))
    return model


def branching() -> keras.Model:
    """Normalizations, a depthwise convolution, an addition, both kinds of pooling, padding that is not the same on both
    sides."""
    x = keras.Input((17, 17, 3))
    y = layers.BatchNormalization()(layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(x))
    y = layers.ReLU(6.0)(y)
    z = layers.ReLU()(layers.BatchNormalization()(layers.DepthwiseConv2D(3, padding="same", use_bias=False)(y)))
    z = layers.Add()([y, layers.Conv2D(8, 1)(z)])
    z = layers.AveragePooling2D(2, padding="same")(layers.MaxPooling2D(2)(z))
    z = layers.Conv2DTranspose(6, 3, strides=2, padding="same")(z)
    return keras.Model(x, layers.Dense(5, activation="softmax")(layers.Flatten()(z)))


class Odd(keras.layers.Layer):
    def call(self, batch: Any) -> Any:
        return tf.math.betainc(tf.nn.sigmoid(batch), 0.5, 0.5)


def odd_operator() -> keras.Model:
    """It has one that ONNX lacks."""
    return keras.Sequential([keras.Input((4,)), layers.Dense(3), Odd()])


def separable() -> keras.Model:
    """As Xception is made."""
    return keras.Sequential([keras.Input((8, 8, 4)), layers.SeparableConv2D(8, 3), layers.GlobalAveragePooling2D()])


def no_kernel() -> keras.Model:
    return keras.Sequential([keras.Input((4,)), layers.ReLU()])


def nothing() -> None:
    return None


def broken() -> keras.Model:
    raise RuntimeError("no more layers")


class Subclassed(keras.Model):
    def call(self, batch: Any) -> Any:
        return batch


def without_inputs() -> keras.Model:
    return Subclassed()


def files(folder: str) -> keras.Model:
    """Files that a user could bring, made by TensorFlow and Keras themselves, in the worker that runs already."""
    to = Path(folder)
    model = tiny()
    model.save(to / "own.keras")
    model.save(to / "own.h5")
    model.save_weights(to / "own.weights.h5")
    model.export(to / "exported", verbose=False)
    tf.saved_model.save(tf.Module(), str(to / "unsigned"))
    odd = keras.Sequential([keras.Input((4,)), layers.Lambda(lambda x: x * 2)])
    odd.save(to / "lambda.keras")
    odd.save(to / "lambda.h5")
    keras.applications.MobileNetV3Small(weights=None, input_shape=(32, 32, 3)).save_weights(to / "v3.weights.h5")
    x = keras.Input((6, 6, 2), batch_size=1)
    y = layers.Conv2DTranspose(4, 3, strides=2, padding="same")(x)
    y = layers.Reshape((36, 16))(y)
    y = layers.Dense(8)(keras.ops.matmul(y, keras.ops.transpose(y, (0, 2, 1))))
    converter = tf.lite.TFLiteConverter.from_keras_model(keras.Model(x, y))
    (to / "own.tflite").write_bytes(converter.convert())
    np.save(to / "answers.npy", model.predict(np.ones((1, 16, 16, 3), np.float32), verbose=0))
    return model
