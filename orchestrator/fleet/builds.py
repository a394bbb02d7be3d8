"""Builds run ahead of need, one at a time, in the builder's child process."""

from __future__ import annotations

import threading
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, wait

from orchestrator.artifact import Artifact
from orchestrator.builder import BuildCancelled, Builder, Recipe
from orchestrator.errors import Interrupted
from orchestrator.fleet.turns import Turns


class Builds:
    """Every recipe once, in the order asked for; a cached artifact starts nothing."""

    def __init__(self, builder: Builder, turns: Turns, stop: threading.Event) -> None:
        self._builder = builder
        self._turns = turns
        self._stop = stop
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="build")
        self._ordered: dict[str, Future[Artifact]] = {}

    def order(self, recipe: Recipe) -> Future[Artifact]:
        """The artifact of a recipe, now or later."""
        if recipe.key not in self._ordered:
            self._ordered[recipe.key] = self._begin(recipe)
        return self._ordered[recipe.key]

    def _begin(self, recipe: Recipe) -> Future[Artifact]:
        cached = self._builder.cached(recipe)
        if cached is None:
            return self._pool.submit(self._build, recipe)
        ready: Future[Artifact] = Future()
        ready.set_result(cached)
        return ready

    def _build(self, recipe: Recipe) -> Artifact:
        with self._turns.background():
            return self._builder.build(recipe, cancelled=self._stop.is_set)

    def settle(self) -> None:
        """Wait until nothing is left to build, and let the build process go: it would share the machine."""
        while not self._stop.is_set():
            if not wait(list(self._ordered.values()), timeout=0.5).not_done:
                break
        self._builder.close()

    def get(self, recipe: Recipe) -> Artifact:
        """Wait for an ordered artifact.

        Raises:
            BuildError: it could not be built.
            Interrupted: the sweep ends.
        """
        future = self._ordered[recipe.key]
        try:
            while not future.done():
                wait([future], timeout=0.5)
                if self._stop.is_set():
                    raise Interrupted("interrupted before it was built")
            return future.result()
        except (CancelledError, BuildCancelled) as error:
            raise Interrupted("interrupted before it was built") from error

    def ready(self, recipe: Recipe) -> bool:
        """True once :meth:`get` would not wait."""
        return self._ordered[recipe.key].done()

    def close(self) -> None:
        """End what builds, wait for nothing else."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._builder.close()
        self._pool.shutdown(wait=True)
