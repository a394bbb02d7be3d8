"""What cells are compared with: the cell that equals them in every axis but one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator import stats
from orchestrator.cell import AXES
from orchestrator.errors import ConfigError
from orchestrator.result import DONE, FAILED, Result
from orchestrator.verdict import INVALID

COVARIATES: Mapping[str, str] = {
    "runtime.version": "runtime version",
    "board.os": "OS",
    "board.kernel": "kernel",
    "state.governor": "governor",
    "artifact.sha256": "artifact",
}
"""Tags that a comparison should not depend on, and what they are called where they do differ."""

INHERENT: Mapping[str, tuple[str, ...]] = {
    "device": ("board",),
    "model": ("artifact",),
    "optimization": ("artifact",),
    "runtime": ("runtime version",),
    "batch_size": ("artifact",),
    "input_size": ("artifact",),
}
"""What differs along an axis by its nature."""


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
        overrides = "/".join(result.cell_id.split("/")[len(AXES) :])  # those that are no axis end the cell's id
        axes = asked(result)
        return (
            self.axis,
            sweep,
            overrides,
            *(axes.get(axis, "") for axis in AXES if axis not in (self.axis, *self.free)),
        )


def asked(result: Result) -> dict[str, str]:
    """The axes as they were asked for: 'auto' rather than the runtime that a board got, which a failed cell has not."""
    words = result.cell_id.split("/")
    own = {axis: words[AXES.index(axis)] for axis in ("runtime", "scenario")} if len(words) >= len(AXES) else {}
    return {**result.axes, **own}


def change(result: Result, base: Result | None, baseline: Baseline) -> dict[str, Any]:
    """Latency against the baseline, as columns; no number without ground, but then a note."""
    if result is base:
        sound = result.measurement is not None and result.measurement.verdict.level != INVALID
        return {"change_note": "baseline" if sound else "no baseline: it is invalid"}
    if base is not None and base.status != DONE:
        return {"change_note": f"the baseline {'failed' if base.status == FAILED else f'was {base.status}'}"}
    if base is None or base.measurement is None or result.measurement is None:
        return {"change_note": f"no '{baseline}' beside it"}
    for one, what in ((base, "the baseline"), (result, "it")):
        if one.measurement is not None and one.measurement.verdict.level == INVALID:
            return {"change_note": f"{what} is invalid"}
    ours, its = result.measurement.tags.get("runtime.name"), base.measurement.tags.get("runtime.name")
    if ours != its and baseline.axis != "runtime":
        return {"change_note": f"another runtime ({ours}, baseline {its})"}
    found = stats.compare(result.measurement.process_medians_ms, base.measurement.process_medians_ms)
    differs = _differing(result, base, baseline)
    verdict = found.note or ("" if found.significant else "no significant difference")
    return {
        "change_ratio": found.ratio,
        "change_low": found.low,
        "change_high": found.high,
        "change_p": found.p,
        "change_significant": found.significant,
        "change_note": "; ".join(filter(None, (verdict, *(f"baseline on another {w}" for w in differs.values())))),
        "change_differs": ", ".join(differs),
    }


def _differing(result: Result, base: Result, baseline: Baseline) -> dict[str, str]:
    """Conditions that are not the baseline's, by their name, with the baseline's value in words."""
    ours, its = (one.measurement.tags if one.measurement else {} for one in (result, base))
    pairs = {"board": (result.board, base.board)}
    pairs |= {name: (ours.get(tag), its.get(tag)) for tag, name in COVARIATES.items()}
    return {
        name: f"{name} ({theirs[:12] if name == 'artifact' else theirs})"
        for name, (own, theirs) in pairs.items()
        if own and theirs and own != theirs and name not in INHERENT.get(baseline.axis, ())
    }
