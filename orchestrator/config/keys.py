"""Which keys are axes, which are groups, and which change nothing about what is measured."""

from __future__ import annotations

import types
from typing import Any, get_args

GROUPS = ("device", "model", "optimization", "runtime", "scenario")
NOT_MEASURED = (
    "exclude",
    "include",
    "dry_run",
    "resume",
    "root",
    "tracking",
    "experiment",
    "baseline",
    "battery",
    "objective",
    "interleave",
    "constraints",
    "quality",
    "budget",
    "first",
    "priority",
    "gate",
    "night",
)
"""One for the whole sweep: none of them can be an axis, and none is part of a cell's identity."""
NOT_MEASURED_OF_DEVICE = (
    *("hosts", "tags", "where", "user", "port", "identity_file", "known_hosts", "machine", "hold", "workdir"),
    *("board_model", "description", "meter", "powers", "calibrations", "power_switch", "recovery"),
    *("connect_timeout_s", "reconnect_s", "command_timeout_s", "wait_for_hold_s", "cache_limit_gb"),
)


def nested(hint: Any) -> Any:
    """``X`` of ``X | None``."""
    if isinstance(hint, types.UnionType):
        return next(part for part in get_args(hint) if part is not type(None))
    return hint
