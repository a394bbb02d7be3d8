"""MLflow: one parent run per sweep, one child run per cell.

``mlflow`` is imported on first use, in the thread that writes: it takes seconds. Only MlflowClient with explicit run
ids is used; the fluent API keeps a stack per thread and silently makes new runs.
"""

from __future__ import annotations

import contextlib
import getpass
import logging
import os
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.cell import Tracking
from orchestrator.errors import OrchestratorError, TrackingError
from orchestrator.redact import BLOT, redacted
from orchestrator.regression import trend
from orchestrator.regression.trend import Trend
from orchestrator.result import DONE, FAILED, INTERRUPTED, NOT_RUN, SKIPPED, Result, Sweep, load_sweep
from orchestrator.tracking import words
from orchestrator.tracking.seam import Receipt, TrackerAway
from orchestrator.tracking.staging import stage, stage_sweep

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient

RUN_STATUS = {DONE: "FINISHED", FAILED: "FAILED", INTERRUPTED: "KILLED"}
NIGHT = "history.night"
HISTORY = "history"
"""Role of the run that has a cell's nights as the steps of its metrics."""
WITHOUT_RUN = (SKIPPED, NOT_RUN)
SWEEP_STATUS = {"finished": "FINISHED", "failed": "FAILED", "interrupted": "KILLED"}
ENDED = frozenset({"FINISHED", "FAILED", "KILLED"})
EXPERIMENT_KIND = ("mlflow.experimentKind", "custom_model_development")  # the UI opens on runs, not on traces
LOCK_TIMEOUT_S = 120.0

# Read by mlflow when it is imported or called; what the user has set stays.
ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "15",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",  # 7 with backoff are 4 minutes per call to a dead server
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}


class MlflowTracker:
    """Keeps one client; not for several threads."""

    def __init__(self, tracking: Tracking, root: Path) -> None:
        self._root = root.absolute()
        self._uri = tracking.uri or os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{self._root / 'mlflow.db'}"
        self._experiment = tracking.experiment
        self._client: MlflowClient | None = None
        self._experiment_id = ""
        self._sweep: Sweep | None = None
        self._parent_id: str | None = None

    @property
    def where(self) -> str:
        return redacted(self._uri)

    def open_sweep(self, sweep: Sweep) -> None:
        self._sweep, self._parent_id = sweep, None
        with self._translated(f"sweep {sweep.id}"):
            self._parent()

    def deliver(self, result: Result) -> Receipt:
        with self._translated(result.short):
            parent_id = self._parent()
            if result.status in WITHOUT_RUN:  # no run of its own: listed on the parent when that is closed
                if result.attempt > 1:
                    self._supersede(result, parent_id)
                return Receipt(self.where, parent_id)
            return Receipt(self.where, self._deliver(result, parent_id))

    def close_sweep(self, sweep: Sweep) -> Receipt:
        with self._translated(f"summary of sweep {sweep.id}"):
            parent_id, client = self._parent(), self._connected()
            skipped = _skipped(sweep)
            text = sweep.directory / "comparison.md"
            comparison = text.read_text(encoding="utf-8") if text.is_file() else ""
            morning = sweep.directory / "morning.md"
            told = morning.read_text(encoding="utf-8") if morning.is_file() else ""
            note = words.sweep_note(sweep, skipped, comparison, told)
            for one in trend.read(sweep.directory):
                self._add_night(one)
            for key, value in {"mlflow.note.content": note, **words.recommended_tags(sweep)}.items():
                client.set_tag(parent_id, key, value)
            with tempfile.TemporaryDirectory(prefix="edge-orchestrator-") as folder:
                stage_sweep(sweep.directory, skipped, Path(folder))
                client.log_artifacts(parent_id, folder)
            end_ms = _ms(sweep.ended_s) if sweep.ended_s is not None else None
            client.set_terminated(parent_id, SWEEP_STATUS.get(sweep.status, "FINISHED"), end_ms)
            return Receipt(self.where, parent_id)

    def forget(self, sweep: Sweep) -> None:
        """Its runs go to MLflow's deleted ones; 'mlflow gc' removes those for good. History runs stay."""
        with self._translated(f"the end of sweep {sweep.id}"):
            client = self._connected()
            for run in list(self._all_with({"sweep.id": sweep.id})):  # before any of them is gone from its pages
                if run.data.tags.get("sweep.role") != HISTORY:
                    client.delete_run(run.info.run_id)

    def _add_night(self, one: Trend) -> None:
        """One more point on each line of the history run of a cell on a board; repeated, it is stored once."""
        from mlflow.entities import Metric, Param, RunTag

        client, at_ms = self._connected(), _ms(one.at_s)
        told = {"sweep.role": HISTORY, "cell.id": words.value_of(one.cell), "history.board": one.board}
        run = self._find(told)
        if run is None:
            run = client.create_run(
                self._experiment_id, at_ms, {"mlflow.source.name": "orchestrator", **told}, one.name
            )
        newest = int(run.data.tags.get(NIGHT, "0")) <= one.night  # an older night may be delivered late
        tags = {**one.tags, NIGHT: str(one.night)} if newest else {}
        client.log_batch(
            run.info.run_id,
            [Metric(words.name_of(key), value, at_ms, one.night) for key, value in one.metrics.items()],
            [Param(words.name_of(key), words.value_of(value, 500)) for key, value in one.params.items()]
            if not run.data.params
            else [],
            [RunTag(words.name_of(key), words.value_of(value)) for key, value in tags.items()],
            synchronous=True,
        )
        client.set_terminated(run.info.run_id, "FINISHED", at_ms)

    def _deliver(self, result: Result, parent_id: str) -> str:
        client = self._connected()
        run = self._find(words.identity(result))
        if run is None:
            tags = {**self._common_tags(), **words.identity(result), "mlflow.parentRunId": parent_id}
            run = client.create_run(self._experiment_id, _ms(result.started_s), tags, result.short)
        run_id = str(run.info.run_id)
        if run.info.status not in ENDED:
            self._log(run_id, result)
            with tempfile.TemporaryDirectory(prefix="edge-orchestrator-") as folder:
                stage(result, Path(folder))
                client.log_artifacts(run_id, folder)
            client.set_terminated(run_id, RUN_STATUS[result.status], _ms(result.ended_s))
        if result.attempt > 1:
            self._supersede(result, run_id)
        return run_id

    def _supersede(self, result: Result, run_id: str) -> None:
        """A cell has one result: the runs of its earlier attempts go to MLflow's deleted ones, and say which is it."""
        client, cell = self._connected(), {"sweep.id": result.sweep_id, "cell.number": str(result.number)}
        for run in self._all_with(cell):
            if run.info.run_id != run_id:
                client.set_tag(run.info.run_id, "superseded_by", run_id)
                if run.info.status not in ENDED:
                    client.set_terminated(run.info.run_id, "KILLED")
                client.delete_run(run.info.run_id)

    def _log(self, run_id: str, result: Result) -> None:
        """All in one batch at step 0. Repeated with the same time stamp, MLflow stores each value once."""
        from mlflow.entities import Metric, Param, RunTag

        end_ms = _ms(result.ended_s)
        self._connected().log_batch(
            run_id,
            [Metric(key, value, end_ms, 0) for key, value in words.metrics(result).items()],
            [Param(key, value) for key, value in words.params(result).items()],
            [RunTag(key, value) for key, value in words.cell_tags(result).items()],
            synchronous=True,
        )

    def _parent(self) -> str:
        """The sweep's run: found if an earlier delivery made it, else created."""
        if self._sweep is None:
            raise TrackingError("a result came before its sweep was opened")
        if self._parent_id is None:
            client, sweep = self._connected(), self._sweep
            run = self._find({"sweep.id": sweep.id, "sweep.role": "sweep"})
            if run is None:
                tags = {**self._common_tags(), **words.sweep_tags(sweep)}
                run = client.create_run(self._experiment_id, _ms(sweep.started_s), tags, sweep.id)
            self._parent_id = str(run.info.run_id)
        return self._parent_id

    def _find(self, tags: dict[str, str]) -> Run | None:
        """The run with these tags."""
        return next(self._all_with(tags), None)

    def _all_with(self, tags: dict[str, str]) -> Iterator[Run]:
        """Ids with quotes cannot stand in a filter, so they are compared here."""
        client = self._connected()
        quotable = {key: value for key, value in tags.items() if "'" not in value and "\\" not in value}
        text = " and ".join(f"tags.`{key}` = '{value}'" for key, value in quotable.items())
        token: str | None = None
        while True:
            page = client.search_runs([self._experiment_id], text, page_token=token)
            for run in page:
                if all(run.data.tags.get(key) == value for key, value in tags.items()):
                    yield run
            token = page.token
            if not token:
                return

    def _connected(self) -> MlflowClient:
        if self._client is None:
            _prepare()
            from mlflow.tracking import MlflowClient

            with self._alone():
                client = MlflowClient(tracking_uri=self._uri, registry_uri=self._uri)  # makes the tables
                self._experiment_id = self._experiment_of(client)
            self._client = client
        return self._client

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Two processes that initialise one new SQLite file at once destroy it ("_alembic_tmp_tags already exists")."""
        if not self._uri.startswith("sqlite:"):
            yield
            return
        from filelock import FileLock

        self._root.mkdir(parents=True, exist_ok=True)
        with FileLock(self._root / "mlflow.db.lock", timeout=LOCK_TIMEOUT_S):
            yield

    def _experiment_of(self, client: MlflowClient) -> str:
        from mlflow.exceptions import MlflowException

        found = client.get_experiment_by_name(self._experiment)
        if found is None:
            # With a server in between the server decides; a bare database freezes the path at creation: absolute.
            local = not self._uri.startswith(("http:", "https:", "databricks"))
            location = (self._root / "mlartifacts").as_uri() if local else None
            try:
                return str(client.create_experiment(self._experiment, location, dict([EXPERIMENT_KIND])))
            except MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise
                found = client.get_experiment_by_name(self._experiment)  # another controller was faster
        if found is None or found.lifecycle_stage != "active":
            raise TrackingError(
                f"the experiment {self._experiment!r} was deleted in {self.where}",
                hint="restore it in MLflow, or choose another with tracking.experiment=NAME",
            )
        if EXPERIMENT_KIND[0] not in found.tags:
            client.set_experiment_tag(found.experiment_id, *EXPERIMENT_KIND)
        return str(found.experiment_id)

    def _common_tags(self) -> dict[str, str]:
        tags = {"mlflow.source.name": "orchestrator", "mlflow.source.type": "LOCAL"}
        facts = self._sweep.facts if self._sweep else {}
        if self._sweep and self._sweep.reproduces:
            tags["reproduces"] = self._sweep.reproduces
        with contextlib.suppress(KeyError, OSError):  # a container's user without a name
            tags["mlflow.user"] = facts.get("user") or getpass.getuser()
        if commit := facts.get("git.commit") or _commit(self._root):
            tags["mlflow.source.git.commit"] = commit
        return tags

    @contextlib.contextmanager
    def _translated(self, what: str) -> Iterator[None]:
        """The one place where MLflow's exceptions, and those of what it stands on, become ours."""
        _prepare()
        known: tuple[type[Exception], ...] = (ImportError, OSError, ValueError, KeyError, *_foreign())
        try:
            yield
        except known as error:
            text = self._clean(" ".join(str(error).split()))[:400]
            kind = TrackerAway if _nobody_there(error) or text.startswith("API request to") else TrackingError
            hint = "check tracking.uri or MLFLOW_TRACKING_URI; 'python -m orchestrator sync' delivers later"
            if isinstance(error, ImportError):
                hint = "install what it names beside the orchestrator; 'python -m orchestrator sync' delivers later"
            raise kind(f"{self.where} did not take {what}: {text}", hint=hint) from error

    def _clean(self, text: str) -> str:
        """A message without the secrets of the address, also where it quotes only a part of that."""
        text = redacted(text.replace(self._uri, self.where))
        user, at, _ = self._uri.partition("://")[2].rpartition("@")
        query = self._uri.partition("://")[2].partition("?")[2]
        for secret in (user.partition(":")[2] if at else "", query):
            text = text.replace(secret, BLOT) if secret else text
        return text


def _foreign() -> tuple[type[Exception], ...]:
    """What MLflow and its store raise, beside what Python does; nothing where they cannot even be imported."""
    try:
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError
    except ImportError:
        return ()
    return (MlflowException, SQLAlchemyError)


def _nobody_there(error: BaseException) -> bool:
    with contextlib.suppress(ImportError):
        from requests import RequestException

        return any(isinstance(e, RequestException) for e in (error, error.__cause__, error.__context__))
    return False


def _prepare() -> None:
    """Quiet, private and impatient. Repeated cheaply: whoever resets the warnings filters undoes part of it."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    for name in ("mlflow", "alembic", "sqlalchemy.engine"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # its warnings quote addresses, with the tokens in them
    for module in ("mlflow", "alembic", "sqlalchemy", "google", "pydantic"):
        warnings.filterwarnings("ignore", module=rf"{module}(\..*)?$")


def _skipped(sweep: Sweep) -> list[Result]:
    try:
        return [result for result in load_sweep(sweep.directory)[1] if result.status in WITHOUT_RUN]
    except OrchestratorError as error:
        raise TrackingError(error.message, hint=error.hint) from error


def _commit(directory: Path) -> str | None:
    """The git commit of the user's working directory, if that is under git."""
    command = ["git", "-C", str(directory), "rev-parse", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


def _ms(seconds: float) -> int:
    return int(seconds * 1000)
