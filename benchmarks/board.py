"""The built-in board with warm caches, as a sweep sees it, for benchmarks that measure one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from orchestrator import config
from orchestrator.artifact import Artifact
from orchestrator.builder import Builder, Recipe
from orchestrator.cache import cache_directory
from orchestrator.cell import Cell, Settings
from orchestrator.connection import LocalServer
from orchestrator.device import LOCAL, Board
from orchestrator.provisioning import Program
from orchestrator.session import Session, Workshop


@dataclass(frozen=True, slots=True)
class Bench:
    """An open session with everything for one cell on the board."""

    session: Session
    cell: Cell
    artifact: Artifact

    @property
    def environment(self) -> Path:
        """Where the runtime lies unpacked; the board is this machine."""
        _, environment = self.session.provision(self.cell, self.artifact.format, lambda _: None)
        if environment is None or self.session.facts is None:
            raise RuntimeError("the runtime was not pushed")
        return Path(self.session.facts.workdir) / "envs" / environment.digest


def cell(*overrides: str) -> Cell:
    """A validated cell of the built-in board."""
    config.register()
    with initialize_config_dir(str(config.conf_directory()), version_base="1.3"):
        composed = compose("config", overrides=[f"device={LOCAL}", *overrides])
    values: dict[str, Any] = {name: composed[name] for name in Settings.__dataclass_fields__}
    plain: dict[str, Any] = {n: OmegaConf.to_object(v) if OmegaConf.is_config(v) else v for n, v in values.items()}
    return Cell(0, Settings(**plain), Path("/nonexistent"))


@contextmanager
def deployed(*overrides: str) -> Iterator[Bench]:
    """A session on the built-in board with the cell's artifact and runtime in place."""
    wanted = cell(*overrides)
    s = wanted.settings
    recipe = Recipe.of(
        s.model, s.optimization, batch_size=s.batch_size, input_size=s.input_size, width=s.width, seed=s.seed
    )
    with Builder(cache_directory()) as builder:
        artifact = builder.build(recipe)
    with LocalServer() as server:
        workshop = Workshop(Program.built(cache_directory()), cache_directory(), "benchmark", server)
        session = Session(Board(s.device, LOCAL), workshop, threading.Event())
        session.open(lambda _: None, wait_s=300.0)
        try:
            session.deploy(wanted, artifact, lambda _: None)
            yield Bench(session, wanted, artifact)
        finally:
            session.close()
