"""Where configuration comes from: the shipped tree, a lab's own folder, and the structured schema."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from omegaconf import OmegaConf

from orchestrator.cell import Settings
from orchestrator.errors import ConfigError
from orchestrator.lab import LAB_VARIABLE

SWEEPER = {"_target_": "hydra_plugins.edge_orchestrator.MatrixSweeper", "max_batch_size": None, "params": None}
LAB_FLAGS = ("--config-dir", "-cd")


def conf_directory() -> Path:
    """The shipped ``conf/``: inside the package when installed from a wheel, beside it in a checkout."""
    package = Path(__file__).resolve().parent.parent
    packed = package / "conf"
    return packed if packed.is_dir() else package.parent / "conf"


def register() -> None:
    """Tell Hydra the types of the configuration, the sweeper that stands for none and the resolvers of ``conf/``.

    An ``override hydra/sweeper`` in ``conf/config.yaml`` would win over that of a preset, so our sweeper takes the
    place of Hydra's own default: in this process, once the plugins are there, since they would put theirs back.
    """
    Plugins.instance()
    store = ConfigStore.instance()
    store.store(name="settings", node=Settings, provider="orchestrator")
    store.store(group="hydra/sweeper", name="basic", node=dict(SWEEPER), provider="orchestrator")
    # The time alone is to the second: two sweeps started together would share a folder.
    OmegaConf.register_new_resolver("sweep_token", lambda: secrets.token_hex(3), use_cache=True, replace=True)


def take_lab(arguments: list[str]) -> list[str]:
    """Take ``--config-dir LAB`` out of the arguments and put that folder before the shipped one.

    Returns the other arguments.

    Raises:
        ConfigError: the folder does not exist.
    """
    rest: list[str] = []
    lab: str | None = None
    words = iter(arguments)
    for word in words:
        flag, equals, value = word.partition("=")
        if flag in LAB_FLAGS:
            lab = value if equals else next(words, "")
        else:
            rest.append(word)
    if lab is not None:
        os.environ[LAB_VARIABLE] = str(existing_lab(lab))
    elif os.environ.get(LAB_VARIABLE):
        os.environ[LAB_VARIABLE] = str(existing_lab(os.environ[LAB_VARIABLE]))
    return rest


def existing_lab(folder: str) -> Path:
    """The lab's folder as an absolute path."""
    path = Path(folder).expanduser().resolve()
    if not folder or not path.is_dir():
        raise ConfigError(
            f"no such configuration folder: {folder or '(nothing given)'}",
            hint="--config-dir names the folder that holds your device/, model/, ... files",
        )
    return path
