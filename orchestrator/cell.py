"""A cell: one point of the matrix, with everything that decides how it is measured."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from orchestrator.device import Device
from orchestrator.limits import NAME, Between, Matching, NameOrNames, OneOf
from orchestrator.optimization import Optimization
from orchestrator.unattended import DURATION, HIGHEST, LOWEST, Gate, Night
from remote import contract

RUNTIMES = contract.RUNTIMES
RUNTIME_FORMATS = contract.RUNTIME_FORMATS
MODEL_KINDS = ("keras_application", "digits", "tiny", "file", "factory")
PREPROCESSING = ("auto", "none", "unit", "tf", "torch", "caffe")
TASKS = ("classification", "reconstruction")

AXES = ("device", "model", "optimization", "runtime", "threads", "batch_size", "input_size", "width", "scenario")
"""The coordinates of a cell in the matrix, in display order."""
NATIVE = "native"
"""An input size or a width that is the model's own, as text."""

_POSITIVE = r"(?=[\d.]*[1-9])\d*\.?\d+"
BATTERY = Matching(rf"{_POSITIVE}(@{_POSITIVE})?", "Wh, or Wh@INFERENCES_PER_SECOND: 37, or 37@0.5")
ENVIRONMENT = Matching(r"[0-9a-f]{32}", "the tag runtime.environment of an earlier run: 32 hexadecimal digits")
BASELINE = Matching(rf"[A-Za-z0-9][A-Za-z0-9_.-]{{0,63}}|({'|'.join(AXES)}):.+", "an optimization, or axis:value")


@dataclass(slots=True)
class Model:
    """What is benchmarked, before optimization."""

    name: Annotated[str, NAME]
    kind: Annotated[str, OneOf(MODEL_KINDS)]
    application: str | None = None  # a class of tf.keras.applications, for kind keras_application
    weights: str = "random"  # random | imagenet | path of a weights file
    path: str | None = None  # the user's own model, for kind file
    factory: str | None = None  # package.module:function that returns a keras.Model, for kind factory
    arguments: dict[str, Any] = field(default_factory=dict)  # of the factory, by keyword
    input_size: Annotated[int | None, Between(1, 4096)] = None  # pixels; None: what the file says
    # What it is calibrated and judged on: an ImageNet-style folder, or a .npz with inputs x (and labels y). None: the
    # training data of a model that is trained here, else seeded noise.
    data: str | None = None
    preprocessing: Annotated[str, OneOf(PREPROCESSING)] = "auto"  # from pixels to inputs; auto: the model's own
    evaluation_samples: Annotated[int, Between(1, 50_000)] = 500  # at most, of labelled data
    task: Annotated[str, OneOf(TASKS)] = "classification"  # what labels mean: a class; 1 for an anomaly
    description: str = ""


@dataclass(slots=True)
class Runtime:
    """What executes the artifact on the board. ``auto`` takes the first of ``candidates`` that the board can run."""

    name: Annotated[str, OneOf(("auto", *RUNTIMES))]
    candidates: list[str] = field(default_factory=list)
    install: Annotated[str, OneOf(("push", "system"))] = "push"
    xnnpack: Annotated[str, OneOf(("auto", "require", "off"))] = "auto"
    # An accelerator, which then is required: see DELEGATES in remote/contract.py. None: the CPU.
    delegate: Annotated[str | None, OneOf(contract.ALL_DELEGATES)] = None
    library: str | None = None  # path on the board of an external delegate's or the Edge TPU's library
    options: dict[str, str] = field(default_factory=dict)  # of the delegate, provider or engine, as it calls them
    environment: Annotated[str | None, ENVIRONMENT] = None  # wheels that were resolved before, instead of today's
    description: str = ""

    @property
    def names(self) -> list[str]:
        """The runtimes that may be taken: the one of that name, else the candidates that have the delegate."""
        if self.name != "auto":
            return [self.name]
        return [name for name in self.candidates if self.delegate in (None, *contract.DELEGATES.get(name, ()))]

    def called(self, name: str) -> str:
        """What tells the configurations of one runtime apart: ``litert+gpu``, ``tensorrt+fp16=true``."""
        library = Path(self.library).name if self.library and self.delegate == "external" else None
        parts = [library or self.delegate, "xnnpack-off" if self.xnnpack == "off" else None]
        parts += [f"{option}={value}" for option, value in sorted(self.options.items())]
        return "+".join([name, *(re.sub(r"[^\w.=-]", "_", part) for part in parts if part)])


@dataclass(slots=True)
class Scenario:
    """How a cell is measured. Durations in seconds, per process, but ``timeout_s``: of the whole cell."""

    name: Annotated[str, NAME]
    mode: Annotated[str, OneOf(contract.MODES)] = "single_stream"
    processes: Annotated[int, Between(1, 100)] = 3
    extra_processes: Annotated[int, Between(0, 100)] = 0  # for cells whose difference from their baseline is undecided
    cool_down_s: Annotated[float, Between(0, 3600)] = 60.0  # at most, until the board is below device.cool_to_c
    warmup_s: Annotated[float, Between(0, 600)] = 0.5
    warmup_runs: Annotated[int, Between(1, 100_000)] = 3
    window_s: Annotated[float, Between(0.05, 3600)] = 2.0
    max_window_s: Annotated[float, Between(0.05, 7200)] = 600.0  # where min_runs would take longer, there are fewer
    min_runs: Annotated[int, Between(1, 1_000_000)] = 10
    streams: Annotated[int | None, Between(1, 256)] = None  # of mode offline; None: as many as cores allow
    end_to_end_s: Annotated[float, Between(0, 600)] = 0.5
    pipeline_s: Annotated[float, Between(0, 600)] = 0.0  # decode, resize, ... postprocess one by one
    image: list[int] = field(default_factory=lambda: [1280, 720])  # pixels of the photograph that is decoded
    profile_runs: Annotated[int, Between(0, 100_000)] = 0  # own process; where the runtime has a profiler
    energy_s: Annotated[float, Between(0, 3600)] = 3.0  # of one window of its own pass, where something reads power
    energy_windows: Annotated[int, Between(1, contract.MAX_WINDOWS)] = 3
    idle_s: Annotated[float, Between(0, 600)] = 2.0  # before the first window, and again after the last
    timeout_s: Annotated[float, Between(1, 86400)] = 300.0
    description: str = ""


@dataclass(slots=True)
class Quality:
    """How well an artifact has to answer, on the board, to be recommended."""

    samples: Annotated[int | None, Between(0, 50_000)] = None  # answered on the board; None: all there are, 0: none
    max_drop: Annotated[float | None, Between(0, 1)] = None  # of top-1 accuracy or AUC against the float model
    min_sqnr_db: Annotated[float | None, Between(-100, 300)] = None  # against the float model's outputs


@dataclass(slots=True)
class Constraints:
    """What a cell must not exceed to be recommended; None: anything goes."""

    latency_ms: Annotated[float | None, Between(0, 1e9)] = None
    energy_mj: Annotated[float | None, Between(0, 1e9)] = None  # measured, per inference
    size_mb: Annotated[float | None, Between(0, 1e6)] = None  # of the artifact, 10^6 bytes


@dataclass(slots=True)
class Tracking:
    """Where results go besides the disk."""

    kind: Annotated[str, OneOf(("mlflow", "none"))] = "mlflow"
    uri: str | None = None  # None: MLFLOW_TRACKING_URI, else sqlite:///<root>/mlflow.db
    experiment: str = "edge-orchestrator"


@dataclass(slots=True)
class Settings:
    """The whole configuration of one cell, as Hydra composes it."""

    device: Device
    model: Model
    optimization: Optimization
    runtime: Runtime
    scenario: Scenario
    tracking: Tracking
    threads: Annotated[int, Between(1, 256)] = 1
    batch_size: Annotated[int, Between(1, 1024)] = 1
    input_size: Annotated[int | None, Between(1, 4096)] = None  # None: the model's own
    width: Annotated[float | None, Between(0.01, 4)] = None  # width multiplier; None: the model's own
    quality: Quality = field(default_factory=Quality)
    constraints: Constraints = field(default_factory=Constraints)
    seed: Annotated[int, Between(0, 2**31 - 1)] = 0
    baseline: Annotated[str, BASELINE] = "none"  # what the others are compared with: an optimization, or axis:value
    battery: Annotated[str | None, BATTERY] = None  # for the hours in the report: Wh, or Wh@INFERENCES_PER_SECOND
    interleave: Annotated[int, Between(1, 100)] = 8  # cells whose processes take turns on a board; 1: back to back
    objective: Annotated[Any, NameOrNames()] = "latency/median_ms"  # what an adaptive sweeper is told
    exclude: list[Any] = field(default_factory=list)  # rules; see config/rules.py, which checks them
    include: list[Any] = field(default_factory=list)
    budget: Annotated[str | None, DURATION] = None  # no cell is begun that would not end within it: 90m, 6h
    first: list[Any] = field(default_factory=list)  # rules, as those of exclude: which cells come first, in this order
    priority: Annotated[int, Between(LOWEST, HIGHEST)] = 0  # who gets a board between two turns: the higher one
    gate: Gate = field(default_factory=Gate)  # of a night: what got worse
    night: Night = field(default_factory=Night)  # a sweep that nobody watches
    dry_run: bool = False
    resume: str | None = None  # a sweep that ended early, to go on with: last, its id, or its folder
    root: str = "."


@dataclass(frozen=True, slots=True)
class Cell:
    """One Hydra job = one cell = one MLflow run."""

    number: int
    settings: Settings
    directory: Path  # of this cell's files, inside the sweep's
    extras: tuple[str, ...] = ()  # overrides that are no axis, such as scenario.window_s=5
    place: int = 0  # by the rules of ``first``: lower ones run earlier

    @property
    def axes(self) -> dict[str, str]:
        """The coordinates in the matrix, as text, in display order."""
        s = self.settings
        return {
            "device": s.device.name,
            "model": self.model_name,
            "optimization": s.optimization.name,
            "runtime": s.runtime.called(s.runtime.name),
            "threads": str(s.threads),
            "batch_size": str(s.batch_size),
            "input_size": str(self.input_size or NATIVE),
            "width": NATIVE if s.width is None else f"{s.width:g}",
            "scenario": s.scenario.name,
        }

    @property
    def model_name(self) -> str:
        """A user's own file is called by its stem."""
        model = self.settings.model
        return Path(model.path).stem if model.kind == "file" and model.path else model.name

    @property
    def input_size(self) -> int | None:
        """Pixels of a side: the axis, else the model's own; None where only the file knows."""
        return self.settings.input_size or self.settings.model.input_size

    @property
    def id(self) -> str:
        """Device kind and axes; the same experiment has the same id in every sweep."""
        a = self.axes
        words = [a["device"], a["model"], a["optimization"], a["runtime"]]
        words += [
            f"t{a['threads']}",
            f"b{a['batch_size']}",
            f"s{a['input_size']}",
            *([] if a["width"] == NATIVE else [f"w{a['width']}"]),
            a["scenario"],
        ]
        return "/".join([*words, *self.extras])

    @property
    def short(self) -> str:
        """For a line of a log or a table, where the other axes are understood."""
        a = self.axes
        return f"{a['device']}/{a['model']}/{a['optimization']}"
