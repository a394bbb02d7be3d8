"""Makes the golden model anew: ``python -m orchestrator.checkup.ship``.

The files in ``shipped/`` are what ``model=digits optimization=none seed=0`` is built as, with its held-out images.
They are in the package so that a check needs no TensorFlow, and means the same on every controller.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from orchestrator.builder import Builder, Recipe
from orchestrator.cell import Model
from orchestrator.checkup.golden import SHIPPED
from orchestrator.optimization import Optimization

FILES = ("model.tflite", "evaluation.npz", "manifest.json")


def main() -> int:
    """Build it in a cache of its own, and copy what a board and its judge need."""
    model = Model("digits", "digits", weights="trained", input_size=8)
    with TemporaryDirectory() as cache, Builder(Path(cache)) as builder:
        built = builder.build(Recipe.of(model, Optimization("none")))
        SHIPPED.mkdir(exist_ok=True)
        for name in FILES:
            shutil.copyfile(built.path.with_name(name), SHIPPED / name)
    print(f"{SHIPPED}: {built.size_bytes} bytes, sha256 {built.sha256}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
