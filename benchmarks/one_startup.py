"""Five optimizations of MobileNetV2 by one builder, and by five builders as five scripts would make them.

What the one saves: four starts of TensorFlow, four models built and made realistic, four float conversions.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

from orchestrator.builder import Builder, Recipe
from orchestrator.cell import Model
from orchestrator.optimization import Optimization

MODEL = Model("mobilenetv2", "keras_application", application="MobileNetV2", input_size=224)
STEPS = ("none", "dynamic_range", "float16", "int8", "int16x8")
LIMIT = 0.8


def run() -> dict[str, Any]:
    """Seconds of both, one after the other for each optimization, so that a busy machine slows both alike."""
    recipes = {name: Recipe.of(MODEL, Optimization(name, [] if name == "none" else [name])) for name in STEPS}
    together: dict[str, float] = {}
    apart: dict[str, float] = {}
    workers: set[int | None] = set()
    with tempfile.TemporaryDirectory() as folder, Builder(Path(folder, "one")) as one:
        for name, recipe in recipes.items():
            together[name] = build_s(one, recipe)
            workers.add(one.worker_pid)
            begin = time.monotonic()
            with Builder(Path(folder, name)) as own:
                build_s(own, recipe)
            apart[name] = time.monotonic() - begin
    return {
        "ratio": round(sum(together.values()) / sum(apart.values()), 3),
        "limit_ratio": LIMIT,
        "tensorflow_starts": len(workers),
        "one_builder_s": round(sum(together.values()), 1),
        "five_builders_s": round(sum(apart.values()), 1),
        "each_s": {name: [round(together[name], 1), round(apart[name], 1)] for name in STEPS},
    }


def build_s(builder: Builder, recipe: Recipe) -> float:
    begin = time.monotonic()
    builder.build(recipe)
    return time.monotonic() - begin
