"""Training on after something was taken away. Keras: worker only."""

from __future__ import annotations

from typing import Any, Protocol

import keras
import numpy as np

from orchestrator.builder.source import Source

EPOCHS = 10
"""The schedule's own, where there is labelled training data."""
CLASSES = "sparse_categorical_crossentropy"
_BATCH = 32
_ROUNDING = 1e-3
_LEARNING_RATE = 5e-4
"""A quarter of what `digits` is trained with from scratch: what is left has to move, not to learn anew."""


class Kept(Protocol):
    """What has to stay as it is while a model is trained on."""

    def begin_epoch(self, epoch: int, epochs: int) -> None: ...

    def after_step(self) -> None: ...


class Nothing:
    """All weights are free."""

    def begin_epoch(self, epoch: int, epochs: int) -> None:
        """Nothing to do."""

    def after_step(self) -> None:
        """Nothing to do."""


class _Keeping(keras.callbacks.Callback):  # type: ignore[misc]
    def __init__(self, kept: Kept, epochs: int) -> None:
        super().__init__()
        self._kept, self._epochs = kept, epochs

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._kept.begin_epoch(epoch, self._epochs)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._kept.after_step()


def fine_tune(model: Any, source: Source, epochs: int, seed: int, kept: Kept) -> None:
    """Train on ``source.train`` for so many epochs; the same seed gives the same weights."""
    if source.train is None:
        return
    inputs, targets = source.train
    keras.utils.set_random_seed(seed)
    given = inputs[0] if len(inputs) == 1 else inputs
    model.compile(keras.optimizers.Adam(_LEARNING_RATE), loss=_loss(model, source))
    model.fit(given, targets, batch_size=_BATCH, epochs=epochs, verbose=0, callbacks=[_Keeping(kept, epochs)])


def _loss(model: Any, source: Source) -> Any:
    """The source's; of a classifier that ends in logits, of those: as probabilities they teach it nonsense.

    Which of the two they are is seen in its answers, since a last layer can be of any kind.
    """
    if source.loss != CLASSES or source.train is None:
        return source.loss
    some = [values[:_BATCH] for values in source.train[0]]
    answers = np.asarray(model.predict(some[0] if len(some) == 1 else some, verbose=0))
    logits = bool(answers.min() < 0 or answers.max() > 1 + _ROUNDING)
    return keras.losses.SparseCategoricalCrossentropy(from_logits=logits)


def held_out_accuracy(model: Any, source: Source) -> float | None:
    """Of a classifier on the labelled inputs that training has not seen; None where there are none."""
    if source.held_out is None or source.loss != CLASSES:
        return None
    inputs, labels = source.held_out
    answers = model.predict(inputs[0] if len(inputs) == 1 else inputs, verbose=0)
    return float((np.asarray(answers).argmax(axis=-1) == labels).mean())
