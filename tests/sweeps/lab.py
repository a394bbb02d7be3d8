"""A lab for whole sweeps: its own devices on real servers, its own root, the command line as users call it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from tests.sshd import Sshd

if TYPE_CHECKING:
    from mlflow.entities import Run

PROJECT = Path(__file__).parent.parent.parent
# Windows as short as they can be: these tests are about what happens, not about the numbers.
TINY = (
    *("scenario.processes=2", "scenario.warmup_s=0.05", "scenario.window_s=0.2"),
    *("scenario.end_to_end_s=0.05", "scenario.energy_s=0", "scenario.idle_s=0"),
)


@dataclass(frozen=True, slots=True)
class Done:
    """A finished invocation: exit status, everything it printed, and what it left on the disk."""

    status: int
    text: str
    sweep: Path | None

    def results(self) -> list[dict[str, Any]]:
        files = sorted(self.sweep.glob("*/result.json"), key=lambda p: int(p.parent.name)) if self.sweep else []
        return [json.loads(file.read_text()) for file in files]

    def by_device(self) -> dict[str, dict[str, Any]]:
        return {result["axes"]["device"]: result for result in self.results()}

    def log(self) -> str:
        return (self.sweep / "sweep.log").read_text() if self.sweep else ""


@dataclass(slots=True)
class Lab:
    """Where everything of a test lies."""

    folder: Path
    cache: Path
    environment: dict[str, str] = field(default_factory=dict)
    tracking: str = "none"  # a fresh MLflow store takes seconds; tests that look into it say so

    @property
    def root(self) -> Path:
        return self.folder / "root"

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def add(self, name: str, server: Sshd, **settings: object) -> Path:
        """Add a device on a server; returns its work folder, which does not exist yet."""
        workdir = self.folder / f"board of {name}"  # with spaces on purpose
        device = {
            "name": name,
            "hosts": [f"127.0.0.1:{server.port}"],
            "identity_file": str(server.user_key),
            "known_hosts": str(server.pin(self.folder / f"known_hosts_{name}")),
            "workdir": str(workdir),
            "hold": f"test-{os.getpid()}-{name}",
            "connect_timeout_s": 5,
        }
        path = self.folder / "lab" / "device" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(device | settings))
        return workdir

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start the command line; ``root`` and the lab are given."""
        (self.folder / "lab").mkdir(parents=True, exist_ok=True)
        (self.home / ".ssh").mkdir(parents=True, exist_ok=True, mode=0o700)
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "ORCHESTRATOR_", "SSH_"))}
        environment |= {
            "HOME": str(self.home),
            "XDG_CACHE_HOME": str(self.cache),
            "ORCHESTRATOR_HOME": str(self.root),
            "MPLCONFIGDIR": str(self.cache / "matplotlib"),
            "COLUMNS": "200",
            **self.environment,
        }
        self.root.mkdir(exist_ok=True)
        if is_sweep(words) and self.tracking != "mlflow":
            words = (*words, f"tracking={self.tracking}")
        if is_sweep(words) and not any(word.startswith(("device=", "resume=")) for word in words):
            words = (*words, f"device.hold=test-{os.getpid()}")  # somebody may be using this machine's own board
        return subprocess.Popen(
            [sys.executable, "-m", "orchestrator", "--config-dir", str(self.folder / "lab"), *words],
            cwd=PROJECT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def finish(self, process: subprocess.Popen[str], timeout_s: float = 180.0) -> Done:
        """Wait for it; a hanging one is ended and fails the test."""
        try:
            text, _ = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGABRT)
            text, _ = process.communicate()
            raise AssertionError(f"it hung:\n{text}") from None
        return Done(process.returncode, text, self.last())

    def run(self, *words: str) -> Done:
        """Run a sweep with tiny windows."""
        return self.finish(self.start(*words, *(TINY if is_sweep(words) else ())))

    def runs(self) -> list[Run]:
        """All runs in the lab's MLflow store."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # MLflow's own, about SQLAlchemy
            from mlflow import MlflowClient

            client = MlflowClient(f"sqlite:///{self.root / 'mlflow.db'}")
            experiment = client.get_experiment_by_name("edge-orchestrator")
            assert experiment is not None
            assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"
            return list(client.search_runs([experiment.experiment_id], max_results=100))

    def last(self) -> Path | None:
        sweeps = sorted(self.root.glob("multirun/*/*"), key=lambda path: path.stat().st_mtime_ns)
        return sweeps[-1] if sweeps else None

    def wait_for(self, words: str, timeout_s: float = 90.0) -> None:
        """Until the log of the newest sweep says so; ``words`` are a regular expression."""
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            sweep = self.last()
            if sweep and (sweep / "sweep.log").is_file() and re.search(words, (sweep / "sweep.log").read_text()):
                return
            time.sleep(0.1)
        raise AssertionError(f"the log never said {words!r}")


def is_sweep(words: tuple[str, ...]) -> bool:
    """A first word without '=' is a verb."""
    return not words or "=" in words[0] or words[0].startswith("-")


def running(needle: str) -> list[str]:
    """Command lines of running processes that contain ``needle``."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if needle in line:
            found.append(line)
    return found
