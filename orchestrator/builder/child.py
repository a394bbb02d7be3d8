"""The controller's side of the build worker: one long-lived child process, JSON lines on its pipes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from contextlib import suppress
from pathlib import Path
from typing import Any

from orchestrator.builder.recipe import Recipe
from orchestrator.errors import BuildError, ConfigError, OrchestratorError, UnsupportedOptimization

_POLL_S = 0.1
_GRACE_S = 5.0
_ERRORS: dict[str, type[OrchestratorError]] = {
    "BuildError": BuildError,
    "ConfigError": ConfigError,
    "UnsupportedOptimization": UnsupportedOptimization,
}


class BuildCancelled(BuildError):
    """Nobody wants the artifact any more."""


class WorkerDied(BuildError):
    """The worker ended in the middle of a build."""


class Child:
    """Starts the worker at the first request; builds one at a time. Thread-safe."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._building: Path | None = None  # the folder of the build in progress
        self._guard = threading.Lock()  # of _building and of killing: nobody kills another one's build
        self._closed = False
        # One thread for all: PDEATHSIG kills a child when the *thread* that started it ends, so this one must
        # live as long as the child.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="build-worker")

    @property
    def pid(self) -> int | None:
        """Process id of the worker; None while there is none."""
        process = self._process
        return process.pid if process and process.poll() is None else None

    def build(self, recipe: Recipe, folder: Path, cancelled: Callable[[], bool]) -> None:
        """Let the worker fill ``folder``. Raises what it reports; BuildCancelled when told so."""
        try:
            future = self._thread.submit(self._request, recipe, folder)
        except RuntimeError as error:
            raise BuildCancelled("the builder is closed") from error
        while True:
            try:
                return future.result(timeout=_POLL_S)
            except CancelledError as error:
                raise BuildCancelled("the builder was closed") from error
            except NotYet:
                if cancelled() and (future.cancel() or self._killed(folder)):
                    raise BuildCancelled(f"building {recipe.subject} was cancelled") from None

    def close(self) -> None:
        """End the worker, also in the middle of a build."""
        self._closed = True
        with self._guard:
            if self._process is not None:
                self._process.kill()
        self._thread.shutdown(cancel_futures=True)
        if self._process is not None:
            _end(self._process)

    def _killed(self, folder: Path) -> bool:
        """End the worker if this is what it builds."""
        with self._guard:
            if self._building != folder or self._process is None:
                return False
            self._process.kill()
            return True

    def _request(self, recipe: Recipe, folder: Path) -> None:
        with self._guard:
            if self._closed:
                raise BuildCancelled("the builder is closed")
            if self._process is not None and self._process.poll() is not None:
                _end(self._process)  # it died while it had nothing to do
                self._process = None
            self._process = self._process or _start(self._log)
            self._building = folder
        request = {"op": "build", "recipe": recipe.message, "folder": str(folder)}
        reply = _exchange(self._process, request)
        with self._guard:
            self._building = None
        if reply is None:
            raise self._death(recipe)
        if "error" in reply:
            error = reply["error"]
            raise _ERRORS[error["type"]](error["message"], hint=error["hint"])

    def _death(self, recipe: Recipe) -> BuildError:
        code = _end(self._process) if self._process else 0
        if self._closed:
            return BuildCancelled("the builder was closed")
        return WorkerDied(f"the build worker ended ({_ending(code)}) while it built {recipe.subject}")


def _start(log: Path) -> subprocess.Popen[bytes]:
    package_root = str(Path(__file__).parents[2])
    path = os.pathsep.join(filter(None, [package_root, os.environ.get("PYTHONPATH")]))
    quiet = {
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "TQDM_DISABLE": "1",
        "CUDA_VISIBLE_DEVICES": "-1",
        "KERAS_BACKEND": "tensorflow",
    }
    try:
        with log.open("wb") as stderr:
            return subprocess.Popen(
                [sys.executable, "-m", "orchestrator.builder.worker", str(os.getpid())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env=os.environ | quiet | {"PYTHONPATH": path},
            )
    except OSError as error:
        raise BuildError(f"the build worker could not be started: {error}") from error


def _exchange(process: subprocess.Popen[bytes], request: dict[str, Any]) -> dict[str, Any] | None:
    """The reply; None where the worker is gone or talks nonsense."""
    if process.stdin is None or process.stdout is None:
        return None
    try:
        process.stdin.write(json.dumps(request).encode() + b"\n")
        process.stdin.flush()
        reply = json.loads(process.stdout.readline())
    except (OSError, ValueError):
        return None
    return reply if isinstance(reply, dict) else None


def _end(process: subprocess.Popen[bytes]) -> int:
    """Exit status of a worker that has ended, or is ended now if it does not do so by itself."""
    try:
        code = process.wait(timeout=_GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        code = process.wait()
    for pipe in (process.stdin, process.stdout):
        with suppress(OSError):  # unsent bytes for a worker that is gone
            if pipe is not None:
                pipe.close()
    return code


def _ending(code: int) -> str:
    if code >= 0:
        return f"exit status {code}"
    name = signal.Signals(-code).name
    return f"{name}, perhaps out of memory" if name == "SIGKILL" else name
