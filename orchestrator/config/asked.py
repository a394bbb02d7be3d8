"""What a command line and its preset ask for, before a single cell is composed."""

from __future__ import annotations

import math
from collections.abc import Iterator

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig

from orchestrator.config.explain import explained
from orchestrator.config.keys import NOT_MEASURED
from orchestrator.errors import ConfigError

WAY_OUT = {
    "experiment": "Hydra would run none of their matrices; run one after the other, or write a preset that holds both",
    "exclude": "several rules are one list: 'exclude=[{device: pi4, threads: 4}, {model: digits}]', quoted",
    "include": "several rules are one list: 'include=[{device: pi4, threads: 4}, {model: digits}]', quoted",
    "objective": "several objectives are one list: objective=[latency/median_ms,model/size_bytes]",
}


def key_of(override: str) -> str:
    """``threads`` of ``threads=1`` and of ``+threads=1``."""
    return override.lstrip("+").split("=")[0]


def overrides_of(loader: ConfigLoader, master: DictConfig) -> dict[str, Override]:
    """The overrides by their keys, parsed: a preset's ``hydra.sweeper.params``, and the command line, which wins."""
    parser = OverridesParser.create(config_loader=loader)
    with explained():
        parsed = parser.parse_overrides([*preset(master), *master.hydra.overrides.task])
    return {override.key_or_group: override for override in parsed}


def swept(loader: ConfigLoader, master: DictConfig) -> set[str]:
    """The keys that are axes of this sweep."""
    return {key for key, override in overrides_of(loader, master).items() if override.is_sweep_override()}


def narrowed(loader: ConfigLoader, master: DictConfig) -> dict[str, set[str]]:
    """Values of a preset's axes that the command line took out, by key."""
    found = overrides_of(loader, master)
    with explained():
        before = OverridesParser.create(config_loader=loader).parse_overrides(preset(master))
    return {one.key_or_group: values(one) - values(found[one.key_or_group]) for one in before}


def preset(master: DictConfig) -> list[str]:
    """The axes of a preset, as overrides."""
    return [f"{key}={value}" for key, value in (master.hydra.sweeper.get("params") or {}).items()]


def values(override: Override) -> set[str]:
    """What an override asks for, as words; an interval has no such values."""
    if override.is_discrete_sweep():
        return set(override.sweep_string_iterator())
    return set() if override.is_sweep_override() else {override.get_value_element_as_str()}


def cells_asked(loader: ConfigLoader, master: DictConfig) -> int:
    """How many cells a matrix has, without what rules add and drop.

    Raises:
        ConfigError: something is an axis that is one for the whole sweep.
    """
    overrides = overrides_of(loader, master)
    for key, override in overrides.items():
        group = key.split(".")[0]
        if override.is_sweep_override() and group in NOT_MEASURED:
            hint = WAY_OUT.get(group, "it is one for the whole sweep: give it one value")
            raise ConfigError(f"'{key}' cannot be an axis: {override.input_line}", hint=hint)
    return math.prod(sizes(overrides))


def sizes(overrides: dict[str, Override]) -> Iterator[int]:
    """The length of each axis that has one; an interval, for adaptive sweepers, has none."""
    for override in overrides.values():
        if override.is_discrete_sweep():
            yield sum(1 for _ in override.sweep_string_iterator())
