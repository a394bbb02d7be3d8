"""Does a sweep over optimizations pay for TensorFlow once? One builder for five of them, against five scripts."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

from orchestrator.builder import Builder, Recipe
from orchestrator.cell import Model
from orchestrator.optimization import Optimization

PAIRS = 2
LIMIT = 0.8
STEPS: tuple[tuple[str, ...], ...] = ((), ("float16",), ("dynamic_range",), ("int8",), ("int16x8",))
MODEL = Model("mobilenetv2", "keras_application", application="MobileNetV2", input_size=224)


def run() -> dict[str, Any]:
    """Seconds of five optimizations of MobileNetV2: by one builder, and by five, each of which starts TensorFlow and
    makes the model anew, as five scripts would. Ratios of pairs in turn."""
    recipes = [Recipe.of(MODEL, Optimization("any", list(steps), calibration_samples=20)) for steps in STEPS]
    pairs = []
    for _ in range(PAIRS):
        together_s, startups = _together(recipes)
        apart_s = sum(_together([recipe])[0] for recipe in recipes)
        pairs.append((together_s, apart_s))
    ratios = [together / apart for together, apart in pairs]
    return {
        "optimizations": len(STEPS),
        "tensorflow_startups": startups,
        "together_s": [round(together, 1) for together, _ in pairs],
        "apart_s": [round(apart, 1) for _, apart in pairs],
        "ratio": [round(ratio, 3) for ratio in ratios],
        "limit": LIMIT,
        "meets": max(ratios) <= LIMIT and startups == 1,
    }


def _together(recipes: list[Recipe]) -> tuple[float, int]:
    """Seconds, and how many build processes there were."""
    workers = set()
    with tempfile.TemporaryDirectory() as cache:
        begin = time.monotonic()
        with Builder(Path(cache)) as builder:
            for recipe in recipes:
                builder.build(recipe)
                workers.add(builder.worker_pid)
            took_s = time.monotonic() - begin
    return took_s, len(workers)
