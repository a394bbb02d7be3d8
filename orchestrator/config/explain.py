"""Turns Hydra's and OmegaConf's complaints into errors that name the key, the file and the allowed values."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_origin, get_type_hints

from hydra.errors import HydraException, MissingConfigException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from orchestrator.cell import Settings
from orchestrator.config.keys import nested
from orchestrator.config.problem import Problem
from orchestrator.config.sources import conf_directory
from orchestrator.errors import ConfigError
from orchestrator.guess import did_you_mean
from orchestrator.lab import LAB_VARIABLE
from orchestrator.redact import BLOT

ADVICE = {
    "Cannot merge DictConfig with ListConfig": "a list is expected here: rules are exclude=[{device: pi4, threads: 4}]",
    "is not a ListConfig, list or tuple": "a list is expected here: write it as a list, such as [pi4-01, pi4-02] for "
    "device.hosts or [python3, /tmp/x.py] for device.meter.command",
    "INTERVAL_SWEEP": "an interval has no end of values: it is for adaptive sweeps (hydra/sweeper=optuna)",
}
"""What to do about words of Hydra's that do not say it."""


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Translate everything Hydra raises while it composes into :class:`ConfigError`."""
    try:
        yield
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(explanation(error)) from error
    except YAMLError as error:
        raise ConfigError(f"a configuration file is no valid YAML: {error}") from error
    except AttributeError as error:  # how OmegaConf refuses a key added with '+' to a typed node
        raise ConfigError(
            f"unknown key: {error}", hint="a typed part of the configuration takes no new keys"
        ) from error


def explanation(error: BaseException) -> str:
    """Hydra's own words, the cause beneath them, and the keys that exist where one was not found."""
    if isinstance(error, MissingConfigException) and error.missing_cfg_file and error.options:
        return missing(error.missing_cfg_file, sorted(error.options))
    lines = [first_lines(error)]
    cause = error.__cause__
    if cause is not None and first_lines(cause) not in lines[0]:
        lines.append(first_lines(cause))
    text = "\n".join(lines)
    where = re.search(r"In '([\w/.-]+)':", text)
    if where and "/" in where[1]:
        text = text.replace(where[0], f"In {file_of(where[1])}:", 1)
    key = re.search(r"full_key: (\S+)", str(error)) or re.search(r"full_key: (\S+)", str(cause))
    if key and "Key '" in text:
        text = unknown(text, key[1])
    elif key and key[1] not in text:
        text += f"\nkey: {key[1]}"
    return "\n".join([text, *(advice for words, advice in ADVICE.items() if words in text)])


def unknown(text: str, key: str) -> str:
    """Of an unknown key: the file it was written in, and what could have been written instead."""
    known = known_keys(key)
    if not known.startswith("key "):
        return f"{text}\n{known}"
    file = f"{text.partition(':')[0]}: " if text.startswith("In ") else ""
    package = "\nthe first line of an experiment file must be # @package _global_" if key == "experiment" else ""
    return f"{file}unknown {known}{package}"


def missing(name: str, options: list[str]) -> str:
    """A choice that no file makes, with those that some file does, the lab's among them."""
    if name == "hydra/sweeper/optuna":
        return "adaptive sweeps are not installed: pip install 'edge-orchestrator[optuna]'"
    group, _, choice = name.rpartition("/")
    guess = did_you_mean(choice, options)
    where = ", ".join(map(str, folders()))
    return f"there is no {group} '{choice}' ({name}.yaml in {where}). {guess}Known: {', '.join(options)}"


def first_lines(error: BaseException) -> str:
    """The message without OmegaConf's type annotations, and without the advice to add keys, which types refuse."""
    noise = r"\s*(object_type|reference_type|full_key|To append to your config)"
    kept = [line for line in str(error).splitlines() if not re.match(noise, line)]
    return "\n".join(line.rstrip() for line in kept if line.strip())


def known_keys(full_key: str) -> str:
    """What could have been written instead of an unknown key."""
    *parents, leaf = full_key.split(".")
    node: Any = Settings
    for name in parents:
        node = nested(get_type_hints(node).get(name)) if dataclasses.is_dataclass(node) else None
        if get_origin(node) is dict:  # such as model.arguments
            return f"keys are free here, and a new one is added with '+': +{full_key}=VALUE"
    if node is None or not dataclasses.is_dataclass(node):
        return ""
    names = [field.name for field in dataclasses.fields(node)]
    guess = did_you_mean(leaf, names)
    return f"key '{full_key}': {guess}known keys here: {', '.join(names)}"


def folders() -> list[Path]:
    """Where files are looked for: the lab's folder, then the shipped one."""
    lab = os.environ.get(LAB_VARIABLE)
    return [*([Path(lab)] if lab else []), conf_directory()]


def file_of(config: str) -> str:
    """The file behind a config name such as ``device/pi4``, in the order Hydra searches."""
    for folder in folders():
        path = folder / f"{config}.yaml"
        if path.is_file():
            return str(path)
    return config


def refusal(problem: Problem, config: DictConfig, overrides: list[str]) -> str:
    """One wrong value as a line: key, value, where it was written, what is allowed."""
    written = [o for o in overrides if o.lstrip("+").split("=")[0] == problem.key]
    if problem.value == BLOT:  # a value that may be a secret is not quoted as it was written either
        written = [problem.key for _ in written]
    group = problem.key.split(".")[0]
    choice = config.hydra.runtime.choices.get(group)
    source = f"the command line ({written[-1]})" if written else file_of(f"{group}/{choice}" if choice else "config")
    return f"{problem.key} = {problem.value!r}, set in {source}: allowed is {problem.allowed}"
