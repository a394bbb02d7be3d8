"""A built, optimized model file and what is known about it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Artifact:
    """One entry of the content-addressed store.

    ``key`` is the digest of everything that went in (so a cached one is found before anything is built);
    ``sha256`` the digest of the file itself (so a board can verify it). ``manifest`` is plain JSON data.
    """

    key: str
    path: Path
    sha256: str
    size_bytes: int
    manifest: dict[str, Any]

    @property
    def evaluation(self) -> Path | None:
        """The stored inputs that the board answers (see evaluation.py); None where there are none."""
        return self.path.with_name("evaluation.npz") if self.manifest.get("evaluation") else None

    @property
    def format(self) -> str:
        """Of FORMATS in the contract: what a runtime must execute."""
        return str(self.manifest["format"])

    @property
    def weights(self) -> str:
        """Where the numbers inside came from: ``random``, ``imagenet``, ``trained``, ``file``, ``factory``."""
        return str(self.manifest["weights"])
