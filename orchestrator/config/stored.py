"""A stored cell's configuration becomes a job again: exactly what it was, or a refusal."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_type_hints

import yaml
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf, open_dict

from orchestrator.cell import Settings
from orchestrator.config.asked import key_of
from orchestrator.config.cells import Job, cell_of, settings_of, wrong_with
from orchestrator.config.explain import explained
from orchestrator.config.keys import NOT_MEASURED, NOT_MEASURED_OF_DEVICE, nested
from orchestrator.config.sources import conf_directory, register
from orchestrator.device import Board, Device
from orchestrator.errors import ConfigError
from orchestrator.redact import BLOT

CONFIG_FILE = "config.yaml"
HOSTS = "device.hosts"
CHANGEABLE = ("tracking", "root", "dry_run", HOSTS)
"""Keys that may be another than in the stored cell: where, and who keeps the result, never what is measured."""
TODAYS = (
    *("tracking", "root", "dry_run", "resume", "exclude", "include", "objective", "baseline", "battery"),
    *("budget", "first", "priority", "gate", "night"),
)
"""Keys of a whole sweep; a stored one says nothing about how a cell is measured."""


@dataclasses.dataclass(frozen=True, slots=True)
class Revived:
    """``notes``: what could not be taken from the stored configuration, and what was taken instead."""

    job: Job
    notes: tuple[str, ...]


def refuse_changes(overrides: Sequence[str]) -> None:
    """Raises ConfigError for an override that would measure something else."""
    for word in overrides:
        key = key_of(word)
        if not any(key == one or key.startswith(f"{one}.") for one in CHANGEABLE):
            raise ConfigError(
                f"{word} would change what is measured, and nothing could be said about the stored cell",
                hint=f"what may be given: {', '.join(f'{one}=' for one in CHANGEABLE)}; or run it as a cell of its own",
            )


def revived(folder: Path, root: Path, board: str | None, overrides: Sequence[str] = ()) -> Revived:
    """The job of the cell in ``folder`` again, as the only one of a new sweep under ``root``.

    Of a pool, only the host of ``board`` is left (None: all stay), unless ``overrides`` name hosts.

    Raises:
        ConfigError: there is no such configuration, this version does not understand it in full, or an override
            would change what is measured.
    """
    refuse_changes(overrides)
    stored, notes = read(folder / CONFIG_FILE), []
    config = todays(overrides)
    asked = {key_of(word).partition(".")[0] for word in overrides}
    if "device" in asked:
        stored["device"]["hosts"] = OmegaConf.to_container(config.device.hosts)
    elif board is not None and (host := _host(stored["device"], board)):
        stored["device"]["hosts"] = [host]
    elif board is not None:
        notes.append(f"the board {board} is not among the hosts of the stored device; any of them is taken")
    taken = {key: value for key, value in stored.items() if key not in TODAYS}
    if "tracking" in stored and "tracking" not in asked:
        if BLOT in str(stored["tracking"]):
            notes.append("the tracker's address had credentials, which are not kept: tracked as configured today")
        else:
            taken["tracking"] = stored["tracking"]
    with explained():
        merged = OmegaConf.merge(OmegaConf.structured(Settings), taken)
        with open_dict(config):
            config.root = str(root)
            for key in taken.keys() | (Settings.__dataclass_fields__.keys() - set(TODAYS)):
                config[key] = OmegaConf.select(merged, key)
    words = (*_identity(folder / ".hydra" / "overrides.yaml", "device" in asked), *overrides)
    with explained():
        settings = settings_of(config)
    job = Job(cell_of(config, settings, list(words), 0), config, words)
    if wrong := wrong_with(job, elsewhere=True):
        raise ConfigError("\n".join(wrong), hint="this version has other limits than the one that wrote it")
    filled = [f"{key}={_value(settings, key)}" for key in missing(stored, Settings) if key not in TODAYS]
    if filled:
        notes.append(f"an older version stored it without these, which take their defaults: {', '.join(filled)}")
    return Revived(job, tuple(notes))


def _host(device: Mapping[str, Any], board: str) -> str | None:
    """The host, as the inventory spells it, that is called ``board`` in results."""
    hosts = [str(host) for host in device.get("hosts") or []]
    return next((host for host in hosts if Board(Device("", []), host).name == board), None)


def read(path: Path) -> dict[str, Any]:
    """The stored configuration as plain values, every key of it known here.

    Raises:
        ConfigError: it cannot be read, has keys that nobody knows, or a value that was blotted out.
    """
    try:
        stored = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} cannot be read: {error}", hint="without it nobody knows what was run") from error
    if not isinstance(stored, dict) or not isinstance(stored.get("device"), dict):
        raise ConfigError(f"{path} is no configuration of a cell")
    if foreign := list(unknown(stored, Settings)):
        raise ConfigError(
            f"{path} has keys that this version does not know: {', '.join(foreign)}",
            hint="they may have changed what was measured; use the version that wrote it (sweep.json names it)",
        )
    blotted = [key for key, value in _leaves(stored) if BLOT in str(value) and key.split(".")[0] not in TODAYS]
    if blotted:
        raise ConfigError(f"{path}: secrets were not kept: {', '.join(blotted)}", hint="run it anew, as a new cell")
    return stored


def todays(overrides: Sequence[str]) -> DictConfig:
    """The configuration as it would be composed today, with its hydra node."""
    register()
    with explained(), initialize_config_dir(str(conf_directory()), version_base="1.3"):
        return compose("config", overrides=list(overrides), return_hydra_config=True)


def composed_settings(overrides: Sequence[str]) -> Settings:
    """What the words compose to today, in full and within all limits.

    Raises:
        ConfigError: they do not.
    """
    config = todays(overrides)
    with explained():
        settings = settings_of(config)
    job = Job(cell_of(config, settings, list(overrides), 0), config, tuple(overrides))
    if wrong := wrong_with(job):
        raise ConfigError("\n".join(wrong))
    return settings


def _identity(path: Path, moved: bool) -> list[str]:
    """The overrides of the stored cell that belong to its identity; none where they were not stored."""
    if not path.is_file():
        return []
    words = [str(word) for word in yaml.safe_load(path.read_text(encoding="utf-8")) or []]
    keys = {word: key_of(word) for word in words}
    return [w for w in words if keys[w].partition(".")[0] not in NOT_MEASURED and not (moved and keys[w] == HOSTS)]


def unknown(stored: Mapping[str, Any], kind: Any, prefix: str = "") -> Iterator[str]:
    """Dotted names of keys that ``kind`` does not have; where its keys are free, all are known."""
    hints = get_type_hints(kind)
    for key, value in stored.items():
        hint = nested(hints.get(key))
        if hint is None:
            yield f"{prefix}{key}"
        elif dataclasses.is_dataclass(hint) and isinstance(value, Mapping):
            yield from unknown(value, hint, f"{prefix}{key}.")


def missing(stored: Mapping[str, Any], kind: Any, prefix: str = "") -> Iterator[str]:
    """Dotted names of keys of ``kind`` that ``stored`` does not have."""
    hints = get_type_hints(kind)
    for field in dataclasses.fields(kind):
        hint, value = nested(hints[field.name]), stored.get(field.name)
        if field.name not in stored:
            yield f"{prefix}{field.name}"
        elif dataclasses.is_dataclass(hint) and isinstance(value, Mapping):
            yield from missing(value, hint, f"{prefix}{field.name}.")


def changed_keys(job: Job, path: Path) -> list[str]:
    """The keys in which a job measures something else than what is stored for its cell; what older versions did not
    store counts as the same.

    Raises ConfigError where that cannot be read.
    """
    stored, now = (dict(_leaves(one)) for one in (_plain(path.read_text(encoding="utf-8")), _plain(job.resolved)))
    free = tuple(f"{name}." for name in _free(Settings))
    added = [key for key in now if key not in stored and key.startswith(free)]
    changed = [key for key, value in stored.items() if now.get(key, {} if value == {} else None) != value]
    return [key for key in dict.fromkeys([*changed, *added]) if _is_measured(key)]


def _is_measured(key: str) -> bool:
    """Whether a cell with another value is another measurement."""
    group, _, rest = key.partition(".")
    if key == "quality.samples" or (group == "device" and rest.split(".")[0] in ("meter", "calibrations")):
        return True
    return group not in NOT_MEASURED and not (group == "device" and rest.split(".")[0] in NOT_MEASURED_OF_DEVICE)


def _free(cls: type, prefix: str = "") -> Iterator[str]:
    """The fields, at any depth, that hold whatever keys somebody gives."""
    for name, hint in get_type_hints(cls).items():
        kind = nested(hint)
        if dataclasses.is_dataclass(kind) and isinstance(kind, type):
            yield from _free(kind, f"{prefix}{name}.")
        elif getattr(kind, "__origin__", None) is dict:
            yield prefix + name


def _plain(text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        raise ConfigError(f"a stored configuration cannot be read: {error}") from error


def _leaves(node: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(node, Mapping) and node:
        for key, value in node.items():
            yield from _leaves(value, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, node


def _value(settings: Settings, key: str) -> Any:
    found: Any = settings
    for name in key.split("."):
        found = getattr(found, name)
    return found
