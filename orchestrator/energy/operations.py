"""An index of energy by operations and bytes: a ranking aid between variants of a model, and no energy of any board.

It is the energy of an ideal 45 nm chip in nominal mJ, about 100 times less than a board takes: 1.4 mJ of arithmetic for
MobileNetV2 in float32, where a Raspberry Pi 4 takes about 150 mJ. So only its ratio to a baseline says something.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.sheet import Sheet

INDEX = "energy_ops/index"
SOURCE = "M. Horowitz, ISSCC 2014, 45 nm, doi 10.1109/ISSCC.2014.6757323"

PJ_PER_MAC: Mapping[str, float] = {
    "float32": 3.7 + 0.9,
    "float16": 1.1 + 0.4,
    "int8": 0.2 + 0.1,  # accumulated in 32 bits
    # Not in the paper: a multiplier grows with the product of its widths (8 x 8: 0.2, 32 x 32: 3.1, which is 3 fJ a
    # square bit in both), an adder with its width: 64 bits here.
    "int16x8": 0.4 + 0.2,
}
"""A multiplication and an addition."""
PJ_PER_BYTE = 640 / 4
"""DRAM, 640 pJ per 32 bit."""


def operations(sheet: Sheet, manifest: Mapping[str, Any]) -> None:
    """Arithmetic, weights once per call, activations written and read; caches and static power are left out."""
    reason = _not_counted(manifest)
    if reason:
        return sheet.lacks(reason, INDEX)
    counts: Mapping[str, int] = manifest["macs_by_arithmetic"]
    arithmetic_pj = sum(count * PJ_PER_MAC[kind] for kind, count in counts.items())
    moved = manifest["weight_bytes"] + manifest["activation_bytes"]
    sheet.put(INDEX, (arithmetic_pj + moved * PJ_PER_BYTE) * 1e-9)
    sheet.tags.update({"energy_ops.kind": "estimated_ops", "energy_ops.source": SOURCE})
    return None


def _not_counted(manifest: Mapping[str, Any]) -> str:
    """Why there is no index; empty where there is one."""
    if manifest.get("macs") is None:
        return str(manifest.get("macs_reason") or "the artifact's manifest has no macs")
    if "macs_by_arithmetic" not in manifest:
        return "the artifact was built by a version that did not count its arithmetic"
    if manifest.get("macs_uncounted"):
        return f"operators that cannot be counted: {', '.join(manifest['macs_uncounted'])}"
    if unknown := sorted(set(manifest["macs_by_arithmetic"]) - set(PJ_PER_MAC)):
        return f"no figure for arithmetic in {', '.join(unknown)}"
    if manifest["weight_bytes"] is None or manifest["activation_bytes"] is None:
        return "tensors without a size of their own"
    return ""
