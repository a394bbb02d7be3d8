"""The devices that the words of a command name, as Hydra composes them."""

from __future__ import annotations

from collections.abc import Sequence

from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from orchestrator import config
from orchestrator.device import Device
from orchestrator.errors import ConfigError


def each_device(overrides: Sequence[str]) -> list[list[str]]:
    """The overrides once for each name in ``device=NAME,NAME``."""
    names = [word.partition("=")[2].split(",") for word in overrides if word.startswith("device=")]
    rest = [word for word in overrides if not word.startswith("device=")]
    return [[f"device={name}", *rest] for name in (names[-1] if names else [])] or [list(overrides)]


def named(overrides: Sequence[str], verb: str) -> None:
    """Raises ConfigError where they name no device."""
    if not any(word.startswith("device=") for word in overrides):
        raise ConfigError("which board?", hint=f"python -m orchestrator {verb} device=NAME")


def composed_device(overrides: list[str], verb: str) -> Device:
    """The device that ``device=NAME`` and other overrides name."""
    named(overrides, verb)
    config.register()
    with config.explained(), initialize_config_dir(str(config.conf_directory()), version_base="1.3"):
        composed = compose("config", overrides=overrides)
        device = OmegaConf.to_object(composed.device)
    if not isinstance(device, Device):
        raise ConfigError("the device lost its type")
    return device
