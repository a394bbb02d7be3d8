"""How the commands that are ours read their words."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import NoReturn

from orchestrator.errors import ConfigError


def root_directory() -> Path:
    """Where results lie, as the configuration's ``root``."""
    return Path(os.environ.get("ORCHESTRATOR_HOME", ".")).resolve()


class Parser(argparse.ArgumentParser):
    """Bad usage is refused like any other bad input; argparse's own exit status 2 means a missing result here."""

    def __init__(self, verb: str, description: str) -> None:
        super().__init__(prog=f"python -m orchestrator {verb}", description=description, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        raise ConfigError(message, hint=f"{self.prog} --help")
