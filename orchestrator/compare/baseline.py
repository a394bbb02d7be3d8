"""What cells are compared with: the cell that equals them in every axis but one."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.cell import AXES, NATIVE
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
        overrides = "/".join(result.cell_id.split("/")[len(_in_id(result)) :])  # those that are no axis end it
        axes = asked(result)
        return (
            self.axis,
            sweep,
            overrides,
            *(axes.get(axis, "") for axis in AXES if axis not in (self.axis, *self.free)),
        )


def asked(result: Result) -> dict[str, str]:
    """The axes as they were asked for: 'auto' rather than the runtime that a board got, which a failed cell has not."""
    words, there = result.cell_id.split("/"), _in_id(result)
    own = {axis: words[there.index(axis)] for axis in ("runtime", "scenario")} if len(words) >= len(there) else {}
    return {**result.axes, **own}


def _in_id(result: Result) -> list[str]:
    """The axes that a cell's id begins with: a width of the model's own is not in it."""
    return [axis for axis in AXES if axis != "width" or result.axes.get(axis, NATIVE) != NATIVE]
