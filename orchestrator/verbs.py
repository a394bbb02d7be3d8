"""The commands that are ours and not Hydra's: a first word without '='."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from rich.console import Console

from orchestrator import config
from orchestrator.device import Device
from orchestrator.errors import ConfigError


def root_directory() -> Path:
    """Where results lie, as the configuration's ``root``."""
    return Path(os.environ.get("ORCHESTRATOR_HOME", ".")).resolve()


def compare(arguments: list[str]) -> int:
    """``compare [SWEEP...]``: stored sweeps side by side."""
    parser = argparse.ArgumentParser(prog="python -m orchestrator compare", description=compare.__doc__)
    parser.add_argument("sweeps", nargs="*", default=["last"], metavar="SWEEP", help="id, path or 'last'")
    parser.add_argument("--baseline", default="none", help="optimization to compare with")
    parser.add_argument("--root", type=Path, default=root_directory(), help="where multirun/ lies")
    parser.add_argument(
        "--output", type=Path, default=None, metavar="FOLDER", help="also write HTML, PNG, Markdown, CSV"
    )
    chosen = parser.parse_args(arguments)
    from orchestrator.compare import compare_sweeps
    from orchestrator.report import table, write_report

    comparison = compare_sweeps(chosen.root.resolve(), chosen.sweeps, chosen.baseline)
    console = Console()
    table(console, comparison)
    if chosen.output is not None:
        chosen.output.mkdir(parents=True, exist_ok=True)
        for path in write_report(comparison, chosen.output).values():
            console.print(f"written: {path}", soft_wrap=True, highlight=False, markup=False)
    return 0


def enrol(arguments: list[str]) -> int:
    """``enrol device=NAME [--yes]``: show a board's host key and pin it."""
    yes = "--yes" in arguments
    device = composed_device([word for word in arguments if word != "--yes"])
    from orchestrator.connection.enrol import enrol as pin

    console = Console(soft_wrap=True)

    def confirm(question: str) -> bool:
        if yes:
            return True
        if not sys.stdin.isatty():
            raise ConfigError(
                "enrol asks a question and there is nobody to answer", hint="compare the key, then add --yes"
            )
        return console.input(f"{question} [y/N] ").strip().lower() in ("y", "yes")

    return 0 if pin(device, confirm=confirm, say=lambda text: console.print(text, markup=False, highlight=False)) else 2


def sync(arguments: list[str]) -> int:
    """``sync [SWEEP...]``: deliver what the tracker has not confirmed; all stored sweeps unless some are named."""
    parser = argparse.ArgumentParser(prog="python -m orchestrator sync", description=sync.__doc__)
    parser.add_argument("sweeps", nargs="*", metavar="SWEEP", help="id, path or 'last' (default: all)")
    parser.add_argument("--root", type=Path, default=root_directory(), help="where multirun/ lies")
    parser.add_argument("--uri", default=None, help="the tracker (default: MLFLOW_TRACKING_URI, else <root>/mlflow.db)")
    chosen = parser.parse_args(arguments)
    from orchestrator.cell import Tracking
    from orchestrator.result import SWEEP_FILE, find_sweep
    from orchestrator.tracking import open_tracker, redeliver

    root, console = chosen.root.resolve(), Console(soft_wrap=True, highlight=False)
    stored = sorted(path.parent for path in root.glob(f"multirun/*/*/{SWEEP_FILE}"))
    directories = [find_sweep(root, name) for name in chosen.sweeps] if chosen.sweeps else stored
    missing = 0
    for directory in directories:
        tracker = open_tracker(Tracking(uri=chosen.uri), root)
        left = redeliver(tracker, directory)
        missing += len(left)
        console.print(f"{directory.name}: {f'{len(left)} not delivered' if left else f'all in {tracker.where}'}")
        for item in left:
            console.print(f"  {item.what}: {item.reason}", markup=False)
    return 2 if missing else 0


def composed_device(overrides: list[str]) -> Device:
    """The device that ``device=NAME`` and other overrides name."""
    if not any(word.startswith("device=") for word in overrides):
        raise ConfigError("which board?", hint="python -m orchestrator enrol device=NAME")
    config.register()
    with config.explained(), initialize_config_dir(str(config.conf_directory()), version_base="1.3"):
        composed = compose("config", overrides=overrides)
        device = OmegaConf.to_object(composed.device)
    if not isinstance(device, Device):
        raise ConfigError("the device lost its type")
    return device


VERBS: dict[str, Callable[[list[str]], int]] = {"compare": compare, "enrol": enrol, "sync": sync}
