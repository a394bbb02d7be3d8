"""The verb: measure or take a stored sweep, fit, tell, write."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from orchestrator.app import swept
from orchestrator.calibrate.asked import asked, board_of
from orchestrator.calibrate.inventory import trouble
from orchestrator.calibrate.readings import readings
from orchestrator.calibrate.told import told
from orchestrator.config import LAB_VARIABLE
from orchestrator.console import say, terminal
from orchestrator.device import Board
from orchestrator.errors import ConfigError
from orchestrator.result import find_sweep
from orchestrator.resume import root_of
from orchestrator.statuses import INCOMPLETE, OK


def calibrate(words: Sequence[str], default_root: Path) -> int:
    """Measure with a meter beside the board, or take a stored sweep; fit, tell, and write it into the lab's folder.

    0: everything was fitted; 2: a part of it was not, or some cells have no result.

    Raises:
        ConfigError: there is nothing to measure with, or no such sweep.
        MeasurementError: nothing could be fitted.
    """
    stored = [word for word in words if "=" not in word]
    overrides = [word for word in words if "=" in word]
    if len(stored) > 1 or (stored and any(not word.startswith("root=") for word in overrides)):
        raise ConfigError(
            f"{' '.join(words)}: a stored sweep is fitted as it was measured",
            hint="calibrate SWEEP, or calibrate device=NAME KEY=VALUE ... to measure anew",
        )
    if stored:
        return told(readings(find_sweep(root_of(overrides, default_root), stored[0])))
    sweep = asked(overrides)
    warned(board_of(overrides))
    status, directory = swept(sweep)
    if directory is None or status not in (OK, INCOMPLETE):  # a plan alone, or interrupted
        return status
    return max(status, told(readings(directory)))


def warned(board: Board) -> None:
    """Before minutes of measuring: a lab that will not take what is found."""
    lab = os.environ.get(LAB_VARIABLE)
    if lab and (why := trouble(Path(lab), board.device.name, board.host)):
        say(terminal(), (f"what is found will be printed and not written: {why}", "yellow"))
