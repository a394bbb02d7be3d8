"""MLflow's server on a real PostgreSQL, as a lab of several controllers has it: down, up again, and nothing twice."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.cell import Tracking
from orchestrator.result import Result, load_sweep
from orchestrator.tracking import open_tracker, sync
from orchestrator.tracking.stored import redeliver
from tests.measurement.records import make_result, make_sweep
from tests.sshd import free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))


class Postgres:
    """A cluster of its own. As root it runs as nobody, since PostgreSQL refuses root."""

    def __init__(self, folder: Path) -> None:
        self.bin, self.data, self.port = BINARIES[-1].parent, folder / "data", free_port()
        folder.mkdir(mode=0o755)
        self._as: list[str] = []
        if os.geteuid() == 0:
            shutil.chown(folder, "nobody", "nogroup")
            self._as = ["runuser", "-u", "nobody", "--"]
        self._run("initdb", "--pgdata", str(self.data), "--username", "edge", "--auth", "trust", "--no-sync")
        self.start()

    def start(self) -> None:
        options = f"-p {self.port} -h 127.0.0.1 -k {self.data}"
        log = str(self.data / "log")
        self._run("pg_ctl", "--pgdata", str(self.data), "--wait", "--log", log, "--options", options, "start")

    def stop(self) -> None:
        """At once, as a machine does that loses its power."""
        self._run("pg_ctl", "--pgdata", str(self.data), "--mode", "immediate", "stop")

    def _run(self, program: str, *words: str) -> None:
        done = subprocess.run([*self._as, str(self.bin / program), *words], capture_output=True, cwd="/", text=True)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    if not BINARIES:
        pytest.skip("needs PostgreSQL (Debian: postgresql)")
    folder = Path("/tmp") / f"edge-postgres-{os.getpid()}"
    made = Postgres(folder)
    yield made
    with contextlib.suppress(AssertionError):
        made.stop()
    shutil.rmtree(folder)


@pytest.fixture
def server(postgres: Postgres, tmp_path: Path) -> Iterator[str]:
    """MLflow's own server in front of it."""
    port, store = free_port(), f"postgresql://edge@127.0.0.1:{postgres.port}/postgres"
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", store, "--port", str(port)]
    command += ["--host", "127.0.0.1", "--workers", "1", "--artifacts-destination", str(tmp_path / "artifacts")]
    environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with (tmp_path / "server.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        assert answers(port, time.monotonic() + 90), (tmp_path / "server.log").read_text()
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def answers(port: int, until: float) -> bool:
    while time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
        time.sleep(0.2)
    return False


def test_a_database_that_goes_down_in_between_loses_nothing_and_doubles_nothing(
    tmp_path: Path, postgres: Postgres, server: str
) -> None:
    root = tmp_path / "root"
    sweep = make_sweep(root / "multirun" / "2026-11-24" / "15-23-07-4f34cd")
    results = [make_result(sweep.directory, number, 10.0 + number) for number in range(6)]
    sweep.ended("finished", time.time()).write()
    tracking = Tracking(uri=server)
    assert not redeliver(open_tracker(tracking, root), sweep, results[:2])
    postgres.stop()
    left = redeliver(open_tracker(tracking, root), sweep, results, timeout_s=90)
    assert {missing.result.number for missing in left if missing.result} == {2, 3, 4, 5}
    postgres.start()
    for _ in range(2):  # the second finds everything there
        done = sync(sweep.directory, root, server, named=True)
        assert done.complete, [(item.what, item.reason) for item in done.left]
    runs = runs_in(server)
    cells = Counter(run.data.tags["cell.number"] for run in runs if run.data.tags["sweep.role"] == "cell")
    assert cells == {str(number): 1 for number in range(6)}
    assert {run.info.status for run in runs} == {"FINISHED"}
    _, stored = load_sweep(sweep.directory)
    assert {medians(runs)[str(r.number)] for r in stored} == {median(r) for r in stored}


def medians(runs: list[Any]) -> dict[str, float]:
    return {
        run.data.tags["cell.number"]: run.data.metrics["latency/median_ms"]
        for run in runs
        if run.data.tags["sweep.role"] == "cell"
    }


def median(result: Result) -> float:
    assert result.measurement is not None
    return result.measurement.metrics["latency/median_ms"]


@pytest.mark.filterwarnings("ignore")
def runs_in(uri: str) -> list[Any]:
    from mlflow import MlflowClient

    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("edge-orchestrator")
    assert experiment is not None
    return list(client.search_runs([experiment.experiment_id], max_results=100))
