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

from orchestrator import __version__, config
from orchestrator.console import say, terminal
from orchestrator.errors import ConfigError, Interrupted, OrchestratorError
from orchestrator.invocation import Invocation
from orchestrator.verbs import VERBS

OK, REFUSED = 0, 1

_current: list[Invocation] = []
"""Hydra creates the launcher, so the launcher finds its invocation here; one per process."""


def run(arguments: list[str]) -> int:
    """Do what the command line says and return the exit status."""
    try:
        if arguments == ["--version"]:
            print(f"edge-orchestrator {__version__}")
            return OK
        rest = config.take_lab(arguments)
        if rest and rest[0] in VERBS:
            return VERBS[rest[0]](rest[1:])
        if rest and not rest[0].startswith(("-", "+", "~")) and "=" not in rest[0]:
            raise ConfigError(
                f"unknown command '{rest[0]}'", hint=f"a verb ({', '.join(VERBS)}) or key=value overrides"
            )
        return sweep(rest)
    except (OrchestratorError, OSError) as error:
        complain(error)
        return REFUSED
    except SystemExit as error:  # argparse leaves with 2, which here means that a cell has no result
        return REFUSED if error.code else OK


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
    except BaseException as error:
        status = invocation.finish(error)
        if status is None:
            raise
        if not isinstance(error, Interrupted | KeyboardInterrupt):
            complain(error)
        return status
    return invocation.finish() or OK


def complain(error: BaseException) -> None:
    """Say what went wrong, in words; the traceback of what nobody expected goes to the log, if there is one."""
    if isinstance(error, BrokenPipeError):  # nobody reads any more, as in `... --help | head`
        return
    if isinstance(error, OSError):
        text = f"{error.strerror or error}" + (f": {error.filename}" if error.filename else "")
    elif isinstance(error, OrchestratorError):
        text = str(error)
    else:
        text = f"a bug of the orchestrator: {type(error).__name__}: {error}"
    say(terminal(stderr=True, soft_wrap=True), ("error:", "red"), f" {text}", lines=True)


def _no_job(_: DictConfig) -> None:
    """Hydra's task function. Our launcher takes whole batches instead, so this never runs with it."""
    raise ConfigError(
        "Hydra runs this job by itself, past our launcher",
        hint="leave hydra.mode and hydra/launcher alone: a single run is a sweep of one",
    )


def launch(
    loader: ConfigLoader, master: DictConfig, batch: Sequence[Sequence[str]], first_number: int
) -> Sequence[JobReturn]:
    """What the Hydra launcher does: compose everything first, then run it."""
    with _current[0].folder_of(master):
        jobs = config.compose_cells(loader, master, batch, first_number)
        return _current[0].launch(jobs)
