"""Which artifacts of a plan are there, how large they are, and how long the others may take to build."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.builder import Builder, Recipe
from orchestrator.fleet import Entry, Plan
from orchestrator.words import duration, megabytes


@dataclass(frozen=True, slots=True)
class Stock:
    """The distinct recipes of a plan by key, and the manifests of those whose artifact is cached."""

    recipes: Mapping[str, Recipe]
    manifests: Mapping[str, Mapping[str, Any]]

    @classmethod
    def of(cls, plan: Plan, builder: Builder) -> Stock:
        """Look into the cache; nothing is verified and nothing is built."""
        recipes = {entry.key: entry.recipe for entry in plan.runnable if entry.recipe is not None}
        found = {key: builder.described(recipe) for key, recipe in recipes.items()}
        return cls(recipes, {key: manifest for key, manifest in found.items() if manifest is not None})

    @property
    def missing(self) -> list[str]:
        """Keys of what is to be built."""
        return [key for key in self.recipes if key not in self.manifests]

    def size_bytes(self, key: str) -> int:
        """Of a cached artifact."""
        return int(self.manifests[key].get("size_bytes", 0))

    def words(self, entry: Entry) -> str:
        """An entry's artifact, for a table."""
        return f"cached {megabytes(self.size_bytes(entry.key))}" if entry.key in self.manifests else "to build"

    def upload(self, entries: Sequence[Entry]) -> str:
        """What a board is sent that runs all these; what it has already is not sent again."""
        keys = {entry.key for entry in entries}
        there = [key for key in keys if key in self.manifests]
        parts = [megabytes(sum(map(self.size_bytes, there)))] if there else []
        if len(there) < len(keys):
            parts.append(f"{len(keys) - len(there)} not built yet")
        return " + ".join(parts)

    def builds(self) -> str:
        """How many are there and how many not, with what is known of the time by variants of the same model."""
        there = f"{len(self.manifests)} cached, {len(self.missing)} to build"
        if not self.missing:
            return there
        took: dict[str, list[float]] = defaultdict(list)
        for key, manifest in self.manifests.items():
            if isinstance(manifest.get("build_s"), int | float):
                took[self.recipes[key].unoptimized.key].append(float(manifest["build_s"]))
        models = Counter(self.recipes[key].unoptimized.key for key in self.missing)
        known = [(count, took[model]) for model, count in models.items() if took[model]]
        unknown = sum(count for model, count in models.items() if not took[model])
        parts = [
            f"{count} about {duration(sum(s) / len(s))} each, going by a variant of the model" for count, s in known
        ]
        if unknown:
            parts.append(f"{unknown} of unknown time" if known else "time unknown")
        return f"{there} ({'; '.join(parts)})"
