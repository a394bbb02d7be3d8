"""Image files as a model takes them: decoded, and brought to its size as torchvision and Keras evaluate ImageNet."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from orchestrator.builder.images import Array
from orchestrator.errors import BuildError

_MARGIN = 256 / 224
WORDS = "the short side resized to 256/224 of the input (Pillow's bilinear) and the centre cut out"
_MODES = {1: "L", 3: "RGB", 4: "RGBA"}


def decoded(path: Path, height: int, width: int, channels: int) -> Array:
    """Bytes of shape (height, width, channels). An image of exactly that size stays as it is.

    Raises BuildError where the file is no image.
    """
    try:
        with Image.open(path) as image:
            if image.mode.startswith(("I", "F")):  # Pillow would clip them to 255
                raise BuildError(f"{path} has more than 8 bits per channel", hint="convert it to 8")
            return _fitted(image.convert(_MODES[channels]), height, width).reshape(height, width, channels)
    except BuildError:
        raise
    except KeyError:
        raise BuildError(f"{path} cannot become an image of {channels} channels") from None
    except Exception as error:  # whatever its decoders raise for damaged files
        raise BuildError(f"{path} is no image that can be read: {error}", hint="remove it, or repair it") from error


def _fitted(image: Image.Image, height: int, width: int) -> Array:
    if image.size != (width, height):
        factor = max(height * _MARGIN / image.height, width * _MARGIN / image.width)
        size = (max(width, round(image.width * factor)), max(height, round(image.height * factor)))
        image = image.resize(size, Image.Resampling.BILINEAR)
        left, top = (size[0] - width) // 2, (size[1] - height) // 2
        image = image.crop((left, top, left + width, top + height))
    return np.asarray(image)
