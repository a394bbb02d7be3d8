"""About this controller and this sweep: facts for the record, and the sweep's log file."""

from __future__ import annotations

import contextlib
import logging
import platform
import socket
import sys
import threading
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from orchestrator import __version__
from orchestrator.whoami import user_name

PACKAGES = ("hydra-core", "fabric", "paramiko", "tensorflow", "mlflow", "pandas", "numpy")


def controller() -> dict[str, str]:
    """Software and host that produced the numbers; nothing is imported for it."""
    facts = {
        "orchestrator": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "host": socket.gethostname(),
        "user": user_name(),
        "executable": Path(sys.executable).name,
    }
    for package in PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            facts[package] = version(package)
    return facts


def shown(path: Path) -> str:
    """A path as short as it can be written here."""
    with contextlib.suppress(ValueError):
        return str(path.relative_to(Path.cwd())) or "."
    return str(path)


@contextlib.contextmanager
def logging_to(path: Path) -> Iterator[None]:
    """Everything that is logged goes to the sweep's log, nothing of it to the terminal."""
    root = logging.getLogger()
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(threadName)s %(name)s: %(message)s"))
    before, hook = root.level, threading.excepthook
    threading.excepthook = _log_thread
    logging.raiseExceptions = False  # a full disk under the log is reported with the results, not line by line
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    logging.getLogger("paramiko").setLevel(logging.WARNING)
    try:
        yield
    finally:
        threading.excepthook = hook
        root.removeHandler(handler)
        root.setLevel(before)
        with contextlib.suppress(OSError):  # what a full disk did not take of the log
            handler.close()


def _log_thread(failure: threading.ExceptHookArgs) -> None:
    """A thread that dies says so in the sweep's log."""
    name = failure.thread.name if failure.thread else "a thread"
    logging.getLogger(__name__).error("%s died", name, exc_info=failure.exc_value)
