"""The composition root: wires every room together and owns the exit status.

0    every runnable cell has a result
1    refused before anything ran
2    some runnable cell has no result
130  interrupted
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import hydra
from hydra.core.config_loader import ConfigLoader
from hydra.core.utils import JobReturn
from omegaconf import DictConfig
from rich.console import Console
from rich.markup import escape

from orchestrator import config
from orchestrator.errors import ConfigError, OrchestratorError
from orchestrator.invocation import Invocation
from orchestrator.verbs import VERBS

OK, REFUSED, INCOMPLETE, INTERRUPTED = 0, 1, 2, 130

_current: list[Invocation] = []
"""Hydra creates the launcher, so the launcher finds its invocation here; one per process."""


def run(arguments: list[str]) -> int:
    """Do what the command line says and return the exit status."""
    errors = Console(stderr=True, soft_wrap=True)
    try:
        rest = config.take_lab(arguments)
        if rest and rest[0] in VERBS:
            return VERBS[rest[0]](rest[1:])
        if rest and not rest[0].startswith(("-", "+", "~")) and "=" not in rest[0]:
            raise ConfigError(
                f"unknown command '{rest[0]}'", hint=f"a verb ({', '.join(VERBS)}) or key=value overrides"
            )
        return sweep(rest)
    except OrchestratorError as error:
        errors.print(f"[red]error:[/] {escape(str(error))}", highlight=False)
        return REFUSED
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        errors.print(f"[red]error:[/] {escape(f'{error.strerror or error}{where}')}", highlight=False)
        return REFUSED
    except KeyboardInterrupt:
        errors.print("interrupted before anything ran")
        return INTERRUPTED


def sweep(arguments: list[str]) -> int:
    """Let Hydra compose and sweep; it calls :func:`launch` once per batch."""
    config.register()
    # Without it Hydra prints a traceback and leaves with its own status, and we could not explain anything.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    sys.argv = [sys.argv[0], *arguments]
    entry = hydra.main(version_base="1.3", config_path=str(config.conf_directory()), config_name="config")(_no_job)
    invocation = Invocation(arguments)
    _current[:] = [invocation]
    try:
        with config.explained():
            entry()
    finally:
        status = invocation.finish()
    return status


def _no_job(_: DictConfig) -> None:
    """Hydra's task function. The launcher takes whole batches instead, so this only runs with hydra.mode=RUN."""
    raise ConfigError(
        "hydra.mode=RUN bypasses the launcher", hint="leave hydra.mode alone: a single run is a sweep of one"
    )


def launch(
    loader: ConfigLoader, master: DictConfig, batch: Sequence[Sequence[str]], first_number: int
) -> Sequence[JobReturn]:
    """What the Hydra launcher does: compose everything first, then run it."""
    with _current[0].folder_of(master):
        jobs = config.compose_cells(loader, master, batch, first_number)
        return _current[0].launch(jobs)
