"""Axes of a chart: from values to pixels, and where the ticks are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

LOGARITHMIC_FROM = 8.0
"""Ratio of the largest to the smallest value from which an axis is logarithmic."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps ``low``..``high`` (both >= 0) to the pixels ``start``..``end``."""

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool

    @classmethod
    def over(cls, values: Sequence[float], start: float, end: float) -> Scale:
        """With room around the values."""
        low, high = min(values), max(values)
        if low > 0 and high / low >= LOGARITHMIC_FROM:
            room = (high / low) ** 0.08
            return cls(low / room, high * room, start, end, True)
        room = 0.1 * (high - low) or 0.1 * high or 1.0
        return cls(max(0.0, low - room), high + room, start, end, False)

    def at(self, value: float) -> float:
        value = min(max(value, self.low), self.high)
        if self.logarithmic:
            share = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Round numbers: 1, 2 and 5 of every decade, or equal steps."""
        if self.logarithmic:
            decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            found = [m * 10.0**d for d in decades for m in (1, 2, 5)]
            found = [x for x in found if self.low <= x <= self.high]
            return found if len(found) <= 8 else [x for x in found if f"{x:e}".startswith("1.")]
        rough = (self.high - self.low) / 5
        unit = 10.0 ** math.floor(math.log10(rough))
        step = next(m * unit for m in (1, 2, 5, 10) if m * unit >= rough)
        return [k * step for k in range(math.ceil(self.low / step), math.floor(self.high / step) + 1)]
