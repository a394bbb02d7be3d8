"""What has to be the same for two results of one cell to be compared, and what is named where it is not."""

from __future__ import annotations

from collections.abc import Mapping

CONTROLS: Mapping[str, str] = {
    "runtime.name": "runtime",
    "runtime.threads": "threads",
    "scenario.mode": "mode",
    "state.governor": "governor",
    "state.tuning": "tuning",
    "state.cpus": "CPUs",
    "board.power_mode": "power mode",
}
"""Tags that must be the same, and what they are called. Not known on both sides is the same; known on one alone, as by
a result of an older version, it is named like a covariate.

Batch, input size, width, threads as asked for and the scenario are the same already: by them cells are put side by
side.
"""

UNTOLD: Mapping[str, str] = {"tuning": "none"}
"""Controls without a tag where there is nothing to tell: that is known, too."""

COVARIATES: Mapping[str, str] = {
    "runtime.version": "runtime version",
    "board.os": "OS",
    "board.kernel": "kernel",
    "board.firmware": "firmware",
    "board.cpu_model": "CPU model",
    "board.isolated_cpus": "isolated CPUs",
    "delegate": "delegate",
    "artifact.sha256": "artifact",
}
"""Tags that a comparison should not depend on, and what they are called where they do differ."""
