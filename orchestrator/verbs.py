"""The commands that are ours and not Hydra's: a first word without '='."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from rich.console import Console

from orchestrator import config
from orchestrator.console import say, terminal
from orchestrator.device import Device
from orchestrator.errors import ConfigError, OrchestratorError
from orchestrator.gates import Gates
from orchestrator.health import Book
from orchestrator.plain import plain


def root_directory() -> Path:
    """Where results lie, as the configuration's ``root``."""
    return Path(os.environ.get("ORCHESTRATOR_HOME", ".")).resolve()


class Parser(argparse.ArgumentParser):
    """Bad usage is refused like any other bad input; argparse's own exit status 2 means a missing result here."""

    def __init__(self, verb: str, description: str) -> None:
        super().__init__(prog=f"python -m orchestrator {verb}", description=description, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        raise ConfigError(message, hint=f"{self.prog} --help")


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

    def confirm(question: str) -> bool:
        if chosen.yes:
            return True
        if not sys.stdin.isatty():
            raise ConfigError(
                "enrol asks a question and there is nobody to answer", hint="compare the key, then add --yes"
            )
        return console.input(f"{plain(question)} [y/N] ", markup=False).strip().lower() in ("y", "yes")

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


def meter(arguments: list[str]) -> int:
    """``meter device=NAME [KEY=VALUE...]``: what reads the power of each board, and whether it answers."""
    parser = Parser("meter", "Try what reads the power of each board: its own sensors, and the meter beside it.")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="device=NAME, and changes to that device")
    overrides = parser.parse_args(arguments).overrides
    named(overrides, "meter")
    from orchestrator.instruments import show

    return show(terminal(soft_wrap=True), config.composed_settings(overrides).device)


BOARD_VERBS = ("list", "show", "release", "clean", "power", "health", "clear", "maintain")
OF_HEALTH = ("health", "clear", "maintain")
POWER_WORDS = ("on", "off", "cycle", "state")


def board(arguments: list[str]) -> int:
    """``board WHAT device=NAME[,NAME...]``: who holds each board, what it keeps, its power, its health."""
    parser = Parser("board", "Who holds each board, what it keeps on its disk, ending both, its power and its health.")
    parser.add_argument(
        "what",
        nargs="?",
        choices=BOARD_VERBS,
        help="list: who holds it; show: also what it is and keeps; release: end the hold; clean: empty its caches; "
        "power on, off, cycle or state: turn its supply off and on by its power switch; health: what is known of it; "
        "maintain: set it aside, with --why; clear: it may be used again",
    )
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="device=NAME,NAME and changes to those")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--why", default="", metavar="WORDS", help="maintain, clear: the reason, for the others")
    parser.add_argument("--root", type=Path, default=root_directory(), help="where lab/ lies, with their health")
    parser.add_argument("--yes", action="store_true", help="power: turn off without asking")
    parser.add_argument("--force", action="store_true", help="power: turn off a board that somebody holds, too")
    chosen = parser.parse_intermixed_args(arguments)
    if chosen.what is None:
        raise ConfigError(f"board what? {', '.join(BOARD_VERBS)}", hint="python -m orchestrator board list device=NAME")
    if chosen.what == "power":
        return _board_power(chosen)
    if chosen.yes or chosen.force:
        raise ConfigError("--yes and --force go with 'board power' alone")
    boards = [one for words in each_device(chosen.overrides) for one in composed_device(words, "board list").boards]
    console, root = terminal(soft_wrap=True), chosen.root.resolve()
    if chosen.what in OF_HEALTH:
        from orchestrator.wards import health_verb

        return health_verb(console, chosen.what, boards, root, chosen.why, chosen.json)
    from orchestrator.boards import board_verb

    return board_verb(console, chosen.what, boards, chosen.json, root)


def _board_power(chosen: argparse.Namespace) -> int:
    """``board power on|off|cycle|state``: the settings are checked in full, since a wrong outlet is another board's."""
    what, *overrides = chosen.overrides or [""]
    if what not in POWER_WORDS:
        hint = "python -m orchestrator board power cycle device=NAME"
        raise ConfigError(f"board power what? {', '.join(POWER_WORDS)}", hint=hint)
    named(overrides, f"board power {what}")
    devices = [config.composed_settings(words).device for words in each_device(overrides)]
    console = terminal(soft_wrap=True)

    def confirm(question: str) -> bool:
        if chosen.yes:
            return True
        if not sys.stdin.isatty():
            raise ConfigError(
                "board power asks a question and there is nobody to answer", hint="add --yes if it may be turned off"
            )
        return console.input(f"{plain(question)} [y/N] ", markup=False).strip().lower() in ("y", "yes")

    from orchestrator.power import power_verb

    return power_verb(console, what, devices, as_json=chosen.json, force=chosen.force, confirm=confirm)


def doctor(arguments: list[str]) -> int:
    """``doctor device=NAME[,NAME...] [KEY=VALUE...]``: is each board ready? What to fix, and how."""
    parser = Parser("doctor", "Is each board ready? What is wrong with it, and the command that repairs it.")
    parser.add_argument(
        "overrides",
        nargs="*",
        metavar="KEY=VALUE",
        help="device=NAME,NAME and changes to those; runtime=... is what the benchmark of a second runs with",
    )
    parser.add_argument("--json", action="store_true", help="for programs")
    chosen = parser.parse_intermixed_args(arguments)
    named(chosen.overrides, "doctor")
    asked = [config.composed_settings(words) for words in each_device(chosen.overrides)]
    from orchestrator.doctor import examined, status, told

    console = terminal(soft_wrap=True)
    visit = examined(asked, console, quiet=chosen.json)
    for one, settings in zip(visit.examinations, visit.asked, strict=True):
        # A wrong key or a full folder of this entry says nothing about the board's health for others.
        if one.healthy is not None and one.reached:
            Book(Path(settings.root).resolve()).checked(one.board.name, one.healthy, one.why, "doctor")
    told(console, visit, chosen.json)
    return status(visit)


def gate(arguments: list[str]) -> int:
    """``gate list|accept|replay``: the alarms of nights that are open, accepting them, deciding nights again."""
    parser = Parser("gate", "What nights alarmed for and is open, accepting it, and deciding stored nights again.")
    parser.add_argument("what", choices=("list", "accept", "replay"), nargs="?", default="list")
    parser.add_argument(
        "names", nargs="*", metavar="CELL|SWEEP", help="accept: ids of cells or globs; replay: sweeps (default: last)"
    )
    parser.add_argument("--all", action="store_true", help="accept: every alarm that is open")
    parser.add_argument("--why", default="", metavar="WORDS", help="accept: the reason, for the others")
    parser.add_argument("--root", type=Path, default=root_directory(), help="where multirun/ and lab/ lie")
    chosen = parser.parse_intermixed_args(arguments)
    from orchestrator import gatekeeper

    console, root = terminal(soft_wrap=True), chosen.root.resolve()
    if chosen.what == "accept":
        return gatekeeper.accept(console, root, chosen.names, chosen.all, chosen.why)
    if chosen.what == "replay":
        return gatekeeper.replayed(console, root, chosen.names)
    return gatekeeper.listed(console, root)


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
