"""What a report needs to see of a comparison."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from orchestrator.result import Result, Sweep

if TYPE_CHECKING:
    import pandas as pd


class Comparison(Protocol):
    """One table row per cell; see ``orchestrator.compare``."""

    @property
    def sweeps(self) -> Sequence[Sweep]: ...
    @property
    def baseline(self) -> str: ...
    @property
    def baseline_axis(self) -> str: ...
    @property
    def notes(self) -> Sequence[str]: ...
    @property
    def frame(self) -> pd.DataFrame: ...
    @property
    def results(self) -> Sequence[Result]: ...
    @property
    def title(self) -> str: ...
    @property
    def recommendations(self) -> Sequence[str]: ...
