"""Old nights make room, and nothing else does."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.errors import ConfigError
from orchestrator.nightly.retention import DAY_S, forget_old, must_be_there
from orchestrator.result import Sweep, write_json
from orchestrator.tracking import DELIVERED_FILE

NOW_S = 1_767_225_600.0


def stored(root: Path, name: str, days: float, **known: object) -> Path:
    """A sweep of so many days ago, without cells."""
    directory = root / "multirun" / "2026-01-01" / name
    fields = {"status": "finished", "night": True, "tracking": {"kind": "none"}, **known}
    Sweep(name, directory, NOW_S - days * DAY_S, **fields).write()  # type: ignore[arg-type]
    return directory


def test_what_is_older_goes_and_what_is_not_a_night_or_pinned_or_running_stays(tmp_path: Path) -> None:
    old = stored(tmp_path, "old", 31)
    kept = [
        stored(tmp_path, "young", 29),
        stored(tmp_path, "pinned", 300),
        stored(tmp_path, "desk", 300, night=False),
        stored(tmp_path, "running", 300, status="running"),
    ]
    assert forget_old(tmp_path, NOW_S, 30, "pinned") == []
    assert not old.exists()
    assert all(path.is_dir() for path in kept)


def test_what_the_tracker_has_not_got_stays_and_is_told(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    tracking = {"kind": "mlflow", "experiment": "e", "where": ""}
    waiting = stored(tmp_path, "waiting", 40, tracking=tracking)
    (words,) = forget_old(tmp_path, NOW_S, 30, None)
    assert "has not got all of it" in words and waiting.is_dir()
    write_json(waiting / DELIVERED_FILE, {"uri": uri, "run_id": "1"})
    assert forget_old(tmp_path, NOW_S, 30, None) == []
    assert not waiting.exists()


def test_a_pinned_sweep_has_to_be_there(tmp_path: Path) -> None:
    stored(tmp_path, "20260101-good", 3)
    assert must_be_there(tmp_path, "20260101-good") == "20260101-good"
    assert must_be_there(tmp_path, None) is None
    with pytest.raises(ConfigError, match=r"gate\.pinned=nonsense"):
        must_be_there(tmp_path, "nonsense")
