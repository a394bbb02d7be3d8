"""The file of stored inputs, as both sides read it: a ``.npz`` with ``input_0``, ``input_1`` ..., samples first.

Values are those that the float model takes. Images may be bytes; then ``scale`` and ``offset`` (a value per channel,
broadcast against a sample) make float32 values of them: a quarter of the size, and the very same numbers. ``labels``
and ``reference`` are for the controller alone.
"""

from __future__ import annotations

from typing import Any, List, Optional

import numpy as np


def inputs_of(stored: Any, first: int = 0, last: Optional[int] = None) -> List[np.ndarray[Any, Any]]:
    """The inputs of samples ``first`` to ``last`` (exclusive; None: all), of an open ``.npz``."""
    names = sorted((name for name in stored.files if name.startswith("input_")), key=lambda name: int(name[6:]))
    found = [stored[name][first:last] for name in names]
    if "scale" in stored.files:
        found[0] = found[0].astype(np.float32) * stored["scale"] + stored["offset"]
    return found
