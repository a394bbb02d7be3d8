"""What adaptive sweepers need beside a launcher: sweepers that choose the next cells by what the last ones came to."""

from __future__ import annotations

import contextlib
import logging
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, ListConfig

from orchestrator.errors import ConfigError
from orchestrator.gates import UNKNOWN, Judged
from orchestrator.guess import did_you_mean
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


def value(config: DictConfig, metrics: Mapping[str, float], objectives: Sequence[str], judged: Judged) -> Any:
    """What a sweeper is told of a cell with a result, ``judged`` by the limits.

    To Optuna one that breaks a limit is told as worse than any that keeps them, the worse the more it breaks them, and
    one of which that is not known as worse still. All its samplers rank what they are told (or, of several objectives,
    who dominates whom), so that the search leads back to what keeps the limits. A penalty in proportion to what was
    measured so far would not do: what was told cannot be taken back when a slower cell comes that keeps them. Optuna's
    own constraints are attributes of trials, which Hydra's sweeper does not pass on; and the sampler that it uses by
    default knows them only in versions that it does not support.

    Other sweepers may model values, and get them as they are.
    """
    values = [metrics.get(name, math.nan) for name in objectives]
    if not is_optuna(config):
        return values[0] if len(values) == 1 else values
    if not judged.recommendable:
        excess = _MOST if judged.outcome == UNKNOWN else min(judged.excess, _MOST / 2)
        values = [sign * REFUSED * (1 + excess) for sign in _signs(config, len(values))]
    if any(math.isnan(one) for one in values):
        return None
    return values[0] if len(values) == 1 else values


REFUSED = 1e12
"""Beyond any metric: what a cell that breaks a limit is told as, or more."""
_MOST = 1e6


def _signs(config: DictConfig, count: int) -> list[int]:
    """1 where less is better; what is maximized has -1."""
    direction = config.hydra.sweeper.direction
    directions = list(direction) if isinstance(direction, ListConfig) else [direction] * count
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


@dataclass(frozen=True, slots=True)
class Found:
    """What a study holds to be the best: parameters, and values by objective."""

    params: dict[str, Any]
    values: dict[str, float]

    @property
    def kept(self) -> bool:
        """Whether it keeps the limits: else the values are what was told instead of those measured."""
        return all(abs(value) < REFUSED for value in self.values.values())

    @property
    def words(self) -> str:
        return f"{words(self.params)}   ({words(self.values)})"


def best(directory: Path, objectives: Sequence[str]) -> list[Found] | None:
    """What a study found; None where there was no study.

    Where nothing keeps the limits, what was told instead of values is taken out of the sweeper's file.
    """
    path = directory / RESULTS_FILE
    if not path.is_file():
        return None
    stored = yaml.safe_load(path.read_text(encoding="utf-8"))
    if "best_params" in stored:
        pairs = [(stored["best_params"], [stored["best_value"]])]
    else:
        pairs = [(one["params"], one["values"]) for one in stored.get("solutions", [])]
    found = [Found(params, dict(zip(objectives, map(float, values), strict=True))) for params, values in pairs]
    if found and not any(one.kept for one in found):
        path.write_text(yaml.safe_dump({"name": stored["name"], "solutions": [], "note": NONE_KEPT}), encoding="utf-8")
    return found


NONE_KEPT = "no cell that was tried keeps the limits"


def words(params: Mapping[str, Any]) -> str:
    """Parameters as overrides, to be pasted; numbers of a metric short."""
    return " ".join(f"{k}={v:.4g}" if isinstance(v, float) else f"{k}={v}" for k, v in params.items())
