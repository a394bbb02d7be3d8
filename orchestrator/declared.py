"""Whether a board is what the inventory says: a wrong alias must not put its numbers under another's name."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase

from orchestrator.device import Device

MEMORY_LOW = 0.7
"""Least share of its memory that a board shows to Linux: firmware, GPU and carve-outs take the rest (a Raspberry Pi
with a large gpu_mem; a Jetson Orin Nano of 8 GB shows 7.4 GiB)."""
MIB = 1024 * 1024


def mismatches(device: Device, facts: Mapping[str, object]) -> list[str]:
    """What a board's facts say against the device it is listed under, in words; empty where nothing does.

    Only what both sides know is compared.
    """
    said = [_model(device, facts.get("device_tree_model")), _memory(device, facts.get("memory_bytes"))]
    return [words for words in said if words]


def _model(device: Device, found: object) -> str | None:
    if not device.board_model or not isinstance(found, str):
        return None
    if any(fnmatchcase(found.lower(), glob.lower()) for glob in device.board_model):
        return None
    expected = " or ".join(f"'{glob}'" for glob in device.board_model)
    return f"the board calls itself '{found}', device {device.name} expects {expected} (device.board_model)"


def _memory(device: Device, found: object) -> str | None:
    if not device.memory_mb or not isinstance(found, int):
        return None
    shown_mb = found / MIB
    if any(MEMORY_LOW * size <= shown_mb <= size * 1.01 for size in device.memory_mb):
        return None
    sizes = ", ".join(map(str, device.memory_mb))
    return f"the board shows {shown_mb:.0f} MB of memory, device {device.name} comes with {sizes} (device.memory_mb)"
