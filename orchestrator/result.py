"""What a sweep and its cells came to, and the journal on disk that holds it before anything else sees it."""

from __future__ import annotations

import json
import logging
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from orchestrator.cell import NATIVE
from orchestrator.errors import BenchmarkFailed, ConfigError, MeasurementError, OrchestratorError, naming
from orchestrator.measurement import Measurement

log = logging.getLogger(__name__)

DONE, FAILED, SKIPPED, INTERRUPTED, NOT_RUN = "done", "failed", "skipped", "interrupted", "not run"
STATUSES = (DONE, FAILED, SKIPPED, INTERRUPTED, NOT_RUN)
"""NOT_RUN: its turn did not come within the budget of the sweep."""

OURS = {"BuildError", "ConnectionFailed", "AuthenticationFailed", "HostKeyMismatch", "BoardBusy", "BoardError"}
OURS |= {"BoardNotReady", "TransferFailed", "CommandFailed", "CommandTimedOut", "MeasurementError"}
"""Types of failures, in results of older versions, that are none of the benchmark's."""
SWEEP_FILE, RESULT_FILE = "sweep.json", "result.json"
VERSION = 1


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a cell has no number. ``traceback`` is for the log and the tracker, never for the terminal."""

    type: str
    message: str
    hint: str | None = None
    log: str | None = None
    traceback: str | None = None
    infrastructure: bool = False  # the benchmark did not fail by itself: worth another try

    @classmethod
    def of(cls, error: OrchestratorError) -> Failure:
        """From an expected failure; a benchmark's is called what the board called it."""
        if isinstance(error, BenchmarkFailed):
            return cls(error.kind or type(error).__name__, error.message, error.hint, error.log, error.trace or None)
        infrastructure = not isinstance(error, BenchmarkFailed)
        # A finer kind, as rooms have of their own, is for the code: people know the family in errors.
        known = next(kind for kind in type(error).__mro__ if kind.__module__ == OrchestratorError.__module__)
        return cls(known.__name__, error.message, error.hint, error.log, infrastructure=infrastructure)

    def __str__(self) -> str:
        return f"{self.type}: {self.message}" + (f" ({self.hint})" if self.hint else "")


@dataclass(frozen=True, slots=True)
class Result:
    """One cell's outcome. ``directory`` is where its files lie; it is not written, so that a sweep can be moved."""

    number: int
    sweep_id: str
    cell_id: str
    status: str
    axes: dict[str, str]
    started_s: float
    ended_s: float
    board: str | None = None
    measurement: Measurement | None = None
    error: Failure | None = None
    reason: str | None = None  # why it was skipped, interrupted or not run
    warnings: tuple[str, ...] = ()
    attempt: int = 1  # of the cell, over all processes that went on with the sweep
    retries: int = 0  # turns that were repeated because a link, a board or its supervisor went
    busy_s: float | None = None  # of the board: deploying and running, without waiting for builds or turns
    directory: Path | None = None

    def __post_init__(self) -> None:
        if self.status not in STATUSES:
            raise ValueError(f"status {self.status!r} is none of {', '.join(STATUSES)}")
        if self.status == DONE and self.measurement is None:
            raise ValueError("a result that is done has a measurement")

    @property
    def short(self) -> str:
        """``device/model/optimization``, as in Cell.short."""
        return "/".join(self.axes.get(axis, "?") for axis in ("device", "model", "optimization"))

    @property
    def why(self) -> str:
        """The reason of anything but ``done``, in one line."""
        return self.reason or (str(self.error) if self.error else "")

    def to_json(self) -> dict[str, Any]:
        data = {name: getattr(self, name) for name in self.__slots__ if name != "directory"}
        data["measurement"] = self.measurement.to_json() if self.measurement else None
        data["error"] = {n: getattr(self.error, n) for n in Failure.__slots__} if self.error else None
        return {"version": VERSION, **data}

    @classmethod
    def from_json(cls, data: Mapping[str, Any], directory: Path | None = None) -> Result:
        later = {"busy_s": None, "retries": 0, "attempt": 1, **data}
        fields = {name: later[name] for name in cls.__slots__ if name != "directory"}
        fields["axes"] = {"width": NATIVE, **fields["axes"]}  # older ones knew no other
        if fields["measurement"] is not None:
            fields["measurement"] = Measurement.from_json(fields["measurement"])
        if fields["error"] is not None:
            older = {"infrastructure": fields["error"]["type"] in OURS}
            fields["error"] = Failure(**{**older, **fields["error"]})
        fields["warnings"] = tuple(fields["warnings"])
        return cls(**fields, directory=directory)

    def write(self, directory: Path) -> Path:
        """Journal it as ``result.json`` in its cell's directory: atomic, and on the disk when this returns."""
        return write_json(directory / RESULT_FILE, self.to_json())


@dataclass(frozen=True, slots=True)
class Sweep:
    """One invocation. ``facts`` are about the controller (versions, git commit, user, command).

    ``tracking`` says where it belongs (see ``tracking.remembered``), ``controller`` which process runs it (see
    ``alive``), ``excluded`` how many cells each exclude rule dropped, ``given_up`` which boards were of no use, and
    why; ``reproduces`` the stored cell or run that it measures again, ``battery`` the one whose hours a report
    shows (see energy.battery), ``gates`` what a cell has to keep to be recommended (see gates), ``recommended`` what
    came of that in words, by what it is about. All are empty in what older versions wrote.
    """

    id: str
    directory: Path
    started_s: float
    command: str = ""
    baseline: str = "none"
    status: str = "running"  # running | finished | failed | interrupted
    ended_s: float | None = None
    facts: dict[str, str] = field(default_factory=dict)
    tracking: dict[str, str] = field(default_factory=dict)
    controller: dict[str, str] = field(default_factory=dict)
    excluded: dict[str, int] = field(default_factory=dict)
    given_up: dict[str, str] = field(default_factory=dict)
    reproduces: str = ""
    battery: str = ""
    gates: dict[str, float] = field(default_factory=dict)
    recommended: dict[str, str] = field(default_factory=dict)
    resumed: int = 0  # how many processes went on with it
    night: bool = False  # nobody watched: its cells are part of their history

    def to_json(self) -> dict[str, Any]:
        return {"version": VERSION, **{n: getattr(self, n) for n in self.__slots__ if n != "directory"}}

    @classmethod
    def from_json(cls, data: Mapping[str, Any], directory: Path) -> Sweep:
        since = ("tracking", "controller", "excluded", "given_up", "gates", "recommended")
        later = {**{name: {} for name in since}, "reproduces": "", "battery": "", "resumed": 0, "night": False, **data}
        return cls(**{name: later[name] for name in cls.__slots__ if name != "directory"}, directory=directory)

    def ended(self, status: str, ended_s: float) -> Sweep:
        return replace(self, status=status, ended_s=ended_s)

    def write(self, directory: Path | None = None) -> Path:
        """Journal it as ``sweep.json``: atomic, and on the disk when this returns."""
        return write_json((directory or self.directory) / SWEEP_FILE, self.to_json())


def write_json(path: Path, data: Mapping[str, Any]) -> Path:
    """Write to a temporary name beside ``path``, flush to the disk, rename: whole or not at all, also without power."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(data, indent=1, allow_nan=False, ensure_ascii=False)
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with naming(path), os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)  # mkstemp's 0600 would hide results from a lab's other users
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # the rename itself
    finally:
        os.close(folder)
    return path


def load_sweep(directory: Path) -> tuple[Sweep, list[Result]]:
    """A stored sweep and its results by cell number.

    Raises ConfigError where there is no sweep, MeasurementError where a file of it cannot be read.
    """
    path = directory / SWEEP_FILE
    if not path.is_file():
        raise ConfigError(
            f"{directory} is no sweep: it has no {SWEEP_FILE}", hint="sweeps lie in multirun/<date>/<time>"
        )
    sweep = _load(path, lambda data: Sweep.from_json(data, directory))
    results = [
        _load(file, lambda data, at=file.parent: Result.from_json(data, at))
        for file in directory.glob(f"*/{RESULT_FILE}")
    ]
    return sweep, sorted(results, key=lambda result: result.number)


def _load(path: Path, parse: Any) -> Any:
    try:
        return parse(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise MeasurementError(
            f"{path} cannot be read: {type(error).__name__}: {error}",
            hint="it was written by another version or changed by hand",
        ) from error


def find_sweep(root: Path, name: str) -> Path:
    """The directory of the sweep called ``last``, by its id (or the start of it), or by its path.

    Raises ConfigError where none, or more than one, is called that.
    """
    for path in (Path(name), root / name):
        if (path / SWEEP_FILE).is_file():
            return path.resolve()
    sweeps = {at: _identity(at / SWEEP_FILE) for at in stored_sweeps(root) if _readable(at / SWEEP_FILE)}
    if not sweeps:
        raise ConfigError(
            f"there is no sweep under {root / 'multirun'}", hint="run one with 'python -m orchestrator -m ...'"
        )
    if name == "last":
        return max(sweeps, key=lambda at: sweeps[at][1])
    exact = [at for at, (identity, _) in sweeps.items() if name in (identity, at.name)]
    found = exact or [at for at, (identity, _) in sweeps.items() if name and identity.startswith(name)]
    if len(found) == 1:
        return found[0]
    latest = sorted(sweeps.values(), key=lambda pair: pair[1])[-5:]
    if found:
        raise ConfigError(f"{len(found)} sweeps start with {name!r}", hint="write more of the id, or the path")
    raise ConfigError(f"there is no sweep {name!r} under {root}", hint=f"the latest: {', '.join(i for i, _ in latest)}")


def stored_sweeps(root: Path) -> list[Path]:
    """The directories of all sweeps under ``root``, the oldest day first; unreadable ones too."""
    return sorted(path.parent for path in root.glob(f"multirun/*/*/{SWEEP_FILE}"))


def _readable(path: Path) -> bool:
    """One damaged file must not hide the other sweeps; called by its path, it is still reported."""
    try:
        _identity(path)
    except MeasurementError as error:
        log.warning("left out: %s", error)
        return False
    return True


def _identity(path: Path) -> tuple[str, float]:
    return _load(path, lambda data: (str(data["id"]), float(data["started_s"])))  # type: ignore[no-any-return]
