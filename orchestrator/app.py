"""The composition root: wires every room together and owns the exit status.

0    every runnable cell has a result
1    refused before anything ran
2    some runnable cell has no result
3    something got worse, and nobody has accepted it (nights); a cell was reproduced, and differs
130  interrupted
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import hydra
from hydra.core.config_loader import ConfigLoader
from hydra.core.utils import JobReturn
from omegaconf import DictConfig

from orchestrator import __version__, adaptive, config, resume
from orchestrator.cell import Settings
from orchestrator.console import say, terminal
from orchestrator.errors import ConfigError, Interrupted, OrchestratorError, reason
from orchestrator.guess import did_you_mean
from orchestrator.invocation import Invocation
from orchestrator.parser import root_directory
from orchestrator.statuses import OK, REFUSED
from orchestrator.verbs import VERBS

MANY = 500
COMPOSING_S = 0.09
"""Of one cell, which is composed once."""

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
        return sweep(in_hydras_words(rest))
    except (OrchestratorError, OSError) as error:
        complain(error)
        return REFUSED
    except SystemExit as error:  # argparse leaves with 2, which here means that a cell has no result
        return REFUSED if error.code else OK


def in_hydras_words(arguments: list[str]) -> list[str]:
    """What Hydra understands of a command line: flags before overrides, a preset with its plus.

    Raises:
        ConfigError: a word that Hydra would not understand, with what was probably meant.
    """
    for position, word in enumerate(arguments):
        key, _, value = word.lstrip("-").partition("=")
        key = key.replace("-", "_")
        if word.startswith("--") and key in Settings.__dataclass_fields__:
            raise ConfigError(f"{word} is no flag", hint=f"write {key}={value or 'true'}")
        if position == 0 and not word.startswith(("-", "+", "~")) and "=" not in word:
            guess = did_you_mean(word, VERBS)
            raise ConfigError(f"unknown command '{word}'", hint=f"{guess}a verb ({', '.join(VERBS)}) or key=value")
    overrides = [word for word in arguments if "=" in word and not word.startswith("-")]
    flags = [word for word in arguments if word not in overrides]
    return [*flags, *(f"+{word}" if word.startswith("experiment=") else word for word in overrides)]


def sweep(arguments: list[str]) -> int:
    """Let Hydra compose and sweep; the exit status."""
    status, _ = swept(arguments)
    return status


def swept(arguments: list[str]) -> tuple[int, Path | None]:
    """Let Hydra compose and sweep; it calls :func:`launch` once per batch. The exit status, and the sweep's folder."""
    config.register()
    earlier = resume.resumed(name, arguments, root_directory()) if (name := resume.asked(arguments)) else None
    if earlier is not None:
        arguments = resume.words(arguments, earlier)
    # Without it Hydra prints a traceback and leaves with its own status, and we could not explain anything.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    sys.argv = [sys.argv[0], *arguments]
    entry = hydra.main(version_base="1.3", config_path=str(config.conf_directory()), config_name="config")(_no_job)
    invocation = Invocation(arguments, resumed=earlier)
    _current[:] = [invocation]

    def hydras() -> None:
        with config.explained(), adaptive.explained():
            entry()

    status = concluded(invocation, hydras)
    if status in (None, OK) and invocation.matrix.is_empty:
        raise invocation.matrix.empty()
    return status or OK, invocation.directory


def concluded(invocation: Invocation, run: Callable[[], object]) -> int | None:
    """Run what launches the cells of a sweep and bring the sweep to its end; its exit status, None if none began.

    Raises whatever ended it before anything ran.
    """
    try:
        run()
    except BaseException as error:
        status = invocation.finish(error)
        if status is None:
            raise
        if not isinstance(error, Interrupted | KeyboardInterrupt):
            complain(error)
        return status
    return invocation.finish()


def complain(error: BaseException) -> None:
    """Say what went wrong, in words; the traceback of what nobody expected goes to the log, if there is one."""
    if isinstance(error, BrokenPipeError):  # nobody reads any more, as in `... --help | head`
        return
    expected = isinstance(error, OSError | OrchestratorError)
    text = reason(error) if expected else f"a bug of the orchestrator: {reason(error)}"
    say(terminal(stderr=True, soft_wrap=True), ("error:", "red"), f" {text}", lines=True)


def _no_job(_: DictConfig) -> None:
    """Hydra's task function. Our launcher takes whole batches instead, so this never runs with it."""
    raise ConfigError(
        "Hydra runs this job by itself, past our launcher",
        hint="leave hydra.mode and hydra/launcher alone: a single run is a sweep of one",
    )


def prepare(loader: ConfigLoader, master: DictConfig) -> None:
    """What can be said of a sweep before every cell is composed.

    Raises:
        ConfigError: it cannot work.
    """
    adaptive.prepare(master)
    count = config.cells_asked(loader, master)
    if count >= MANY and not adaptive.is_adaptive(master):
        words = f"{count} cells: composing and checking them takes about {count * COMPOSING_S / 60:.1f} minutes"
        say(terminal(), (words, "dim"))


def launch(
    loader: ConfigLoader, master: DictConfig, batch: Sequence[Sequence[str]], first_number: int
) -> Sequence[JobReturn]:
    """What the Hydra launcher does: compose everything first, then run it."""
    invocation = _current[0]
    matrix = invocation.matrix
    with invocation.folder_of(master):
        matrix.narrowed = config.narrowed(loader, master)
        invocation.swept = config.swept(loader, master)
        jobs = config.compose_cells(loader, master, batch, first_number + matrix.added, including=matrix.is_new)
        return invocation.launch(jobs)
