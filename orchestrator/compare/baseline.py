"""What cells are compared with: the cell that equals them in every axis but one."""

from __future__ import annotations

import re
from dataclasses import dataclass

from orchestrator.cell import AXES
from orchestrator.errors import ConfigError
from orchestrator.result import Result


@dataclass(frozen=True, slots=True)
class Baseline:
    """``value`` of ``axis`` is what the other values of it are compared with; ``axis`` may also be the sweep.

    ``free`` axes need not be the same: the input size where it is each model's own.
    """

    axis: str
    value: str
    free: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Baseline:
        """``int8`` is an optimization; ``threads:1`` a value of any axis.

        Raises ConfigError for an axis that does not exist.
        """
        axis, colon, value = text.partition(":")
        if "=" in text and not colon:
            raise ConfigError(f"baseline {text!r} is no optimization", hint=f"axis:value, as {text.replace('=', ':')}")
        if not colon:
            return cls("optimization", text)
        if axis not in (*AXES, "sweep") or not value:
            hint = f"an optimization, or axis:value with one of {', '.join((*AXES, 'sweep'))}"
            raise ConfigError(f"baseline {text!r} is no axis:value", hint=hint)
        return cls(axis, value)

    def __str__(self) -> str:
        return self.value if self.axis == "optimization" else f"{self.axis.replace('_', ' ')} {self.value}"

    def is_in(self, result: Result) -> bool:
        return self.of(result) == self.value

    def of(self, result: Result) -> str:
        """The result's own value on the axis."""
        return result.sweep_id if self.axis == "sweep" else asked(result).get(self.axis, "")

    def others(self, result: Result) -> tuple[str, ...]:
        """Everything that a cell shares with its baseline."""
        sweep = "" if self.axis == "sweep" else result.sweep_id
        overrides = "/".join(coordinates(result.cell_id)[1])
        axes = asked(result)
        return (
            self.axis,
            sweep,
            overrides,
            *(axes.get(axis, "") for axis in AXES if axis not in (self.axis, *self.free)),
        )


def asked(result: Result) -> dict[str, str]:
    """The axes as they were asked for: 'auto' rather than the runtime that a board got, which a failed cell has not."""
    words, _ = coordinates(result.cell_id)
    return {**result.axes, **{axis: words[axis] for axis in ("runtime", "scenario") if axis in words}}


def coordinates(cell_id: str) -> tuple[dict[str, str], list[str]]:
    """What a cell's id says: the axes, and the overrides that are none. A width is there only where one was asked for;
    an id of another form says nothing."""
    words = cell_id.split("/")
    axes = [axis for axis in AXES if axis != "width"]
    if len(words) > len(axes) and re.fullmatch(r"w[\d.e+-]+", words[len(axes) - 1]):
        axes = list(AXES)
    if len(words) < len(axes):
        return {}, []
    return dict(zip(axes, words, strict=False)), words[len(axes) :]
