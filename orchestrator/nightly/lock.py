"""One night at a time under a root: a timer and a person must not run two over each other."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from orchestrator import alive
from orchestrator.errors import ConfigError
from orchestrator.result import write_json

FILE, LOCK = Path("lab", "nightly.json"), Path("lab", ".nightly.lock")


def alone(root: Path, sweep_id: str) -> BaseFileLock:
    """Held until it is released, or this process is gone; ``sweep_id`` is for whoever comes in between.

    Raises ConfigError where another night runs.
    """
    lock = FileLock(root / LOCK)
    (root / LOCK).parent.mkdir(parents=True, exist_ok=True)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise ConfigError(
            f"another night runs under {root}{_who(root / FILE)}",
            hint="wait for its end; a sweep without night.enabled=true may run beside it",
        ) from None
    write_json(root / FILE, {"sweep": sweep_id, **alive.this_process()})
    return lock


def _who(path: Path) -> str:
    with suppress(OSError, ValueError, LookupError, TypeError):
        told = json.loads(path.read_text(encoding="utf-8"))
        return f": {told['sweep']}, process {told['pid']} on {told['host']}"
    return ""
