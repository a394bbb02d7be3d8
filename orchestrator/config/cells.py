"""Composes and validates every cell of a batch before any board is touched."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig, OmegaConf, open_dict

from orchestrator.cell import AXES, Cell, Settings
from orchestrator.config import meters, switches
from orchestrator.config.asked import key_of, swept
from orchestrator.config.explain import explained, known_keys, refusal
from orchestrator.config.keys import NOT_MEASURED, NOT_MEASURED_OF_DEVICE
from orchestrator.config.limits import BY_HOST, problems
from orchestrator.config.rules import Rule, rules
from orchestrator.errors import ConfigError
from orchestrator.redact import redacted, secrets_of, without

COMMANDS = (("meter", "command"), ("power_switch", "turn_on"), ("power_switch", "turn_off"))
"""Parts and keys of a device under which a password may be an argument."""
COMMAND_KEYS = {f"device.{part}" for part, _ in COMMANDS} | {f"device.{part}.{key}" for part, key in COMMANDS}


@dataclass(frozen=True, slots=True)
class Job:
    """A composed Hydra job: the cell, and what Hydra would have written about it.

    ``excluded`` is the rule that dropped it, None where it runs; ``included`` the one that added it, None where the
    sweeper asked for it.
    """

    cell: Cell
    config: DictConfig
    overrides: tuple[str, ...]
    excluded: str | None = None
    included: str | None = None

    @property
    def asked(self) -> bool:
        """Whether the sweeper waits for its value."""
        return self.included is None

    @property
    def resolved(self) -> str:
        """Everything that it is measured with, as YAML, as it is stored."""
        return self._task(self._secrets, resolve=True)

    @property
    def _secrets(self) -> frozenset[str]:
        device = self.cell.settings.device
        commands = (getattr(getattr(device, part), key) for part, key in COMMANDS)
        return frozenset().union(*map(secrets_of, commands))

    def save(self, again: bool = False) -> None:
        """Write ``.hydra/`` as Hydra does, and at last ``config.yaml``: everything resolved, secrets blotted out.
        ``again``: another process may have begun to."""
        folder = self.cell.directory / ".hydra"
        folder.mkdir(parents=True, exist_ok=again)
        secrets = self._secrets
        hydra = OmegaConf.to_yaml(OmegaConf.masked_copy(self.config, ["hydra"]))
        words = [without(word, secrets) if key_of(word) in COMMAND_KEYS else word for word in self.overrides]
        (folder / "config.yaml").write_text(self._task(secrets, resolve=False))
        (folder / "hydra.yaml").write_text(redacted(without(hydra, secrets)))
        (folder / "overrides.yaml").write_text(redacted(OmegaConf.to_yaml(OmegaConf.create(words))))
        part = self.cell.directory / ".config.yaml"
        part.write_text(self.resolved)
        part.replace(self.cell.directory / "config.yaml")

    def _task(self, secrets: Collection[str], *, resolve: bool) -> str:
        """The configuration as YAML; ``secrets`` are blotted in the commands alone, since a short one is in every other
        word, too."""
        task = OmegaConf.masked_copy(self.config, [str(key) for key in self.config if key != "hydra"])
        if secrets:
            for part, key in COMMANDS:
                command: Any = OmegaConf.to_container(task.device[part][key], resolve=resolve)
                task.device[part][key] = [without(word, secrets) for word in command]
        return redacted(OmegaConf.to_yaml(task, resolve=resolve))


def compose_cells(
    loader: ConfigLoader,
    master: DictConfig,
    batch: Sequence[Sequence[str]],
    first_number: int,
    *,
    including: bool = True,
) -> list[Job]:
    """One validated job per cell, in the order of the batch; then, if ``including``, what the include rules add.

    Raises:
        ConfigError: one or more cells, or rules, are wrong; every distinct problem is listed.
    """
    jobs = [composed(loader, master, overrides, first_number + offset) for offset, overrides in enumerate(batch)]
    if jobs:
        settings = jobs[0].cell.settings  # rules are no axis, so all cells have the same
        excludes, includes = rules("exclude", settings.exclude), rules("include", settings.include)
        jobs = [dataclasses.replace(job, excluded=dropped_by(excludes, job)) for job in jobs]
        if including:
            axes = swept(loader, master)
            shared = tuple(word for word in batch[0] if key_of(word) not in axes)
            left = [job for job in jobs if job.excluded is None]
            jobs += added(loader, master, left, shared, includes, first_number + len(batch))
        first = rules("first", settings.first)
        jobs = [dataclasses.replace(job, cell=dataclasses.replace(job.cell, place=placed(first, job))) for job in jobs]
    wrong = dict.fromkeys(problem for job in jobs if job.excluded is None for problem in wrong_with(job))
    devices = {repr(job.cell.settings.device): job.cell.settings.device for job in jobs if job.excluded is None}
    wrong |= dict.fromkeys([*meters.contended(devices.values()), *switches.contended(devices.values())])
    folders = [job.cell.directory for job in jobs]
    if len(set(folders)) < len(folders):
        wrong["hydra.sweep.subdir gives two cells one folder: keep ${hydra.job.num} in it"] = None
    if wrong:
        raise ConfigError("\n".join(wrong))
    return jobs


def composed(loader: ConfigLoader, master: DictConfig, overrides: Sequence[str], number: int) -> Job:
    """A job of the right types; whether its values are within limits is not checked here."""
    with explained():
        config = loader.load_sweep_config(master, list(overrides))
        settings = settings_of(config)
    return Job(cell_of(config, settings, list(overrides), number), config, tuple(overrides))


def dropped_by(excludes: Sequence[Rule], job: Job) -> str | None:
    """The first rule that matches."""
    chosen = job.config.hydra.runtime.choices
    return next((rule.text for rule in excludes if rule.matches(job.cell, chosen)), None)


def placed(first: Sequence[Rule], job: Job) -> int:
    """The number of the first rule that matches; what none matches comes last."""
    chosen = job.config.hydra.runtime.choices
    return next((number for number, rule in enumerate(first) if rule.matches(job.cell, chosen)), len(first))


def added(
    loader: ConfigLoader,
    master: DictConfig,
    left: Sequence[Job],
    shared: tuple[str, ...],
    includes: Sequence[Rule],
    first_number: int,
) -> list[Job]:
    """The cells of include rules: each cell that is ``left``, with what a rule says instead, where new.

    Where none is left, there still is what all of them ``shared``.
    """
    jobs: list[Job] = []
    bases = [job.overrides for job in left] or [shared]
    known = {frozenset(overrides) for overrides in bases} if left else set()
    settings = {repr(job.cell.settings) for job in left}
    for rule in includes:
        for point, base in itertools.product(rule.points(), bases):
            overrides = [*(word for word in base if key_of(word) not in point), *point.values()]
            if frozenset(overrides) in known:
                continue
            known.add(frozenset(overrides))
            try:
                job = composed(loader, master, overrides, first_number + len(jobs))
            except ConfigError as error:
                raise ConfigError(f"include rule {rule.text}: {error.message}", hint=error.hint) from error
            if repr(job.cell.settings) not in settings:  # the same may be said in other words
                settings.add(repr(job.cell.settings))
                jobs.append(dataclasses.replace(job, included=rule.text))
    return jobs


def wrong_with(job: Job, elsewhere: bool = False) -> list[str]:
    """Every value of a job that is out of its limits, as lines.

    ``elsewhere``, or hosts from the command line: what the file says about other boards is no mistake of anybody.
    """
    elsewhere = elsewhere or any(key_of(word) == "device.hosts" for word in job.overrides)
    found = [one for one in problems(job.cell.settings) if not (elsewhere and one.key in BY_HOST)]
    return [refusal(problem, job.config, list(job.overrides)) for problem in found]


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
    return tuple(sorted(o.lstrip("+") for o in overrides if is_extra(key_of(o))))


def is_extra(key: str) -> bool:
    group, _, leaf = key.partition(".")
    if key == "runtime.delegate" or key.startswith("runtime.options"):
        return False  # the runtime is called after them: see Runtime.called
    if key in AXES or group in NOT_MEASURED or group.startswith(("hydra", "~")):
        return False
    return not (group == "device" and leaf.split(".")[0] in NOT_MEASURED_OF_DEVICE)
