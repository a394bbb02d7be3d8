"""Composes and validates every cell of a batch before any board is touched."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig, OmegaConf, open_dict

from orchestrator.cell import Cell, Settings
from orchestrator.config.explain import explained, known_keys, refusal
from orchestrator.config.limits import problems
from orchestrator.errors import ConfigError
from orchestrator.redact import redacted

AXES = ("device", "model", "optimization", "runtime", "scenario", "threads", "batch_size", "input_size")
NOT_MEASURED = ("tracking", "root", "dry_run", "baseline", "objective", "experiment")
"""Overrides of these do not change what is measured, so they are no part of a cell's identity."""
NOT_MEASURED_OF_DEVICE = (
    *("hosts", "tags", "where", "user", "port", "identity_file", "known_hosts", "machine", "hold", "workdir"),
    *("board_model", "description"),
)


@dataclass(frozen=True, slots=True)
class Job:
    """A composed Hydra job: the cell, and what Hydra would have written about it."""

    cell: Cell
    config: DictConfig
    overrides: tuple[str, ...]

    def save(self) -> None:
        """Write ``.hydra/`` as Hydra does, and ``config.yaml``: everything resolved, secrets blotted out."""
        folder = self.cell.directory / ".hydra"
        folder.mkdir(parents=True, exist_ok=False)
        task = OmegaConf.masked_copy(self.config, [str(key) for key in self.config if key != "hydra"])
        hydra = OmegaConf.masked_copy(self.config, ["hydra"])
        (folder / "config.yaml").write_text(redacted(OmegaConf.to_yaml(task)))
        (folder / "hydra.yaml").write_text(redacted(OmegaConf.to_yaml(hydra)))
        (folder / "overrides.yaml").write_text(redacted(OmegaConf.to_yaml(OmegaConf.create(list(self.overrides)))))
        (self.cell.directory / "config.yaml").write_text(redacted(OmegaConf.to_yaml(task, resolve=True)))


def compose_cells(
    loader: ConfigLoader, master: DictConfig, batch: Sequence[Sequence[str]], first_number: int
) -> list[Job]:
    """One validated job per cell, in the order of the batch.

    Raises:
        ConfigError: one or more cells are wrong; every distinct problem is listed.
    """
    jobs: list[Job] = []
    wrong: dict[str, None] = {}
    for offset, overrides in enumerate(batch):
        with explained():
            config = loader.load_sweep_config(master, list(overrides))
            settings = settings_of(config)
        found = problems(settings)
        wrong.update((refusal(problem, config, list(overrides)), None) for problem in found)
        cell = cell_of(config, settings, list(overrides), first_number + offset)
        jobs.append(Job(cell, config, tuple(overrides)))
    folders = [job.cell.directory for job in jobs]
    if len(set(folders)) < len(folders):
        wrong["hydra.sweep.subdir gives two cells one folder: keep ${hydra.job.num} in it"] = None
    if wrong:
        raise ConfigError("\n".join(wrong))
    return jobs


def settings_of(config: DictConfig) -> Settings:
    """The typed settings of a composed job, interpolations resolved."""
    unknown = [str(key) for key in config if key != "hydra" and key not in Settings.__dataclass_fields__]
    if unknown:
        raise ConfigError("\n".join(f"unknown key '{key}'. {known_keys(key)}" for key in unknown))
    values: dict[str, Any] = {field.name: config[field.name] for field in dataclasses.fields(Settings)}
    plain: dict[str, Any] = {n: OmegaConf.to_object(v) if OmegaConf.is_config(v) else v for n, v in values.items()}
    return Settings(**plain)


def cell_of(config: DictConfig, settings: Settings, overrides: list[str], number: int) -> Cell:
    """The cell of a composed job."""
    with open_dict(config):
        config.hydra.job.id = f"{config.hydra.job.name}_{number}"
        config.hydra.job.num = number
    directory = Path(config.hydra.sweep.dir) / str(config.hydra.sweep.subdir)
    return Cell(number, settings, directory.resolve(), extras(overrides))


def extras(overrides: list[str]) -> tuple[str, ...]:
    """Overrides that change the measurement and are no axis: they belong to the cell's identity."""
    return tuple(sorted(o.lstrip("+") for o in overrides if is_extra(o.lstrip("+").split("=")[0])))


def is_extra(key: str) -> bool:
    group, _, leaf = key.partition(".")
    if key in AXES or group in NOT_MEASURED or group.startswith(("hydra", "~")):
        return False
    return not (group == "device" and leaf.split(".")[0] in NOT_MEASURED_OF_DEVICE)
