"""From pixels (bytes, red first) to what a model takes: a scale and an offset per channel. No TensorFlow here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.errors import BuildError

Array = NDArray[Any]

_RGB = 3
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, red first
_MEAN_BGR = (103.939, 116.779, 123.68)


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """``value = byte * scale + offset``, one of each, or one per channel; ``reverses``: blue comes first."""

    name: str
    scale: tuple[float, ...]
    offset: tuple[float, ...]
    reverses: bool = False

    def affine(self, channels: int) -> tuple[Array, Array]:
        """Scale and offset per channel in float32. Raises BuildError where the mode has no values for so many."""
        if len(self.scale) not in (1, channels):
            raise BuildError(
                f"model.preprocessing={self.name} is for images of {_RGB} channels, and the model takes {channels}",
                hint="set model.preprocessing to none, unit or tf",
            )
        ones = np.ones(channels)
        return (ones * self.scale).astype(np.float32), (ones * self.offset).astype(np.float32)

    def ordered(self, images: Array) -> Array:
        """The channels (the last axis) in the model's order."""
        return images[..., ::-1] if self.reverses else images

    def __call__(self, images: Array) -> Array:
        """float32 inputs of images within 0 and 255, channels last."""
        scale, offset = self.affine(images.shape[-1])
        ready: Array = self.ordered(images).astype(np.float32) * scale + offset
        return ready


PREPROCESSINGS = {
    made.name: made
    for made in (
        Preprocessing("none", (1.0,), (0.0,)),
        Preprocessing("unit", (1 / 255,), (0.0,)),
        Preprocessing("tf", (1 / 127.5,), (-1.0,)),
        Preprocessing(
            "torch",
            tuple(1 / (255 * deviation) for deviation in _DEVIATION),
            tuple(-mean / deviation for mean, deviation in zip(_MEAN, _DEVIATION, strict=True)),
        ),
        Preprocessing("caffe", (1.0,) * _RGB, tuple(-mean for mean in _MEAN_BGR), reverses=True),
    )
}
"""As ``keras.applications.imagenet_utils.preprocess_input`` calls and does them; ``unit``: within 0 and 1."""
