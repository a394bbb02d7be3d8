"""Small networks trained for real, in seconds, on the handwritten digits that scikit-learn ships. Worker only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import keras
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from orchestrator.builder.images import Array
from orchestrator.builder.kinds import DIGITS_SIZE
from orchestrator.builder.samples import Samples

ANOMALY = 2
"""The digit that the autoencoder never sees, and should be surprised by."""
SCALE = 1 / 16
"""Of a pixel, which is 0 to 16, to what the networks take."""

_EPOCHS = {"classification": 15, "reconstruction": 30}
_CLASSES = 10


@dataclass(frozen=True, slots=True)
class TrainedDigits:
    """The model, what it learnt from and what it has not seen."""

    model: Any
    seen: Samples
    unseen: Samples  # labels: the digit, or 1 for an anomaly
    loss: str
    report: dict[str, Any]

    def inputs(self, samples: int, seed: int) -> list[Array]:
        """Images that it learnt from, drawn by the seed."""
        rng = np.random.default_rng(seed)
        return self.seen.only(rng.choice(len(self.seen), samples, replace=samples > len(self.seen))).inputs


@lru_cache(maxsize=2)  # other than a model of ImageNet's size, two fit easily
def train_digits(seed: int, task: str) -> TrainedDigits:
    """Train on four fifths of the 1797 images, test on the rest; the same seed gives the same weights."""
    digits = load_digits()
    pixels = digits.images[..., np.newaxis].astype(np.uint8)
    parts = train_test_split(pixels, digits.target, test_size=0.2, random_state=seed, stratify=digits.target)
    seen, unseen, seen_labels, unseen_labels = parts
    return _TRAINED[task](_samples(seen, seen_labels), _samples(unseen, unseen_labels), seed)


def _classifier(seen: Samples, unseen: Samples, seed: int) -> TrainedDigits:
    model, loss = _network(), "sparse_categorical_crossentropy"
    model.compile(keras.optimizers.Adam(2e-3), loss=loss)
    epochs = _EPOCHS["classification"]
    model.fit(seen.inputs[0], seen.labels, batch_size=32, epochs=epochs, verbose=0)
    right = model.predict(unseen.inputs[0], verbose=0).argmax(axis=1) == unseen.labels
    return TrainedDigits(model, seen, unseen, loss, _report(seen, unseen, epochs, test_accuracy=float(right.mean())))


def _autoencoder(seen: Samples, unseen: Samples, seed: int) -> TrainedDigits:
    """Learns nine of the ten digits; of the tenth, all images are anomalies that it has not seen."""
    strange = seen.only(seen.labels == ANOMALY)
    seen = seen.only(seen.labels != ANOMALY)
    whole = Samples(
        (np.concatenate([unseen.stored[0], strange.stored[0]]),), unseen.affine,
        np.concatenate([unseen.labels, strange.labels]) == ANOMALY,
    )  # fmt: skip
    shuffled = whole.only(np.random.default_rng(seed).permutation(len(whole)))
    unseen = Samples(shuffled.stored, shuffled.affine, np.asarray(shuffled.labels, np.int64))
    model, loss = _bottleneck(), "mean_squared_error"
    model.compile(keras.optimizers.Adam(4e-3), loss=loss, steps_per_execution=16)  # a step is too short for Python
    epochs, inputs = _EPOCHS["reconstruction"], seen.inputs[0]
    model.fit(inputs, inputs, batch_size=32, epochs=epochs, verbose=0)
    return TrainedDigits(model, seen, unseen, loss, _report(seen, unseen, epochs, anomaly=f"the digit {ANOMALY}"))


_TRAINED: dict[str, Callable[[Samples, Samples, int], TrainedDigits]] = {
    "classification": _classifier,
    "reconstruction": _autoencoder,
}


def _samples(pixels: Array, labels: Array) -> Samples:
    return Samples((pixels,), (np.array([SCALE], np.float32), np.zeros(1, np.float32)), labels)


def _report(seen: Samples, unseen: Samples, epochs: int, **rest: Any) -> dict[str, Any]:
    return {
        "data": "scikit-learn digits",
        "train_images": len(seen),
        "test_images": len(unseen),
        "epochs": epochs,
    } | rest


def _network() -> Any:
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((DIGITS_SIZE, DIGITS_SIZE, 1)),
            layers.Conv2D(16, 3, padding="same", activation="relu"),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, padding="same", activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(64, activation="relu"),
            layers.Dense(_CLASSES, activation="softmax"),
        ]
    )


def _bottleneck() -> Any:
    """In the manner of MLPerf Tiny's autoencoder: dense, narrow in the middle."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((DIGITS_SIZE, DIGITS_SIZE, 1)),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dense(8, activation="relu"),
            layers.Dense(64, activation="relu"),
            layers.Dense(DIGITS_SIZE * DIGITS_SIZE),
            layers.Reshape((DIGITS_SIZE, DIGITS_SIZE, 1)),
        ]
    )
