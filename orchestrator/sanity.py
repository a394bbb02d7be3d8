"""What others have published for a board and a model (sanity.yaml), to notice a number that is far from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from orchestrator.cell import NATIVE


@dataclass(frozen=True, slots=True)
class Anchor:
    """A published latency of a batch of 1, and who published it."""

    median_ms: float
    source: str


def anchor(axes: Mapping[str, str], runtime: str, facts: Mapping[str, object]) -> Anchor | None:
    """The published number for a cell of these axes on a board of these facts; None where there is none.

    ``axes`` are a cell's own; ``runtime`` is the one that the board got.
    """
    board, bits = facts.get("device_tree_model"), facts.get("bits")
    if not isinstance(board, str) or axes.get("batch_size") != "1":
        return None
    for entry in _anchors():
        same = (
            entry["bits"] == bits
            and str(entry["threads"]) == axes.get("threads")
            and str(entry["input_size"]) == axes.get("input_size")
            and axes.get("width", NATIVE) in (NATIVE, "1")  # all of them are about models of width 1
            and runtime in entry["runtimes"]
            and any(fnmatchcase(board.lower(), glob.lower()) for glob in entry["board"])
        )
        known = entry["median_ms"].get(axes.get("model"), {}).get(axes.get("optimization"))
        if same and known is not None:
            return Anchor(float(known), str(entry["source"]))
    return None


@cache
def _anchors() -> list[dict[str, Any]]:
    text = files("orchestrator").joinpath("sanity.yaml").read_text(encoding="utf-8")
    anchors: list[dict[str, Any]] = yaml.safe_load(text)["anchors"]
    return anchors
