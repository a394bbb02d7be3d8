"""Against a real MLflow store in SQLite: structure, states, idempotency, a race at its birth, a server that is away."""

from __future__ import annotations

import gzip
import json
import logging
import socket
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from orchestrator.cell import Tracking
from orchestrator.errors import ConfigError, TrackingError
from orchestrator.result import INTERRUPTED, Result, Sweep, load_sweep
from orchestrator.tracking import TrackerAway, TrackingWriter, is_delivered, open_tracker, redeliver
from orchestrator.tracking.mlflow_tracker import MlflowTracker
from orchestrator.tracking.nothing import NoTracker
from tests.measurement.records import make_energy_pass, make_failed, make_record, make_result, make_skipped, make_sweep


@pytest.fixture(autouse=True)
def no_server_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store whose tables exist: making them takes a second or two each time."""
    root = tmp_path_factory.mktemp("store")
    with warnings.catch_warnings():
        MlflowTracker(Tracking(experiment="unused"), root).open_sweep(Sweep("unused", root, 0.0))
    return root / "mlflow.db"


@pytest.fixture
def root(tmp_path: Path, empty_store: Path) -> Path:
    (tmp_path / "mlflow.db").write_bytes(empty_store.read_bytes())
    return tmp_path


def client_of(root: Path) -> Any:
    warnings.filterwarnings("ignore", module="mlflow")  # of this client; the tracker's own stay checked
    from mlflow.tracking import MlflowClient

    return MlflowClient(f"sqlite:///{root / 'mlflow.db'}")


def runs(root: Path, text: str = "") -> list[Any]:
    client = client_of(root)
    experiment = client.get_experiment_by_name("edge-orchestrator")
    return list(client.search_runs([experiment.experiment_id], text, order_by=["attributes.start_time"]))


def send(root: Path, sweep: Sweep, results: list[Result]) -> None:
    writer = TrackingWriter(open_tracker(Tracking(), root))
    writer.open(sweep)
    for result in results:
        writer.submit(result)
    done = sweep.ended("failed", sweep.started_s + 60)
    done.write()
    writer.finish(done)
    assert writer.close(60) == []


def test_a_sweep_in_mlflow(root: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    at = root / "multirun" / "a" / "b"
    sweep = replace(make_sweep(at), reproduces="earlier:3")
    done, failed = make_result(at, 0), make_failed(at, 1, optimization="int8")
    skipped = make_skipped(at, 2, "no wheels for it", device="zero")
    stopped = replace(make_failed(at, 3, model="digits"), status=INTERRUPTED, error=None, reason="Ctrl-C")
    stopped.write(at / "3")
    (at / "comparison.md").write_text("## Sweep\n\n| side | by side |\n")
    (at / "comparison.html").write_text("<p>x</p>")
    send(root, sweep, [done, failed, skipped, stopped])

    (parent,) = runs(root, "tags.`sweep.role` = 'sweep'")
    children = {r.data.tags["cell.number"]: r for r in runs(root, f"tags.mlflow.parentRunId = '{parent.info.run_id}'")}
    assert {n: r.info.status for n, r in children.items()} == {"0": "FINISHED", "1": "FAILED", "3": "KILLED"}
    assert parent.info.status == "FAILED"
    assert parent.data.tags["mlflow.source.name"] == "orchestrator"
    assert parent.data.tags["mlflow.note.content"] == f"| side | by side |\n\n`{sweep.command}`"

    client = client_of(root)
    assert client.get_experiment(parent.info.experiment_id).tags["mlflow.experimentKind"] == "custom_model_development"
    child = children["0"]
    assert done.measurement is not None
    assert child.data.metrics == pytest.approx(done.measurement.metrics)
    assert child.data.params["delegate"] == "XNNPACK" and len(child.data.params) == 12
    assert {run.data.tags["reproduces"] for run in (parent, child)} == {"earlier:3"}
    assert child.data.tags["verdict"] == "valid" and child.data.tags["weights"] == "random"
    assert child.info.run_name == "pi4/mobilenetv2/none"
    assert child.info.end_time - child.info.start_time == 15_000
    files = {f.path for f in client.list_artifacts(child.info.run_id)}
    assert files == {"config.yaml", "log.txt", "record.json", "result.json", "samples.parquet"}
    assert {f.path for f in client.list_artifacts(parent.info.run_id)} == {
        *("comparison.html", "comparison.md", "skipped.json", "sweep.json")
    }
    assert children["1"].data.tags["error.message"] == "pi4-01 does not answer on port 22"
    assert {"log.txt", "error.txt"} <= {f.path for f in client.list_artifacts(children["1"].info.run_id)}
    assert children["3"].data.tags["cell.reason"] == "Ctrl-C"

    marker = json.loads((at / "0" / "delivered.json").read_text())
    assert marker == {"uri": f"sqlite:///{root / 'mlflow.db'}", "run_id": child.info.run_id}
    assert capfd.readouterr() == ("", "")
    assert caplog.text == ""

    assert redeliver(open_tracker(Tracking(), root), *load_sweep(at)) == []
    for result in (done, failed, skipped, stopped):
        assert result.directory is not None
        (result.directory / "delivered.json").unlink()
    (at / "0" / "log.txt").write_text("another text")  # what is stored and ended stays as it is
    assert redeliver(open_tracker(Tracking(), root), *load_sweep(at)) == []
    assert len(runs(root)) == 4
    (root / "down").mkdir()
    stored = Path(client.download_artifacts(child.info.run_id, "log.txt", str(root / "down")))
    assert stored.read_text() == "loaded\nmeasured\n"
    assert all(is_delivered(r.directory, marker["uri"]) for r in (done, failed, skipped, stopped))
    assert not is_delivered(done.directory, "http://elsewhere")


def test_a_delivery_cut_in_the_middle_is_completed(root: Path) -> None:
    at = root / "s"
    sweep, result = make_sweep(at), make_result(at)
    tracker = MlflowTracker(Tracking(), root)
    tracker.open_sweep(sweep)
    tracker._log(tracker._deliver(result, tracker._parent()), result)
    client = client_of(root)
    (child,) = runs(root, "tags.`sweep.role` = 'cell'")
    client.update_run(child.info.run_id, status="RUNNING")  # as after a kill before the last step
    again = MlflowTracker(Tracking(), root)
    again.open_sweep(sweep)
    assert again.deliver(result).run_id == child.info.run_id
    assert client.get_run(child.info.run_id).info.status == "FINISHED"
    assert len(client.get_metric_history(child.info.run_id, "latency/median_ms")) == 1


def test_a_second_attempt_is_a_run_of_its_own(root: Path) -> None:
    at = root / "s"
    sweep, first = make_sweep(at), make_failed(at, 0)
    second = replace(make_result(at, 0), started_s=first.started_s + 100, ended_s=first.started_s + 110)
    tracker = open_tracker(Tracking(), root)
    tracker.open_sweep(sweep)
    assert tracker.deliver(first).run_id != tracker.deliver(second).run_id


def test_ids_with_quotes_do_not_confuse_the_search(root: Path) -> None:
    at = root / "s"
    sweep = make_sweep(at)
    tracker = open_tracker(Tracking(), root)
    tracker.open_sweep(sweep)
    result = replace(make_result(at), cell_id="x/model.path='a' or \"b\" \\")
    assert tracker.deliver(result).run_id == tracker.deliver(result).run_id
    assert tracker.deliver(replace(result, cell_id="x/model.path='c'")).run_id != tracker.deliver(result).run_id


def test_raw_samples_and_a_large_record(root: Path) -> None:
    at = root / "s"
    sweep, result = make_sweep(at), make_result(at)
    record = make_record(1.5, runs=20_000, energy=make_energy_pass())
    (at / "0" / "record.json").write_text(json.dumps(record))
    tracker = open_tracker(Tracking(), root)
    tracker.open_sweep(sweep)
    run_id = tracker.deliver(result).run_id
    client = client_of(root)
    names = {f.path for f in client.list_artifacts(run_id)}
    assert {"record.json.gz", "power_trace.parquet", "power_trace.svg"} <= names and "record.json" not in names
    folder = root / "down"
    folder.mkdir()
    samples = pd.read_parquet(client.download_artifacts(run_id, "samples.parquet", str(folder)))
    invoke = samples[samples.phase == "invoke"]
    assert list(invoke[invoke.process == 1].duration_ns) == record["processes"][1]["invoke_ns"]
    power = pd.read_parquet(client.download_artifacts(run_id, "power_trace.parquet", str(folder)))
    assert list(power.columns) == ["t_s", "power_w", "source", "phase"]
    means = power.groupby("phase").power_w.mean()
    assert means["window 2"] == pytest.approx(6.2, rel=0.02) and means["idle after"] == pytest.approx(2.9, rel=0.02)
    assert power[power.phase == "window 1"].t_s.min() == pytest.approx(2.02, abs=0.2)  # since the pass began
    with gzip.open(client.download_artifacts(run_id, "record.json.gz", str(folder))) as file:
        assert json.load(file) == record


def test_a_deleted_experiment_is_explained(root: Path) -> None:
    sweep = make_sweep(root / "s")
    MlflowTracker(Tracking(), root).open_sweep(sweep)
    client = client_of(root)
    client.delete_experiment(client.get_experiment_by_name("edge-orchestrator").experiment_id)
    with pytest.raises(TrackingError, match=r"was deleted.*tracking\.experiment"):
        MlflowTracker(Tracking(), root).open_sweep(sweep)


def test_the_uri_of_the_environment_and_of_the_config(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://ada:secret@lab:5000/x")
    assert MlflowTracker(Tracking(), root).where == "http://***@lab:5000/x"
    assert MlflowTracker(Tracking(uri="sqlite:////a/b.db"), root).where == "sqlite:////a/b.db"


def test_kinds(root: Path) -> None:
    assert isinstance(open_tracker(Tracking(kind="none"), root), NoTracker)
    with pytest.raises(ConfigError, match=r"tracking\.kind=wandb is unknown.*mlflow, none"):
        open_tracker(Tracking(kind="wandb"), root)


def test_mlflow_stays_out_until_it_is_needed() -> None:
    code = (
        "import sys; from pathlib import Path; import orchestrator.tracking as t;"
        "from orchestrator.cell import Tracking;"
        "w = t.TrackingWriter(t.open_tracker(Tracking(), Path('.'))); w.close(5);"
        "print(sorted({'mlflow', 'pandas', 'pyarrow', 'sqlalchemy', 'requests'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


RACE = """
import os, sys
from pathlib import Path
from orchestrator.cell import Tracking
from orchestrator.tracking import TrackingWriter, mlflow_tracker, open_tracker
from tests.measurement.records import make_result, make_sweep

mlflow_tracker._prepare()
import alembic.command, mlflow.tracking, mlflow.store.tracking.sqlalchemy_store  # once, not eight times

def run(root, number):
    at = root / str(number)
    sweep = make_sweep(at, id=f"sweep-{number}")
    writer = TrackingWriter(open_tracker(Tracking(), root))
    writer.open(sweep)
    writer.submit(make_result(at, sweep_id=sweep.id))
    writer.finish(sweep.ended("finished", sweep.started_s + 20))
    return writer.close(150)

children = []
for number in range(8):
    child = os.fork()
    if child == 0:
        left = run(Path(sys.argv[1]), number)
        print(left, flush=True)
        os._exit(len(left))
    children.append(child)
sys.exit(sum(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children))
"""


def test_eight_controllers_on_a_store_that_does_not_exist_yet(tmp_path: Path) -> None:
    command = [sys.executable, "-c", RACE, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert (done.returncode, done.stderr, done.stdout.split()) == (0, "", ["[]"] * 8)
    assert len(runs(tmp_path)) == 16


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def test_a_server_that_is_away_loses_nothing_and_holds_up_nobody(root: Path, closed_port: int) -> None:
    at = root / "s"
    sweep = make_sweep(at)
    results = [make_result(at, n, optimization=o) for n, o in enumerate(("none", "float16", "int8"))]
    uri = f"http://ada:secret@127.0.0.1:{closed_port}"
    began = time.monotonic()
    writer = TrackingWriter(open_tracker(Tracking(uri=uri), root))
    writer.open(sweep)
    for result in results:
        writer.submit(result)
    assert time.monotonic() - began < 1
    writer.finish(sweep.ended("finished", 1.0))
    left = writer.close(60)
    assert time.monotonic() - began < 15
    assert [u.result for u in left] == [*results, None]
    assert all("127.0.0.1" in u.reason and "secret" not in u.reason for u in left), left
    assert not list(at.glob("*/delivered.json"))

    assert redeliver(open_tracker(Tracking(), root), *load_sweep(at)) == []
    assert len(runs(root, "tags.`sweep.role` = 'cell'")) == 3


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


def test_a_server_that_hangs_is_left_behind_when_time_is_up(root: Path, silent_port: int) -> None:
    at = root / "s"
    sweep, result = make_sweep(at), make_result(at)
    writer = TrackingWriter(open_tracker(Tracking(uri=f"http://127.0.0.1:{silent_port}"), root))
    writer.open(sweep)
    writer.submit(result)
    began = time.monotonic()
    (left,) = writer.close(1.5)
    assert time.monotonic() - began < 3
    assert left.result == result and "not done 1.5 s after the end" in left.reason


class Flaky(NoTracker):
    """Refuses what it is told to."""

    def __init__(self, *refused: int, bug: bool = False) -> None:
        self.refused, self.bug, self.taken = set(refused), bug, list[int]()

    def deliver(self, result: Result) -> Any:
        if result.number in self.refused:
            self.refused.discard(result.number)
            raise TrackingError("disk full")
        self.taken.append(result.number)
        return super().deliver(result)


def test_what_was_refused_is_tried_again_at_the_end(tmp_path: Path) -> None:
    tracker = Flaky(0)
    writer = TrackingWriter(tracker)
    for number in (0, 1):
        writer.submit(make_result(tmp_path, number))
    writer.finish(make_sweep(tmp_path))
    assert writer.close(5) == []
    assert tracker.taken == [1, 0]


def test_after_a_timeout_the_others_are_spared_it_until_the_end(tmp_path: Path) -> None:
    class Away(Flaky):
        asked = 0

        def deliver(self, result: Result) -> Any:
            self.asked += 1
            if self.asked == 1:
                raise TrackerAway("nobody there")
            return super().deliver(result)

    tracker = Away()
    writer = TrackingWriter(tracker)
    for number in (0, 1, 2):
        writer.submit(make_result(tmp_path, number))
    while tracker.asked == 0:
        time.sleep(0.01)
    time.sleep(0.1)
    assert tracker.asked == 1
    writer.finish(make_sweep(tmp_path))
    assert writer.close(5) == []
    assert tracker.taken == [0, 1, 2]


def test_without_a_second_chance_it_is_reported(tmp_path: Path) -> None:
    writer = TrackingWriter(Flaky(0))
    writer.submit(make_result(tmp_path, 0))
    (left,) = writer.close(5)
    assert left.reason == "disk full" and left.what == "pi4/mobilenetv2/none"


def test_tracking_waits_for_its_turn(tmp_path: Path) -> None:
    gate = threading.Lock()
    tracker = Flaky()
    writer = TrackingWriter(tracker, lambda: gate)
    with gate:
        writer.submit(make_result(tmp_path, 0))
        time.sleep(0.2)
        assert tracker.taken == []
    assert writer.close(5) == [] and tracker.taken == [0]


def test_a_bug_in_a_tracker_costs_nothing_but_that_delivery(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Flaky):
        def deliver(self, result: Result) -> Any:
            if result.number == 0:
                raise ZeroDivisionError("http://ada:secret@h/x?token=secret")
            return super().deliver(result)

    tracker = Broken()
    writer = TrackingWriter(tracker)
    for number in (0, 1):
        writer.submit(make_result(tmp_path, number))
    (left,) = writer.close(5)
    assert left.reason == "ZeroDivisionError: http://***@h/x?***" and tracker.taken == [1]
    assert "Traceback" in caplog.text and "secret" not in caplog.text
    assert capfd.readouterr() == ("", "")


def test_a_store_without_its_driver_is_refused_in_words(root: Path) -> None:
    at = root / "s"
    sweep, result = make_sweep(at), make_result(at)
    writer = TrackingWriter(open_tracker(Tracking(uri="postgresql+nosuch://usr:pw@127.0.0.1/db"), root))
    writer.open(sweep)
    writer.submit(result)
    writer.finish(sweep)
    left = writer.close(60)
    assert [u.result for u in left] == [result, None]
    assert all("postgresql+nosuch://***@127.0.0.1/db" in u.reason and "pw" not in u.reason for u in left), left


def test_a_missing_module_is_named(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for driver in ("psycopg", "psycopg2"):
        monkeypatch.setitem(sys.modules, driver, None)
    tracker = MlflowTracker(Tracking(uri="postgresql://usr:pw@127.0.0.1/db"), root)
    with pytest.raises(TrackingError, match=r"psycopg.*\(install what it names"):
        tracker.open_sweep(make_sweep(root / "s"))


@pytest.mark.parametrize(
    "uri",
    ["http://127.0.0.1:{port}/x?token=s3cret", "http://usr:s3cret@127.0.0.1:{port}", "http://u:s3@cret@h.invalid"],
)
def test_no_secret_of_an_address_leaves_the_tracker(
    root: Path, closed_port: int, caplog: pytest.LogCaptureFixture, uri: str
) -> None:
    caplog.set_level(logging.INFO)
    tracker = MlflowTracker(Tracking(uri=uri.format(port=closed_port)), root)
    assert "cret" not in tracker.where
    with pytest.raises(TrackingError) as caught:
        tracker.open_sweep(make_sweep(root / "s"))
    assert "cret" not in str(caught.value) + caplog.text


class Slow(NoTracker):
    def __init__(self) -> None:
        self.go = threading.Event()

    def deliver(self, result: Result) -> Any:
        self.go.wait(30)
        return super().deliver(result)


@pytest.mark.parametrize("before", [True, False])
def test_who_presses_ctrl_c_does_not_wait_for_a_slow_tracker(
    tmp_path: Path, before: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.tracking.writer.STOPPED_BEFORE_S", 1.0)
    tracker, stop = Slow(), threading.Event()
    writer = TrackingWriter(tracker)
    writer.submit(make_result(tmp_path, 0))
    timer = threading.Timer(0.0 if before else 0.5, stop.set)
    timer.start()
    if before:
        timer.join()
    began = time.monotonic()
    (left,) = writer.close(60, stop)
    took_s = time.monotonic() - began
    assert took_s == pytest.approx(1.0 if before else 2.5, abs=0.4)
    assert left.reason.startswith("not done ") and left.result is not None
    tracker.go.set()


def test_ctrl_c_before_the_end_still_leaves_time_to_deliver(tmp_path: Path) -> None:
    tracker, stop = Slow(), threading.Event()
    stop.set()
    writer = TrackingWriter(tracker)
    writer.submit(make_result(tmp_path, 0))
    threading.Timer(0.5, tracker.go.set).start()
    assert writer.close(60, stop) == []
