"""The artifact room: from a recipe to a built, optimized model file, cached by the digest of what went in.

TensorFlow runs in a child process only (:mod:`orchestrator.builder.worker`), started at the first miss.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from orchestrator.artifact import Artifact
from orchestrator.builder.child import BuildCancelled, Child, WorkerDied
from orchestrator.builder.recipe import Recipe
from orchestrator.builder.store import Store
from orchestrator.errors import OrchestratorError

__all__ = ["BuildCancelled", "Builder", "Recipe", "WorkerDied"]

_TAIL_LINES = 6


def _never() -> bool:
    return False


class Builder:
    """Builds artifacts, each once per key however many threads and processes want it."""

    def __init__(self, cache_dir: Path) -> None:
        self.cache_dir = cache_dir
        self._store = Store(cache_dir)
        self._child: Child | None = None
        self._guard = threading.Lock()  # of _child

    @property
    def worker_pid(self) -> int | None:
        """Process id of the build worker; None while none runs."""
        child = self._child
        return child.pid if child else None

    def has(self, recipe: Recipe) -> bool:
        """True where an entry exists; cheap, because nothing is read. Only :meth:`cached` verifies it."""
        return self._store.has(recipe.key)

    def described(self, recipe: Recipe) -> dict[str, Any] | None:
        """The manifest of an entry, unverified; None where there is none that can be read."""
        return self._store.manifest(recipe.key)

    def manifest(self, key: str) -> dict[str, Any] | None:
        """The manifest of the entry with a key, unverified; None where there is none that can be read."""
        return self._store.manifest(key)

    def cached(self, recipe: Recipe) -> Artifact | None:
        """The artifact, if it was built before."""
        return self._store.find(recipe.key)

    def build(self, recipe: Recipe, cancelled: Callable[[], bool] = _never) -> Artifact:
        """The artifact, cached or built now; waits for another one who builds it.

        ``cancelled`` is asked several times a second; once True, BuildCancelled is raised and the work stopped.
        Raises UnsupportedOptimization or BuildError, with ``log`` naming the kept log of the build.
        """
        found = self.cached(recipe)
        if found is not None:
            return found
        with self._store.locked(recipe.key, cancelled) as held:
            if not held:
                raise BuildCancelled(f"building {recipe.subject} was cancelled")
            return self.cached(recipe) or self._make(recipe, cancelled)

    def close(self) -> None:
        """End the worker; a build in progress raises BuildCancelled. A later build starts a fresh worker."""
        with self._guard:
            child, self._child = self._child, None
        if child is not None:
            child.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _make(self, recipe: Recipe, cancelled: Callable[[], bool]) -> Artifact:
        with self._store.part(recipe.key) as part:
            try:
                self._worker().build(recipe, part, cancelled)
            except BuildCancelled:
                raise
            except OrchestratorError as error:
                kept = self._store.keep_failed_log(recipe.key, part)
                if isinstance(error, WorkerDied):  # it could not say why; its last words may
                    error = WorkerDied(f"{error.message}; its log ends: {_tail(kept)}", hint=error.hint)
                raise error.located(log=str(kept)) from None
            return self._store.commit(recipe.key, part)

    def _worker(self) -> Child:
        with self._guard:
            if self._child is None:
                self._child = Child(self._store.root / f"worker-{os.getpid()}.log")
            return self._child


def _tail(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return " | ".join(lines[-_TAIL_LINES:]) or "(empty)"
