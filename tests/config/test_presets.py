"""The shipped presets: every cell of theirs composes, and the command line wins."""

from __future__ import annotations

from pathlib import Path

import pytest
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode

from orchestrator import config
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
