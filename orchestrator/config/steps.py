"""What an optimization's steps and their parameters may be, together."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator

from orchestrator.config.problem import Problem
from orchestrator.optimization import CALIBRATED, FINE_TUNED, QUANTIZATIONS, STEPS, Optimization

SCALED = (*CALIBRATED, "weight_only", "dynamic_range")
"""Quantizations whose weights have scales."""
BELONGS_TO = {
    "keep_float": SCALED,
    "granularity": SCALED,
    "io": CALIBRATED,
    "sparse_encoding": ("prune",),
    "fine_tune_epochs": FINE_TUNED,
}
"""Parameters that choose a kind of artifact -> the steps that have them. Numbers are not among them: an adaptive sweep
varies those together with the steps."""


LEAN_ORDER = ("prune_channels", "prune", "cluster")
"""Training after a step moves what the ones before it have fixed, but for zeros, which clustering keeps."""


def wrong(optimization: Optimization) -> Iterator[Problem]:
    """Steps in a wrong order, parameters that would do nothing, patterns that are none."""
    yield from order(optimization.steps)
    yield from idle(optimization)
    for pattern in optimization.keep_float:
        try:
            re.compile(pattern)
        except re.error as error:
            yield Problem("optimization.keep_float", pattern, f"regular expressions: {error}")


def order(steps: list[str]) -> Iterator[Problem]:
    """Each step once; a quantization ends the chain, because what is quantized has no float weights any more."""
    allowed = f"steps of {', '.join(STEPS)}"
    quantizations = [step for step in steps if step in QUANTIZATIONS]
    if not set(steps) <= set(STEPS):
        yield Problem("optimization.steps", steps, allowed)
    elif len(set(steps)) < len(steps):
        yield Problem("optimization.steps", steps, f"{allowed}, each once")
    elif len(quantizations) > 1:
        yield Problem("optimization.steps", steps, f"at most one of {', '.join(QUANTIZATIONS)}")
    elif quantizations and steps[-1] != quantizations[0]:
        right = ",".join([*(step for step in steps if step not in QUANTIZATIONS), *quantizations])
        yield Problem("optimization.steps", steps, f"{quantizations[0]} as the last step: write [{right}]")
    else:
        lean = [step for step in steps if step in FINE_TUNED]
        if lean != sorted(lean, key=LEAN_ORDER.index):
            right = ",".join([*sorted(lean, key=LEAN_ORDER.index), *quantizations])
            yield Problem("optimization.steps", steps, f"training would undo an earlier step: write [{right}]")


def idle(optimization: Optimization) -> Iterator[Problem]:
    """A parameter of a step that is not there would pass for one that has worked."""
    plain = Optimization(optimization.name)
    for field in dataclasses.fields(optimization):
        value, steps = getattr(optimization, field.name), BELONGS_TO.get(field.name, ())
        if steps and value != getattr(plain, field.name) and not set(steps) & set(optimization.steps):
            has = f"[{', '.join(optimization.steps)}]"
            allowed = f"nothing, since optimization.steps is {has}; it belongs to {', '.join(steps)}"
            yield Problem(f"optimization.{field.name}", value, allowed)
