"""Composes as Hydra does for the launcher, without running anything."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.utils import create_config_search_path
from hydra.core.config_loader import ConfigLoader
from hydra.core.utils import setup_globals
from hydra.types import RunMode
from omegaconf import DictConfig

from orchestrator import config
from orchestrator.cell import Settings
from orchestrator.config.cells import settings_of


def loader() -> ConfigLoader:
    """A loader over the search path of this process, lab included."""
    setup_globals()
    config.register()
    return ConfigLoaderImpl(create_config_search_path(str(config.conf_directory())))


def master(source: ConfigLoader, root: Path) -> DictConfig:
    """What Hydra hands a launcher: the composed configuration with its hydra node."""
    overrides = ["hydra.job.name=orchestrator", "hydra.runtime.config_sources=[]", f"root={root}"]
    with config.explained():
        return source.load_configuration("config", overrides, RunMode.MULTIRUN)


def settings_of_words(*words: str) -> Settings:
    """The settings that the words compose to, checked by nobody yet."""
    with config.explained():
        return settings_of(loader().load_configuration("config", list(words), RunMode.RUN))


def jobs(root: Path, *batch: Sequence[str]) -> list[config.Job]:
    """The validated jobs of a batch of overrides."""
    source = loader()
    return config.compose_cells(source, master(source, root), [[f"root={root}", *one] for one in batch], 0)
