"""What other programs took of the board's CPUs over a span, from the samples of its state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

Json = Mapping[str, Any]

STEP = 0.05
"""Of all cores: more than that of our own beyond everybody's is the time of a helper that ended, booked at once."""


def foreign_use(samples: Sequence[Json], span: Json) -> float | None:
    """As a share of all cores; None where no sample covers the span, or the board does not tell.

    A sample is about the time since the one before it; one that reaches beyond the span counts for what lies in it.
    Not cut at 0 one by one: the kernel counts in steps, and cutting them would make a mean of noise.
    """
    known = [s for s in samples if s.get("cpu_busy") is not None and s.get("own_busy") is not None]
    covered_s = total = 0.0
    for before, sample in pairwise(known):
        inside_s = min(sample["t_s"], span["end_s"]) - max(before["t_s"], span["begin_s"])
        foreign = sample["cpu_busy"] - sample["own_busy"]
        if inside_s > 0 and foreign > -STEP:
            covered_s += inside_s
            total += inside_s * foreign
    return max(0.0, total / covered_s) if covered_s > 0 else None
