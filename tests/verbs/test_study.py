"""A search under limits: what Optuna is told, where it goes by that, when it is ended, and what it says at the end."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra.types import RunMode
from omegaconf import DictConfig

from orchestrator import adaptive
from orchestrator.errors import ConfigError
from orchestrator.gates import Gates
from orchestrator.study import MORE_PATIENCE, PATIENCE, Study
from orchestrator.verdict import Verdict
from tests.config.composing import loader
from tests.measurement.records import make_failed, make_result

MS = ["latency/median_ms"]


def master(*words: str) -> DictConfig:
    return loader().load_configuration("config", ["hydra.runtime.config_sources=[]", *words], RunMode.MULTIRUN)


def study_of(*words: str, sweeper: str = "optuna") -> Study:
    config: Any = master(f"hydra/sweeper={sweeper}", *words)
    return Study(config, config)


def told(study: Study, number: int, ms: float, drop: float | None, *overrides: str, **more: float) -> Any:
    made = make_result(Path("/nowhere"), number, ms, write=False)
    assert made.measurement is not None
    metrics = {"latency/median_ms": ms, **({} if drop is None else {"quality/drop": drop}), **more}
    missing = {"quality/drop": "its weights are random", "energy/per_inference_mj": "no sensor"}
    return study.told(replace(made, measurement=replace(made.measurement, metrics=metrics, missing=missing)), overrides)


def test_what_breaks_a_limit_is_told_as_worse_than_all_that_keep_them_the_worse_the_more() -> None:
    study = study_of("quality.max_drop=0.01", "constraints.size_mb=1")
    size = {"model/size_bytes": 1e5}
    assert told(study, 0, 500.0, 0.01, **size) == 500.0
    values = [told(study, 1, 1.0, drop, **size) for drop in (0.02, 0.5)]
    values += [told(study, 1, 1.0, 0.5, **{"model/size_bytes": 9e6}), told(study, 1, 1.0, None, **size)]
    assert 1e9 < values[0] < values[1] < values[2] < values[3], "what is not known is worst"
    more = study_of("quality.max_drop=0.01", "hydra.sweeper.direction=maximize")
    assert told(more, 0, 1.0, 0.5) < told(more, 0, 1.0, 0.1) < 0 < told(more, 0, 1.0, 0.01)
    both = "hydra.sweeper.direction=[minimize,maximize]", "objective=[latency/median_ms,quality/drop]"
    few, many = told(study_of("quality.max_drop=0.01", *both), 0, 1.0, 0.5)
    assert few > 1e9 and many < -1e9


def test_invalid_failed_and_unmeasured_cells_are_failed_trials() -> None:
    study = study_of("quality.max_drop=0.01")
    made = make_result(Path("/nowhere"), 0, write=False)
    assert made.measurement is not None
    invalid = replace(made, measurement=replace(made.measurement, verdict=Verdict("invalid", ("x",))))
    assert study.told(None, ()) is None and study.told(invalid, ()) is None
    assert study_of("objective=quality/top1").told(made, ()) is None


def test_a_failed_cell_has_no_value(tmp_path: Path) -> None:
    assert study_of().told(make_failed(tmp_path, 0), ()) is None


CELLS = {"none": (10.0, 0.0), "dynamic_range": (7.0, 0.005), "int8": (3.0, 0.02), "pruned": (2.0, 0.3)}
"""Milliseconds and drop: they are faster the more they lose."""


def searched(sampler: str, gates: Gates, trials: int = 100) -> tuple[float, int]:
    """The best value of a study over CELLS and threads, and how many of its last 40 trials break a limit of 0.01."""
    import optuna

    made: dict[str, Any] = {
        "tpe": lambda: optuna.samplers.TPESampler(seed=1),
        "nsgaii": lambda: optuna.samplers.NSGAIISampler(seed=1, population_size=10),
        "cmaes": lambda: optuna.samplers.CmaEsSampler(seed=1),
    }
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    config, search = master("hydra/sweeper=optuna"), optuna.create_study(sampler=made[sampler]())
    broke = []
    for _ in range(trials):
        trial = search.ask()
        if sampler == "cmaes":  # knows no categories
            name = list(CELLS)[trial.suggest_int("optimization", 0, 3)]
        else:
            name = trial.suggest_categorical("optimization", list(CELLS))
        ms, drop = CELLS[name]
        metrics = {"latency/median_ms": ms * (1 + 0.1 * trial.suggest_int("threads", 1, 4)), "quality/drop": drop}
        broke.append(drop > 0.01)
        search.tell(trial, adaptive.value(config, metrics, MS, gates.judged(metrics, {})))
    return float(search.best_value), sum(broke[-40:])


@pytest.mark.filterwarnings("ignore")  # this Optuna is older than its libraries
@pytest.mark.parametrize("sampler", ["tpe", "nsgaii", "cmaes"])
def test_optuna_leaves_what_breaks_a_limit(sampler: str) -> None:
    best, broke = searched(sampler, Gates(max_drop=0.01))
    assert best == pytest.approx(7.7), "dynamic_range on one thread"
    unlimited, more = searched(sampler, Gates())
    assert unlimited == pytest.approx(2.2) and 2 * broke < more


def test_what_the_settings_leave_out_cannot_be_searched_for() -> None:
    with pytest.raises(ConfigError, match=r"'energy/per_inference_mj', and scenario.energy_s=0 leaves that out"):
        study_of("objective=energy/per_inference_mj", "scenario.energy_s=0")
    with pytest.raises(ConfigError, match=r"'energy/per_inference_mj', and scenario.energy_s=0"):
        study_of("constraints.energy_mj=3", "scenario.energy_s=0")
    with pytest.raises(ConfigError, match=r"'quality/drop', and quality.samples=0"):
        study_of("quality.max_drop=0.1", "quality.samples=0")
    study_of("quality.max_drop=0.1", "quality.samples=0", sweeper="basic")  # no search: it is measured all the same


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["objective=energy/per_inference_mj"], "3 cells has energy/per_inference_mj, objective: no sensor"),
        (["quality.max_drop=0.01"], "3 cells has quality/drop, what a limit is about: its weights are random"),
    ],
)
def test_a_search_for_what_no_cell_has_is_ended(words: list[str], said: str) -> None:
    study = study_of(*words)
    for number in range(PATIENCE):
        study.must_lead_somewhere(("threads",))
        told(study, number, 1.0, None)
    study.must_lead_somewhere(("threads", "device"))  # another device may have it
    with pytest.raises(ConfigError, match=said):
        study.must_lead_somewhere(("threads",))
    for number in range(PATIENCE, MORE_PATIENCE):
        told(study, number, 1.0, None)
    with pytest.raises(ConfigError, match="none of the first 10 cells"):
        study.must_lead_somewhere(("threads", "device"))
    told(study, 11, 1.0, 0.0, **{"energy/per_inference_mj": 1.0})
    study.must_lead_somewhere(("threads",))
    matrix = study_of(*words, sweeper="basic")
    for number in range(PATIENCE):
        told(matrix, number, 1.0, None)
    matrix.must_lead_somewhere(("threads",))


def test_no_difference_at_all_is_an_answer() -> None:
    study = study_of("quality.min_sqnr_db=30")
    made = make_result(Path("/nowhere"), 0, 5.0, write=False)
    assert made.measurement is not None
    missing = {"quality/sqnr_db": "no difference at all from the float model"}
    for number in range(PATIENCE):
        measured = replace(made.measurement, missing=missing)
        assert study.told(replace(made, number=number, measurement=measured), ()) < 1e9
    study.must_lead_somewhere(())


def test_the_end_says_the_best_that_keeps_the_limits_and_how_many_broke_which(tmp_path: Path) -> None:
    study = study_of("quality.max_drop=0.01", "constraints.latency_ms=100")
    uncertain = {"quality/drop_low": 0.0, "quality/drop_high": 0.012}
    told(study, 0, 7.0, 0.006, "model=digits", "optimization=int8", "threads=2", **uncertain)
    told(study, 1, 2.0, 0.3, "model=digits", "optimization=pruned", "threads=2")
    told(study, 2, 200.0, 0.3, "model=digits", "optimization=pruned", "threads=1")
    told(study, 3, 9.0, None, "model=digits", "optimization=none", "threads=1")
    assert study.words(tmp_path) == []
    file = tmp_path / adaptive.RESULTS_FILE
    file.write_text("name: optuna\nbest_params: {optimization: int8, threads: 2}\nbest_value: 7.0\n")
    doubt = "drop up to 1.2 points > 1 allowed: not certain"
    assert study.words(tmp_path) == [
        ("best", f"optimization=int8 threads=2   (latency/median_ms=7)   {doubt}"),
        ("limits", "quality.max_drop: 2 of 4 cells break it, of 1 it is not known"),
        ("limits", "constraints.latency_ms: 1 of 4 cells break it"),
    ]


def test_a_search_in_which_nothing_keeps_the_limits_has_no_best(tmp_path: Path) -> None:
    study, file = study_of("quality.max_drop=0.01"), tmp_path / adaptive.RESULTS_FILE
    for number, drop in enumerate((0.3, 0.02)):
        told(study, number, 2.0, drop, f"threads={number}")
    file.write_text("name: optuna\nbest_params: {threads: 1}\nbest_value: 1.5e12\n")
    for _ in range(2):  # also from the file that was mended
        assert study.words(tmp_path)[:1] == [
            ("best", f"none: {adaptive.NONE_KEPT}; cell 1 breaks them least: drop 2 points > 1 allowed")
        ]
        assert yaml.safe_load(file.read_text()) == {"name": "optuna", "solutions": [], "note": adaptive.NONE_KEPT}
    two = "- {params: {threads: 1}, values: [1.5, 2.0]}\n- {params: {threads: 2}, values: [2.0e12, 2.0e12]}\n"
    file.write_text(f"name: optuna\nsolutions:\n{two}")
    assert [one.kept for one in adaptive.best(tmp_path, ["a", "b"]) or ()] == [True, False]
