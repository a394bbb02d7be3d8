"""Which tracker a configuration means."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from orchestrator.cell import Tracking
from orchestrator.errors import ConfigError
from orchestrator.tracking.mlflow_tracker import MlflowTracker
from orchestrator.tracking.nothing import NoTracker
from orchestrator.tracking.seam import Tracker

KINDS: dict[str, Callable[[Tracking, Path], Tracker]] = {
    "mlflow": MlflowTracker,
    "none": lambda tracking, root: NoTracker(),
}


def open_tracker(tracking: Tracking, root: Path) -> Tracker:
    """The tracker of ``tracking.kind``; nothing is touched before its first use.

    Raises ConfigError for an unknown kind.
    """
    kind = KINDS.get(tracking.kind)
    if kind is None:
        raise ConfigError(f"tracking.kind={tracking.kind} is unknown", hint=f"one of {', '.join(KINDS)}")
    return kind(tracking, root)
