"""What a study is told and refused, without running one."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hydra.errors import MissingConfigException
from hydra.types import RunMode
from omegaconf import DictConfig

from orchestrator import adaptive, config
from orchestrator.errors import ConfigError
from orchestrator.measurement import Measurement
from orchestrator.verdict import Verdict
from tests.config.composing import loader


def master(*words: str) -> DictConfig:
    return loader().load_configuration("config", ["hydra.runtime.config_sources=[]", *words], RunMode.MULTIRUN)


def measured(**metrics: float) -> Measurement:
    return Measurement(metrics, {}, {}, (), Verdict("valid"), {})


@pytest.fixture(scope="module")
def study() -> DictConfig:
    return master("hydra/sweeper=optuna")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["hydra.sweeper.storage=sqlite:///x.db"], "SQLAlchemy"),
        (["objective=[latency/median_ms,model/size_bytes]"], "direction has 1 and objective has 2"),
        (
            ["objective=latency/medain_ms"],
            "'latency/medain_ms' is no metric. did you mean 'latency/median_ms'",
        ),
        (["hydra.sweeper.direction=[minimize,maximize]"], "direction has 2 and objective has 1"),
    ],
)
def test_what_cannot_work_is_refused_before_it_begins(words: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        adaptive.prepare(master("hydra/sweeper=optuna", *words))


def test_optuna_is_told_none_and_other_sweepers_nan(study: DictConfig) -> None:
    """Optuna's sweeper ends with a traceback on NaN, and takes None for a failed trial."""
    basic, one, two = master(), ["a"], ["a", "b"]
    assert adaptive.nothing(study, 1) is None and adaptive.nothing(study, 2) is None
    assert math.isnan(adaptive.nothing(basic, 1))
    assert adaptive.value(study, measured(a=1.0), one) == 1.0
    assert adaptive.value(study, measured(a=1.0, b=2.0), two) == [1.0, 2.0]
    assert adaptive.value(study, measured(a=1.0), two) is None
    assert math.isnan(adaptive.value(basic, measured(), one))
    assert adaptive.is_whole(basic) and not adaptive.is_whole(study)
    assert not adaptive.is_whole(master("hydra.sweeper.max_batch_size=2"))


def test_what_breaks_a_limit_is_told_as_worse_than_anything_the_worse_the_more() -> None:
    """Lower is better; a sweeper that ranks finds its way back to what keeps the limits."""
    study = master("hydra/sweeper=optuna", "quality.max_drop=0.01", "constraints.size_mb=1")
    names = ["latency/median_ms"]

    def told(drop: float, ms: float = 1.0, size: float = 1e5) -> float:
        metrics = {"latency/median_ms": ms, "quality/drop": drop, "model/size_bytes": size}
        return float(adaptive.value(study, Measurement(metrics, {}, {}, (), Verdict("valid"), {}), names))

    assert told(0.01, ms=500.0) == 500.0
    assert 500.0 < told(0.02) < told(0.5)
    assert told(0.0, size=2e6) > 500.0
    unknown = Measurement({"latency/median_ms": 1.0, "model/size_bytes": 1.0}, {}, {}, (), Verdict("valid"), {})
    assert adaptive.value(study, unknown, names) >= adaptive.REFUSED
    more = master("hydra/sweeper=optuna", "hydra.sweeper.direction=maximize", "quality.max_drop=0.01")
    assert adaptive.value(more, measured(**{"quality/drop": 0.5, "latency/median_ms": 1.0}), names) <= -adaptive.REFUSED


def test_a_study_in_which_nothing_keeps_the_limits_has_no_best(tmp_path: Path) -> None:
    file = tmp_path / adaptive.RESULTS_FILE
    file.write_text("name: optuna\nbest_params: {threads: 2}\nbest_value: 1.5e12\n")
    (line,) = adaptive.best(tmp_path, ["a"])
    assert line.startswith("none: no cell that was tried keeps the limits")
    two = "- {params: {threads: 1}, values: [1.5, 2.0]}\n- {params: {threads: 2}, values: [2.0e12, 2.0e12]}\n"
    file.write_text(f"name: optuna\nsolutions:\n{two}")
    assert adaptive.best(tmp_path, ["a", "b"]) == ["threads=1   (a=1.5 b=2)"]


def test_an_objective_that_is_no_metric() -> None:
    assert adaptive.unknown(["latency/median_ms", "energy/mean_power_w"]) == []
    (line,) = adaptive.unknown(["latency/medain_ms", "latency/p90_ms"])
    assert "did you mean 'latency/median_ms'?" in line and "throughput/inferences_per_s" in line


def test_the_best_of_one_and_of_several_objectives(tmp_path: Path) -> None:
    assert adaptive.best(tmp_path, ["a"]) == []
    file = tmp_path / adaptive.RESULTS_FILE
    file.write_text("name: optuna\nbest_params: {threads: 2, optimization: int8}\nbest_value: 1.23456\n")
    assert adaptive.best(tmp_path, ["a"]) == ["threads=2 optimization=int8   (a=1.235)"]
    file.write_text("name: optuna\nsolutions:\n" + "- {params: {threads: 1}, values: [1.5, 2.0]}\n" * 2)
    assert adaptive.best(tmp_path, ["a", "b"]) == ["threads=1   (a=1.5 b=2)"]


@pytest.mark.parametrize(
    "error", [ValueError("No trials are completed yet."), FileNotFoundError(2, "no", "/x/optimization_results.yaml")]
)
def test_a_study_without_any_result_ends_in_words(error: Exception) -> None:
    with pytest.raises(ConfigError, match="none is the best"), adaptive.explained():
        raise error
    with pytest.raises(ValueError, match="another"), adaptive.explained():
        raise ValueError("another")


def test_without_the_extra_the_error_says_how_to_install_it() -> None:
    with pytest.raises(ConfigError, match=r"pip install 'edge-orchestrator\[optuna\]'"), config.explained():
        raise MissingConfigException("", "hydra/sweeper/optuna", ["basic"])
