"""The shipped presets: every cell of theirs composes, and the command line wins."""

from __future__ import annotations

from pathlib import Path

import pytest
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode

from orchestrator import adaptive, config
from tests.config.composing import loader

PRESETS = sorted(path.stem for path in (config.conf_directory() / "experiment").glob("*.yaml") if path.stem != "search")
CELLS = {"quickstart": 8, "quantization_study": 20, "threads_study": 6, "nightly": 6, "calibrate": 3}
CELLS |= {"optimization_study": 14, "runtime_study": 6}
ADAPTIVE = {"search"}
"""Presets of which a sweeper chooses the cells."""
SCENARIO = {"nightly": "standard", "calibrate": "calibration"}


@pytest.fixture(autouse=True)
def no_lab(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORCHESTRATOR_LAB", "")


def cells_of(root: Path, preset: str, *words: str) -> list[config.Job]:
    """Cells with every choice at least once: all of them would take seconds."""
    source = loader()
    given = ["hydra.job.name=orchestrator", "hydra.runtime.config_sources=[]", f"root={root}", f"+experiment={preset}"]
    made = source.load_configuration("config", given, RunMode.MULTIRUN)
    made.hydra.overrides.task = [f"+experiment={preset}", *words]
    assert config.cells_asked(source, made) == CELLS[preset] * (2 if words else 1)
    params = [f"{key}={value}" for key, value in made.hydra.sweeper.params.items()]
    parsed = OverridesParser.create().parse_overrides([*params, f"+experiment={preset}", *words])
    (batch,) = BasicSweeper.split_arguments(parsed, None)
    some, seen = [], set()
    for cell in batch:
        if not seen.issuperset(cell):
            some.append(cell)
            seen.update(cell)
    return config.compose_cells(source, made, some, 0)


def test_the_presets_are_known() -> None:
    assert set(PRESETS) == set(CELLS)
    shipped = {path.stem for path in (config.conf_directory() / "experiment").glob("*.yaml")}
    assert shipped == set(CELLS) | ADAPTIVE


@pytest.mark.parametrize("preset", PRESETS)
def test_every_choice_of_a_preset_composes(tmp_path: Path, preset: str) -> None:
    jobs = cells_of(tmp_path, preset, "device=pi4,pi5")
    assert {job.cell.axes["device"] for job in jobs} == {"pi4", "pi5"}
    assert {job.cell.axes["scenario"] for job in jobs} == {SCENARIO.get(preset, "quick")}


def test_the_search_is_optunas_and_every_choice_of_it_composes(tmp_path: Path) -> None:
    """A sweeper that conf/config.yaml itself chose with an override would win over a preset's."""
    source = loader()
    given = ["hydra.job.name=orchestrator", "hydra.runtime.config_sources=[]", f"root={tmp_path}", "+experiment=search"]
    made = source.load_configuration("config", given, RunMode.MULTIRUN)
    assert adaptive.is_optuna(made) and made.hydra.sweeper.sampler._target_.startswith("optuna.samplers.")
    adaptive.prepare(made)
    params = {key: str(value)[len("choice(") : -1].split(",") for key, value in made.hydra.sweeper.params.items()}
    words = [[f"{key}={value}"] for key, values in params.items() for value in values]
    jobs = config.compose_cells(source, made, [["+experiment=search", *some] for some in words], 0)
    assert {job.cell.settings.quality.max_drop for job in jobs} == {0.01} and len(jobs) == 15
    plain = source.load_configuration("config", given[:-1], RunMode.MULTIRUN)
    assert adaptive.is_whole(plain) and plain.hydra.sweeper._target_.endswith("MatrixSweeper")
