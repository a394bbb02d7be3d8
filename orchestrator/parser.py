"""How the commands that are ours read their words."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from rich.console import Console

from orchestrator.errors import ConfigError
from orchestrator.plain import plain


def root_directory() -> Path:
    """Where results lie, as the configuration's ``root``."""
    return Path(os.environ.get("ORCHESTRATOR_HOME", ".")).resolve()


def asking(console: Console, verb: str, yes: bool, hint: str) -> Callable[[str], bool]:
    """What puts a question to whoever sits there; ``yes`` answers it before it is put.

    Raises ConfigError, with the ``hint``, where nobody is there to answer.
    """

    def confirm(question: str) -> bool:
        if yes:
            return True
        if not sys.stdin.isatty():
            raise ConfigError(f"{verb} asks a question and there is nobody to answer", hint=hint)
        return console.input(f"{plain(question)} [y/N] ", markup=False).strip().lower() in ("y", "yes")

    return confirm


class Parser(argparse.ArgumentParser):
    """Bad usage is refused like any other bad input; argparse's own exit status 2 means a missing result here."""

    def __init__(self, verb: str, description: str) -> None:
        super().__init__(prog=f"python -m orchestrator {verb}", description=description, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        raise ConfigError(message, hint=f"{self.prog} --help")
