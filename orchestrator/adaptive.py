"""What adaptive sweepers need beside a launcher: sweepers that choose the next cells by what the last ones came to."""

from __future__ import annotations

import contextlib
import logging
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, ListConfig

from orchestrator.errors import ConfigError
from orchestrator.gates import Gates
from orchestrator.guess import did_you_mean
from orchestrator.measurement import Measurement
from orchestrator.metrics import METRICS

WHOLE = (
    "hydra_plugins.edge_orchestrator.MatrixSweeper",
    "hydra._internal.core_plugins.basic_sweeper.BasicSweeper",
)
"""Sweepers that know all cells beforehand."""
OPTUNA = "hydra_plugins.hydra_optuna_sweeper.optuna_sweeper.OptunaSweeper"
RESULTS_FILE = "optimization_results.yaml"


def is_adaptive(master: DictConfig) -> bool:
    return str(master.hydra.sweeper._target_) not in WHOLE


def is_optuna(master: DictConfig) -> bool:
    return str(master.hydra.sweeper._target_) == OPTUNA


def is_whole(master: DictConfig) -> bool:
    """Whether one batch is the whole matrix."""
    return not is_adaptive(master) and master.hydra.sweeper.max_batch_size is None


def prepare(master: DictConfig) -> None:
    """Refuse what would fail in the middle of a study, and keep Optuna's own output from the terminal.

    Raises:
        ConfigError: the sweeper's settings cannot work here.
    """
    wrong = unknown(names(master.objective))
    if wrong and is_adaptive(master):
        raise ConfigError("\n".join(wrong))
    if not is_optuna(master):
        return
    sweeper = master.hydra.sweeper
    if sweeper.storage is not None:
        raise ConfigError(
            "hydra.sweeper.storage cannot be used: the database layer of this Optuna is older than MLflow's SQLAlchemy",
            hint="a study lives as long as its sweep; all of its cells are in the sweep's folder and in MLflow",
        )
    directions = len(sweeper.direction) if isinstance(sweeper.direction, ListConfig) else 1
    objectives = names(master.objective)
    if directions != len(objectives):
        raise ConfigError(
            f"hydra.sweeper.direction has {directions} and objective has {len(objectives)} entries",
            hint="'hydra.sweeper.direction=[minimize,maximize]' goes with objective=[latency/median_ms,model/sparsity]",
        )
    # What it says of trials would be wrong here: a skipped combination is no "Failed experiment".
    logging.getLogger("hydra_plugins.hydra_optuna_sweeper._impl").setLevel(logging.CRITICAL)
    if "optuna" in sys.modules:  # the sweeper has loaded it
        sys.modules["optuna"].logging.set_verbosity(logging.WARNING)


def names(objective: Any) -> list[str]:
    """One or more metrics."""
    return [str(name) for name in objective] if isinstance(objective, list | ListConfig) else [str(objective)]


def nothing(config: DictConfig, count: int) -> Any:
    """What a sweeper is told of a cell without a result, where it asks for ``count`` metrics.

    NaN, but None for Optuna's sweeper: it counts None as a failed trial and goes on, while NaN ends the study.
    """
    if is_optuna(config):
        return None
    return math.nan if count == 1 else [math.nan] * count


def value(config: DictConfig, measurement: Measurement, objectives: Sequence[str]) -> Any:
    """What a sweeper is told of a cell with a result.

    One that breaks a limit, or of which that is not known, is told as worse than any that keeps them, the worse the
    more it breaks them: a sweeper ranks cells, and so finds its way back. (Optuna's own constraints are attributes of
    trials, which Hydra's sweeper does not pass on.)
    """
    values = [measurement.metrics.get(name, math.nan) for name in objectives]
    judged = Gates.of(config.quality, config.constraints).judged(measurement.metrics, measurement.missing)
    if not judged.recommendable:
        worse = REFUSED * (1 + min(judged.excess, _MOST))
        values = [
            one if math.isnan(one) else sign * worse for one, sign in zip(values, _signs(config, values), strict=True)
        ]
    if any(math.isnan(one) for one in values) and is_optuna(config):
        return None
    return values[0] if len(values) == 1 else values


REFUSED = 1e12
"""Beyond any metric: what a cell that breaks a limit is told as, or more."""
_MOST = 1e6


def _signs(config: DictConfig, values: Sequence[float]) -> list[int]:
    """1 where less is better; what Optuna maximizes has -1."""
    direction = config.hydra.sweeper.get("direction", "minimize") if is_optuna(config) else "minimize"
    directions = list(direction) if isinstance(direction, ListConfig) else [direction] * len(values)
    return [-1 if str(one).rpartition(".")[2].lower() == "maximize" else 1 for one in directions]


def unknown(objectives: Sequence[str]) -> list[str]:
    """Objectives that are no metric, each as a line that says which are."""
    return [
        f"objective '{name}' is no metric. {did_you_mean(name, METRICS)}Metrics: {', '.join(METRICS)}"
        for name in objectives
        if name not in METRICS
    ]


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """The end of a study in which no cell had a result, in words."""
    try:
        yield
    except (ValueError, FileNotFoundError) as error:
        no_folder = isinstance(error, FileNotFoundError) and Path(str(error.filename)).name == RESULTS_FILE
        if no_folder or "No trials are completed" in str(error):
            raise ConfigError("no cell that the sweeper asked for has a result, so none is the best") from error
        raise


def best(directory: Path, objectives: Sequence[str]) -> list[str]:
    """What a study found, as lines; none where there was no study."""
    path = directory / RESULTS_FILE
    if not path.is_file():
        return []
    found = yaml.safe_load(path.read_text(encoding="utf-8"))
    if "best_params" in found:
        solutions = [{"params": found["best_params"], "values": [found["best_value"]]}]
    else:
        solutions = found["solutions"]
    kept = [one for one in solutions if all(abs(float(value)) < REFUSED for value in one["values"])]
    if not kept:
        return ["none: no cell that was tried keeps the limits (quality, constraints); see the table for the reasons"]
    lines = (f"{words(one['params'])}   ({words(dict(zip(objectives, one['values'], strict=True)))})" for one in kept)
    return list(dict.fromkeys(lines))  # of several objectives a point may stand there twice


def words(params: Mapping[str, Any]) -> str:
    """Parameters as overrides, to be pasted; numbers of a metric short."""
    return " ".join(f"{k}={v:.4g}" if isinstance(v, float) else f"{k}={v}" for k, v in params.items())
