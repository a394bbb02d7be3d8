"""The commands that are ours and not Hydra's: a first word without '='."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

from rich.console import Console

from orchestrator.composed import composed_device
from orchestrator.console import say, terminal
from orchestrator.errors import ConfigError, OrchestratorError
from orchestrator.gates import Gates
from orchestrator.lab_verbs import board, doctor, gate, meter
from orchestrator.parser import Parser, asking, root_directory


def calibrate(arguments: list[str]) -> int:
    """``calibrate [SWEEP] [KEY=VALUE...]``: a board's own watts, and the line of its sensor, from a meter beside it."""
    parser = Parser("calibrate", "Fit a board's own idle and load watts, and the line of its own sensor, to a meter.")
    parser.add_argument(
        "words",
        nargs="*",
        metavar="SWEEP|KEY=VALUE",
        help="fit this stored sweep again (id, path or 'last'); or device=NAME and other keys, such as "
        "dry_run=true for the plan alone",
    )
    parser.epilog = "--config-dir LAB: write what is found into LAB/device/NAME.yaml; without it, it is printed."
    words = parser.parse_args(arguments).words
    from orchestrator.calibrate import calibrate as measured_and_fitted

    return measured_and_fitted(words, root_directory())


_LIMITS = (
    (
        "max_drop",
        "max_drop",
        "SHARE",
        1.0,
        "recommend nothing that loses more accuracy against float: 0.01 is one point",
    ),
    ("min_sqnr_db", "min_sqnr_db", "DB", 300.0, "nor anything farther from the float model's outputs"),
    ("max_latency_ms", "latency_ms", "MS", 1e9, "nor anything slower"),
    ("max_energy_mj", "energy_mj", "MJ", 1e9, "nor anything that needs more energy per inference, measured"),
    ("max_size_mb", "size_mb", "MB", 1e6, "nor any larger file"),
)
"""Flag, field of Gates, unit, the highest that makes sense, help."""


def _up_to(highest: float) -> Callable[[str], float]:
    """A number from 0 on (of dB: from -100) as argparse takes it."""

    def limit(text: str) -> float:
        lowest = -100.0 if highest == 300.0 else 0.0
        if not lowest <= float(text) <= highest:  # also where it is no number that can be compared
            raise argparse.ArgumentTypeError(f"{text} is not within {lowest:g} to {highest:g}")
        return float(text)

    return limit


def compare(arguments: list[str]) -> int:
    """``compare [SWEEP...] [KEY=VALUE...]``: stored sweeps side by side."""
    parser = Parser("compare", "Stored sweeps side by side.")
    add = parser.add_argument
    add(
        "words", nargs="*", metavar="SWEEP|KEY=VALUE", help="id, path or 'last'; which cells: device=pi4, model=mobile*"
    )
    add("--baseline", default=None, help="an optimization, or axis:value such as device:pi4 (default: the sweep's own)")
    add("--pivot", nargs=2, default=None, metavar=("ROWS", "COLUMNS"), help="a table over two axes instead of a list")
    add("--value", default=None, help="what it shows: latency, speedup, energy, energy_change, ... (default: latency)")
    add("--battery", default=None, metavar="WH[@PER_SECOND]", help="hours on it: 37 at full load, 37@0.5 at one in 2 s")
    for name, _, unit, highest, words in _LIMITS:
        add(f"--{name.replace('_', '-')}", type=_up_to(highest), default=None, metavar=unit, help=words)
    add("--root", type=Path, default=root_directory(), help="where multirun/ lies")
    add("--output", type=Path, default=None, metavar="FOLDER", help="also write HTML, PNG, Markdown, CSV, Parquet")
    chosen = parser.parse_intermixed_args(arguments)
    from orchestrator.compare import Filter, compare_sweeps, is_filter, two_axes, value_called
    from orchestrator.report import ReportIncomplete, View, table, write_report

    filters = [Filter.parse(word) for word in chosen.words if is_filter(word)]
    names = [word for word in chosen.words if not is_filter(word)]
    view = View(
        chosen.pivot and two_axes((chosen.pivot[0], chosen.pivot[1])), chosen.value and value_called(chosen.value)
    )
    gates = Gates(**{field: getattr(chosen, name) for name, field, *_ in _LIMITS})
    comparison = compare_sweeps(chosen.root.resolve(), names, chosen.baseline, filters, chosen.battery, gates)
    console = terminal()
    table(console, comparison, view)
    if chosen.output is not None:
        try:
            written = write_report(comparison, chosen.output, view)
        except ReportIncomplete as error:
            _say_written(console, error.written)
            raise
        _say_written(console, written)
    return 0


def _say_written(console: Console, files: Mapping[str, Path]) -> None:
    for path in files.values():
        say(console, f"written: {path}")


def enrol(arguments: list[str]) -> int:
    """``enrol device=NAME [--yes]``: show a board's host key and pin it."""
    parser = Parser("enrol", "Show the host keys of a board, and pin them once you have compared them.")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="device=NAME, and changes to that device")
    parser.add_argument("--yes", action="store_true", help="pin without asking")
    chosen = parser.parse_args(arguments)
    device = composed_device(chosen.overrides, "enrol")
    from orchestrator.connection.enrol import enrol as pin

    console = terminal(soft_wrap=True)

    confirm = asking(console, "enrol", chosen.yes, "compare the key, then add --yes")

    return 0 if pin(device, confirm=confirm, say=lambda text: say(console, text, lines=True)) else 2


def reproduce(arguments: list[str]) -> int:
    """``reproduce RUN [KEY=VALUE...]``: run a stored cell again and say whether it agrees within the noise."""
    parser = Parser(
        "reproduce", "Run a stored cell again with its stored configuration: does it agree, within the noise?"
    )
    parser.add_argument(
        "run", nargs="?", metavar="RUN", help="last, SWEEP:NUMBER, the folder of a cell, or the id of its MLflow run"
    )
    parser.add_argument(
        "overrides", nargs="*", metavar="KEY=VALUE", help="tracking=..., device.hosts=[...], root=..., dry_run=true"
    )
    chosen = parser.parse_args(arguments)
    if not chosen.run or "=" in chosen.run:
        raise ConfigError("which stored cell?", hint="python -m orchestrator reproduce SWEEP:NUMBER")
    from orchestrator.reproduce import reproduce as again

    return again(chosen.run, chosen.overrides, root_directory())


def sync(arguments: list[str]) -> int:
    """``sync [SWEEP...]``: deliver what the tracker has not confirmed; all stored sweeps unless some are named."""
    parser = Parser("sync", "Deliver what the tracker has not confirmed.")
    parser.add_argument("sweeps", nargs="*", metavar="SWEEP", help="id, path or 'last' (default: all)")
    parser.add_argument("--root", type=Path, default=root_directory(), help="where multirun/ lies")
    parser.add_argument("--uri", default=None, help="the tracker (default: MLFLOW_TRACKING_URI, else the sweep's own)")
    chosen = parser.parse_args(arguments)
    from orchestrator.result import find_sweep, stored_sweeps
    from orchestrator.tracking import sync as deliver

    root, console = chosen.root.resolve(), terminal()
    complete = True
    for directory in [find_sweep(root, name) for name in chosen.sweeps] or stored_sweeps(root):
        try:
            done = deliver(directory, root, chosen.uri, named=bool(chosen.sweeps))
        except (OrchestratorError, OSError) as error:  # one that cannot be read keeps no other from being delivered
            say(console, f"{directory.name}: ", ("not delivered:", "red"), f" {error}")
            complete = False
            continue
        complete = complete and done.complete
        say(console, f"{directory.name}: {done.words}")
        for item in done.left:
            say(console, f"  {item.what}: {item.reason}")
    return 0 if complete else 2


def catalogue(arguments: list[str]) -> int:
    """``list [GROUP...]``: what can be chosen for each group of the configuration."""
    parser = Parser("list", "What can be chosen: devices, models, optimizations, ..., the lab's own files first.")
    parser.add_argument("groups", nargs="*", metavar="GROUP", help="device, model, ... (default: all)")
    chosen = parser.parse_args(arguments)
    from orchestrator.catalogue import print_catalogue

    print_catalogue(terminal(), chosen.groups)
    return 0


VERBS: dict[str, Callable[[list[str]], int]] = {
    "board": board,
    "calibrate": calibrate,
    "compare": compare,
    "doctor": doctor,
    "enrol": enrol,
    "gate": gate,
    "list": catalogue,
    "meter": meter,
    "reproduce": reproduce,
    "sync": sync,
}
