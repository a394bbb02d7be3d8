"""Builds run ahead of need, one at a time, in the builder's child process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait

from orchestrator.artifact import Artifact
from orchestrator.builder import BuildCancelled, Builder, Recipe
from orchestrator.errors import BuildError, Interrupted
from orchestrator.fleet.plan import Entry
from orchestrator.fleet.turns import Turns


class Builds:
    """Every recipe once, in the order given; a cached artifact is verified and starts nothing."""

    def __init__(self, builder: Builder, turns: Turns, stop: threading.Event) -> None:
        self._builder = builder
        self._turns = turns
        self._stop = stop
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="build")
        self._ordered: dict[str, Future[Artifact]] = {}

    def cached(self, entry: Entry) -> bool:
        """True where an artifact is there; cheap, because it is not verified."""
        return entry.recipe is not None and self._builder.has(entry.recipe)

    def start(self, recipes: Mapping[str, Recipe], done: Callable[[str], None]) -> None:
        """Begin. ``done`` hears the key of every artifact that is there, or will never be, from the build's thread."""
        for key, recipe in recipes.items():
            self._ordered[key] = self._pool.submit(self._build, recipe)
        for key, future in list(self._ordered.items()):
            future.add_done_callback(lambda _, key=key: done(key))  # type: ignore[misc]

    def _build(self, recipe: Recipe) -> Artifact:
        found = self._builder.cached(recipe)
        if found is not None:
            return found
        with self._turns.background():
            return self._builder.build(recipe, cancelled=self._stop.is_set)

    def settle(self) -> None:
        """Wait until nothing is left to build, and let the build process go: it would share the machine."""
        while not self._stop.is_set():
            if not wait(list(self._ordered.values()), timeout=0.5).not_done:
                break
        self._builder.close()

    def get(self, key: str) -> Artifact:
        """An artifact that is there.

        Raises:
            BuildError: it could not be built.
            Interrupted: the sweep ends, and it is not built.
            Exception: whatever else its build ended with.
        """
        future = self._ordered[key]
        error: BaseException | None = BuildCancelled("its build was cancelled")
        if (
            future.done() and not future.cancelled()
        ):  # asked for without a timeout: a build may raise TimeoutError itself
            error = future.exception()
            if error is None:
                return future.result()
        if isinstance(error, BuildCancelled) and self._stop.is_set():
            raise Interrupted("interrupted before it was built") from error
        if isinstance(error, Exception):
            raise error
        raise BuildError(f"the build ended with {type(error).__name__}") from error

    def pending(self, keys: Collection[str]) -> list[str]:
        """Of these, what is still to be built, in its order."""
        return [key for key, future in self._ordered.items() if key in keys and not future.done()]

    def keep(self, keys: Collection[str]) -> None:
        """Nobody waits for any other: what is not begun of those is not built."""
        for key, future in self._ordered.items():
            if key not in keys:
                future.cancel()

    def close(self) -> None:
        """End what builds, wait for nothing else."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._builder.close()
        self._pool.shutdown(wait=True)
