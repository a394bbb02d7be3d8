"""What is open is listed, accepted board by board, and told to a tracker once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from orchestrator.cell import Tracking
from orchestrator.console import terminal
from orchestrator.errors import ConfigError
from orchestrator.gatekeeper import accept, alarms, listed
from orchestrator.regression import trend
from orchestrator.regression.cell import outcomes
from orchestrator.regression.entry import Entry
from orchestrator.regression.question import Rerun
from orchestrator.regression.series import Series
from orchestrator.regression.trend import Trend
from orchestrator.result import Sweep
from orchestrator.tracking import open_tracker
from tests.regression.nights import DAY_S, LATENCY, case, entry, history, judged, noisy

NEW = {"artifact": "a2", "covariates": {"artifact": "a2"}}
OTHER = {"board": "pi4-02", "serial": "s2"}


def kept(root: Path, entries: Sequence[Entry]) -> None:
    for one in entries:
        Series(root).add(one)


def alarmed(number: int, **board: str) -> list[Entry]:
    """Ten nights or so of a board, and an alarm."""
    past = history(noisy(number), **board)
    made = case(
        past, entry(number, 22.0, **NEW, **board), Rerun(entry(number, 22.0, **board), entry(number, 20.0, **board))
    )
    return [*past, judged(made)]


def test_an_alarm_of_each_board_is_listed_and_accepted_by_itself(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept(tmp_path, [*alarmed(10), *(one for one in alarmed(12, **OTHER))])
    # Two boards in one night are two cells of a sweep in truth; here only what is read back matters.
    found = alarms(tmp_path)
    assert {one.board for one in found} <= {"pi4-01", "pi4-02"} and found
    assert listed(terminal(), tmp_path) == 0 and "pi4" in capsys.readouterr().out
    assert accept(terminal(), tmp_path, ["pi4/*"], False, "why not") == 0
    assert alarms(tmp_path) == []
    with pytest.raises(ConfigError, match="no open alarm"):
        accept(terminal(), tmp_path, [], True, "")


def test_a_night_that_says_nothing_closes_no_alarm(tmp_path: Path) -> None:
    past = alarmed(10)
    kept(tmp_path, past)
    unsure = entry(11, 30.0, verdict="invalid", reasons=("was throttled",))
    kept(tmp_path, [unsure.judged(outcomes(case(past, unsure).judged()))])
    (one,) = alarms(tmp_path)
    assert (one.metric, one.board, one.since) == (LATENCY, "pi4-01", "night10")


def test_which_cells_has_to_be_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="which cells"):
        accept(terminal(), tmp_path, [], False, "")


def test_lines_with_odd_ends_and_torn_ones_lose_nothing(tmp_path: Path) -> None:
    odd = entry(0, None, error="RuntimeError: a\u2028b\u0085c\u2029d")
    kept(tmp_path, [odd])
    with Series(tmp_path).path(odd.cell).open("a") as file:
        file.write('{"version": 1, "cell": "torn')
    kept(tmp_path, [entry(1, 20.0)])
    assert [one.night for one in Series(tmp_path).read(odd.cell)] == ["night0", "night1"]
    assert Series(tmp_path).read(odd.cell)[0].error == odd.error


def test_a_history_run_has_a_step_for_each_night_however_often_it_is_delivered(tmp_path: Path) -> None:
    """Also where an older night comes late, and where the cell is called something with quotes."""
    from mlflow import MlflowClient

    tracker = open_tracker(Tracking(), tmp_path)
    for night in (1, 3, 2, 3):
        sweep = Sweep(f"s{night}", tmp_path / f"s{night}", night * DAY_S, status="finished", night=True)
        sweep.write()
        gate = {"gate": "regression" if night == 3 else "passed", "gate.why": f"night {night}"}
        point = Trend(
            "pi4/o'neill's", "pi4-01", "history", night, night * DAY_S, {LATENCY: 20.0 + night}, {"a": "b"}, gate
        )
        trend.write(sweep.directory, [point])
        tracker.open_sweep(sweep)
        tracker.close_sweep(sweep)
    client = MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    (experiment,) = [one for one in client.search_experiments() if one.name != "Default"]
    runs = client.search_runs([experiment.experiment_id], "tags.`sweep.role` = 'history'")
    assert len(runs) == 1 and runs[0].data.tags["gate"] == "regression"
    points = client.get_metric_history(runs[0].info.run_id, LATENCY)
    assert sorted((point.step, point.value) for point in points) == [(1, 21.0), (2, 22.0), (3, 23.0)]
    tracker.forget(Sweep("s2", tmp_path / "s2", 0.0))
    left = client.search_runs([experiment.experiment_id])
    assert sorted(run.data.tags.get("sweep.id", "history") for run in left) == ["history", "s1", "s3"]
