"""Under which conditions two cells were measured: controls have to match, covariates are named."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.compare.baseline import Baseline
from orchestrator.controls import CONTROLS, COVARIATES, UNTOLD
from orchestrator.result import Result

GIVEN: Mapping[str, tuple[str, ...]] = {
    "runtime": ("runtime",),
    "threads": ("threads",),
    "device": ("governor", "tuning", "CPUs", "power mode"),
}
"""Controls that differ along an axis because that was asked for: no two kinds of board have the same power modes."""

INHERENT: Mapping[str, tuple[str, ...]] = {
    "device": ("board", "firmware", "CPU model"),
    "model": ("artifact",),
    "optimization": ("artifact",),
    "runtime": ("runtime version", "delegate"),
    "batch_size": ("artifact",),
    "input_size": ("artifact",),
    "width": ("artifact",),
}
"""What differs along an axis by its nature."""


def uncontrolled(result: Result, base: Result, baseline: Baseline) -> list[str]:
    """Controls that are not the baseline's, each with both values; where there is one, there is no comparison."""
    given = GIVEN.get(baseline.axis, ())
    return [
        f"another {name} ({own}, baseline {theirs})"
        for name, (own, theirs) in _tags(result, base, CONTROLS).items()
        if own and theirs and own != theirs and name not in given
    ]


def covariates(result: Result, base: Result, baseline: Baseline) -> dict[str, str]:
    """Conditions that are not the baseline's, by their name, with the baseline's value in words."""
    pairs = {"board": (result.board, base.board), **_tags(result, base, COVARIATES)}
    found = {
        name: f"{name} ({theirs[:12] if name == 'artifact' else theirs})"
        for name, (own, theirs) in pairs.items()
        if own and theirs and own != theirs and name not in INHERENT.get(baseline.axis, ())
    }
    given = () if baseline.axis == "device" else GIVEN.get(baseline.axis, ())
    for name, (own, theirs) in _tags(result, base, CONTROLS).items():
        if own != theirs and name not in given:
            found[name] = f"{name} ({theirs or 'not known'}{'' if own else ', here not known'})"
    return found


def _tags(result: Result, base: Result, names: Mapping[str, str]) -> dict[str, tuple[str | None, str | None]]:
    ours, its = (one.measurement.tags if one.measurement else {} for one in (result, base))
    return {name: (ours.get(tag, UNTOLD.get(name)), its.get(tag, UNTOLD.get(name))) for tag, name in names.items()}
