"""A stored cell's configuration is the same settings again, or it is refused."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import yaml

from orchestrator.config import changed_keys, revived
from orchestrator.errors import ConfigError
from orchestrator.unattended import Night
from tests.config.composing import jobs


def stored(tmp_path: Path, *words: str) -> Path:
    """The folder of a cell, as a sweep leaves it."""
    (job, *_) = jobs(tmp_path, words)
    job.save()
    return job.cell.directory


def changed(folder: Path, **keys: object) -> None:
    """Set, or with None take out, keys of the stored configuration."""
    path = folder / "config.yaml"
    config = yaml.safe_load(path.read_text())
    for key, value in keys.items():
        *parents, leaf = key.split("__")
        node = config
        for parent in parents:
            node = node[parent]
        if value is None:
            del node[leaf]
        else:
            node[leaf] = value
    path.write_text(yaml.safe_dump(config))


@pytest.mark.parametrize(
    "words",
    [
        ["device=pi4", "device.hosts=[me@a:22,b]", "optimization=pruned_int8", "scenario=standard", "threads=4"],
        ["model=factory", "model.factory=m:f", "+model.arguments.alpha=1e-05", "seed=7", "scenario.window_s=0.25"],
        ["+experiment=nightly", "device=local", "input_size=96", "runtime=onnxruntime", "tracking.uri=http://h:80/x"],
    ],
)
def test_what_is_stored_comes_back_exactly(tmp_path: Path, words: list[str]) -> None:
    (was, *_) = jobs(tmp_path, words)
    was.save()
    now = revived(was.cell.directory, tmp_path, None)
    assert now.notes == ()
    kept = {
        "exclude": [],
        "include": [],
        "objective": "latency/median_ms",
        "baseline": "none",
        "priority": 0,
        "night": Night(),
    }
    assert now.job.cell.settings == dataclasses.replace(was.cell.settings, root=str(tmp_path), **kept)  # type: ignore[arg-type]
    assert now.job.cell.id == was.cell.id
    assert now.job.cell.directory != was.cell.directory
    now.job.save()
    again = revived(now.job.cell.directory, tmp_path, None).job.cell
    assert (again.settings, again.id) == (now.job.cell.settings, was.cell.id)


def test_the_board_of_a_pool(tmp_path: Path) -> None:
    folder = stored(tmp_path, "device=pi4", "device.hosts=[me@a:2,b]", "tracking=none")
    assert revived(folder, tmp_path, "a:2").job.cell.settings.device.hosts == ["me@a:2"]
    gone = revived(folder, tmp_path, "c")
    assert gone.job.cell.settings.device.hosts == ["me@a:2", "b"] and "board c" in gone.notes[0]
    moved = revived(folder, tmp_path, "b", ["device.hosts=[x,y]", "tracking=mlflow"]).job
    assert moved.cell.settings.device.hosts == ["x", "y"]
    assert moved.cell.settings.tracking.kind == "mlflow"
    assert moved.cell.id == revived(folder, tmp_path, "b").job.cell.id
    assert revived(folder, tmp_path, "b").job.cell.settings.tracking.kind == "none"


def test_what_would_measure_something_else_is_refused(tmp_path: Path) -> None:
    folder = stored(tmp_path, "model=digits")
    for word in ("threads=2", "scenario.window_s=9", "device=pi5", "device.python=python3.12", "+seed=1"):
        with pytest.raises(ConfigError, match=r"would change what is measured") as caught:
            revived(folder, tmp_path, None, [word])
        assert "device.hosts=" in str(caught.value.hint)


def test_an_older_version_is_filled_up_and_says_so(tmp_path: Path) -> None:
    folder = stored(tmp_path, "scenario=standard")
    changed(folder, scenario__mode=None, device__tune=None, tracking=None)
    now = revived(folder, tmp_path, None)
    assert "scenario.mode=single_stream" in now.notes[0] and "device.tune=Tune(" in now.notes[0]
    assert now.job.cell.settings.tracking.kind == "mlflow"


def test_keys_that_nobody_knows_are_named(tmp_path: Path) -> None:
    folder = stored(tmp_path)
    changed(folder, scenario__spin_s=3, turbo=True, device__tags={"*": ["fan"]})
    with pytest.raises(ConfigError, match=r"does not know: scenario\.spin_s, turbo \(they"):
        revived(folder, tmp_path, None)
    (folder / "config.yaml").unlink()
    with pytest.raises(ConfigError, match=r"config\.yaml cannot be read"):
        revived(folder, tmp_path, None)


def test_secrets_that_were_not_kept(tmp_path: Path) -> None:
    folder = stored(tmp_path, "tracking.uri=http://me:word@h/")
    now = revived(folder, tmp_path, None)
    assert now.job.cell.settings.tracking.uri is None and "credentials" in now.notes[0]
    changed(folder, model__path="http://***@h/x")
    with pytest.raises(ConfigError, match=r"secrets were not kept: model\.path"):
        revived(folder, tmp_path, None)


MINE = ["model=factory", "model.factory=m:f"]


@pytest.mark.parametrize(
    ("before", "now", "keys"),
    [
        ([], [], []),
        ([], ["tracking.uri=http://h:80", "device.connect_timeout_s=3", "baseline=int8"], []),
        ([], ["threads=2", "scenario.window_s=9"], ["scenario.window_s", "threads"]),
        (MINE, [*MINE, "+model.arguments.layers=8"], ["model.arguments.layers"]),
        ([*MINE, "+model.arguments.layers=8"], MINE, ["model.arguments.layers"]),
        ([*MINE, "+model.arguments.layers=8"], [*MINE, "+model.arguments.layers=9"], ["model.arguments.layers"]),
        (["runtime=tensorrt"], ["runtime=tensorrt", "+runtime.options.fp16=true"], ["runtime.options.fp16"]),
        ([], ["quality.samples=5"], ["quality.samples"]),
        ([], ["device.meter.kind=shelly", "device.meter.address=a"], ["device.meter.address", "device.meter.kind"]),
    ],
)
def test_what_would_be_another_measurement(tmp_path: Path, before: list[str], now: list[str], keys: list[str]) -> None:
    path = stored(tmp_path / "then", *before) / "config.yaml"
    (job, *_) = jobs(tmp_path / "now", now)
    assert sorted(changed_keys(job, path)) == keys
