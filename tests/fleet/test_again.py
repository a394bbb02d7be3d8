"""The last good artifact and runtime again: what is still there is taken, and what is not is said."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.builder import Builder, Recipe
from orchestrator.cell import Cell
from orchestrator.device import Device
from orchestrator.fleet.again import pairs
from orchestrator.result import Sweep
from tests.fleet.test_pool import digits
from tests.regression.nights import case, entry, history, noisy

DIGEST = "0123456789abcdef" * 2


@pytest.fixture
def cell(tmp_path: Path) -> Cell:
    """Of a pool of two."""
    found = digits()
    settings = replace(found.settings, device=Device("pi4", ["pi@pi4-01", "pi@pi4-02"]))
    return replace(found, settings=settings, directory=tmp_path / "0")


def in_cache(cache: Path, cell: Cell, **other: object) -> str:
    """An artifact that was built before, perhaps by another version of the builder; its key."""
    s = cell.settings
    recipe = replace(Recipe.of(s.model, s.optimization, runtime=s.runtime), **other)  # type: ignore[arg-type]
    folder = cache / "artifacts" / recipe.key
    folder.mkdir(parents=True)
    (folder / "model.tflite").write_bytes(b"a model")
    import hashlib

    sha256 = hashlib.sha256(b"a model").hexdigest()
    manifest = {"key": recipe.key, "sha256": sha256, "format": "tflite", "recipe": recipe.content, "evaluation": None}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return recipe.key


def wheels(cache: Path) -> None:
    folder = cache / "wheels" / DIGEST
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text("{}")


def suspicious(cell: Cell, key: str, digest: str | None = DIGEST):  # type: ignore[no-untyped-def]
    """Tonight is slower than ten nights with another artifact."""
    known = {"cell": cell.id, "artifact": key, "environment": digest}
    return case(history(noisy(10), **known), entry(10, 25.0, cell=cell.id, artifact="new", environment=DIGEST))


def test_both_sides_run_on_the_board_of_tonight_with_what_was_good(cell: Cell, tmp_path: Path) -> None:
    key = in_cache(tmp_path, cell, builder="of another version")
    wheels(tmp_path)
    sweep = Sweep("tonight", tmp_path / "sweep", 0.0)
    (pair,) = pairs(sweep, [suspicious(cell, key)], {cell.id: cell}, Builder(tmp_path))
    assert pair.now is not None and pair.last is not None and not pair.same
    for side in pair.entries:
        assert side.cell.settings.device.hosts == ["pi@pi4-01"]
        assert side.cell.settings.scenario.processes == 6
    assert pair.last.key == key != pair.now.key
    assert pair.last.cell.settings.runtime.environment == DIGEST
    assert pair.last.cell.settings.runtime.name == "litert"
    assert pair.now.cell.settings.runtime.environment is None
    assert len({pair.now.cell.number, pair.last.cell.number, cell.number}) == 3
    assert pair.now.cell.directory != pair.last.cell.directory


def test_what_is_gone_is_said_and_tonight_alone_is_run_again(cell: Cell, tmp_path: Path) -> None:
    sweep, builder = Sweep("tonight", tmp_path / "sweep", 0.0), Builder(tmp_path)
    (pair,) = pairs(sweep, [suspicious(cell, "a" * 64)], {cell.id: cell}, builder)
    assert pair.last is None and pair.why == "its artifact is not in the cache any more"
    key = in_cache(tmp_path, cell, builder="of another version")
    (pair,) = pairs(sweep, [suspicious(cell, key)], {cell.id: cell}, builder)
    assert pair.last is None and pair.why == "the wheels of its runtime are not in the cache any more"
    (pair,) = pairs(sweep, [suspicious(cell, key, None)], {cell.id: cell}, builder)
    assert pair.last is not None and pair.last.cell.settings.runtime == cell.settings.runtime


def test_the_same_artifact_and_wheels_are_run_again_alone(cell: Cell, tmp_path: Path) -> None:
    key = in_cache(tmp_path, cell)
    known = {"cell": cell.id, "artifact": key, "environment": DIGEST}
    made = case(history(noisy(10), **known), entry(10, 25.0, **known))
    (pair,) = pairs(Sweep("tonight", tmp_path, 0.0), [made], {cell.id: cell}, Builder(tmp_path))
    assert pair.same and pair.last is None and pair.now is not None


def test_a_board_that_is_no_host_any_more(cell: Cell, tmp_path: Path) -> None:
    settings = replace(cell.settings, device=Device("pi4", ["pi4-09"]))
    (pair,) = pairs(
        Sweep("tonight", tmp_path, 0.0),
        [suspicious(cell, "a" * 64)],
        {cell.id: replace(cell, settings=settings)},
        Builder(tmp_path),
    )
    assert pair.now is None and "pi4-01 is not among the boards" in pair.why
