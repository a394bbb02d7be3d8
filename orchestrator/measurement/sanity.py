"""The latency beside what others have published for the same board and model."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.measurement.parts import Json
from orchestrator.sanity import anchor
from orchestrator.sheet import Sheet
from remote.contract import XNNPACK

RATIO = "sanity/ratio"


def sanity(sheet: Sheet, axes: Mapping[str, str] | None, runtime: Json, facts: Mapping[str, object]) -> None:
    """``axes`` of the cell where its model is one of the catalogue; None for anybody's own of the same name."""
    on_cpu = runtime["delegate"]["requested"] in XNNPACK  # the published numbers are those of CPUs
    found = anchor(axes, runtime["name"], facts) if axes and on_cpu else None
    if found is None:
        sheet.lacks("nobody's published number is known for this board, model, precision, threads and size", RATIO)
        return
    sheet.put(RATIO, sheet.metrics["latency/median_ms"] / found.median_ms)
    sheet.tags["sanity.source"] = f"{found.median_ms:g} ms: {found.source}"
