"""How long cells took before, from the results on this disk; so that a plan can say what to expect."""

from __future__ import annotations

import json
import logging
import math
import statistics
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from orchestrator.result import DONE, RESULT_FILE

log = logging.getLogger(__name__)

NEWEST = 500
"""Results looked at: more cost time at every start, and older ones say less."""
RECENT = 5
"""Of these the median is taken, so that one slow night does not count and a new runtime soon does."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Seconds of board time that a cell will take; ``runs`` is how many results say so, 0: its scenario does."""

    seconds: float
    runs: int = 0

    @property
    def ground(self) -> str:
        """Where it comes from."""
        return f"history ({self.runs})" if self.runs else "scenario"


@dataclass(frozen=True, slots=True)
class History:
    """Seconds of a cell, newest first: on one board, and (under None) on any board of its device."""

    seconds: Mapping[tuple[str, str | None], list[float]] = field(default_factory=dict)

    @classmethod
    def read(cls, root: Path, newest: int = NEWEST) -> History:
        """Of the newest results under ``root``; a file that cannot be read is left out."""
        found: dict[tuple[str, str | None], list[float]] = defaultdict(list)
        for result in islice(_results(root / "multirun"), newest):
            busy_s = result.get("busy_s")  # not there in what older versions have written
            if result.get("status") != DONE or not isinstance(busy_s, int | float) or not math.isfinite(busy_s):
                continue
            cell_id = str(result.get("cell_id"))
            found[cell_id, None].append(float(busy_s))
            found[cell_id, str(result.get("board"))].append(float(busy_s))
        return cls(dict(found))

    def estimate(self, cell_id: str, board: str | None = None) -> Estimate | None:
        """The median of the last runs on this board, else on any of the device; None where it never ran."""
        seconds = self.seconds.get((cell_id, board)) or self.seconds.get((cell_id, None))
        return Estimate(statistics.median(seconds[:RECENT]), len(seconds[:RECENT])) if seconds else None


def _results(multirun: Path) -> Iterator[dict[str, Any]]:
    """Newest sweep first; the folders are called by date and time."""
    for day in _newest_first(multirun):
        for sweep in _newest_first(day):
            for folder in _newest_first(sweep):
                try:
                    yield dict(json.loads((folder / RESULT_FILE).read_bytes()))
                except FileNotFoundError:
                    continue  # no cell, or one that never came to a result
                except (OSError, ValueError, TypeError, RecursionError) as error:
                    log.info("left out of the estimates: %s: %s", folder / RESULT_FILE, error)


def _newest_first(folder: Path) -> list[Path]:
    try:
        return sorted((path for path in folder.iterdir() if path.is_dir()), reverse=True)
    except OSError:
        return []
