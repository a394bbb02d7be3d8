"""The commands about boards and nights: ``board``, ``doctor``, ``gate``, ``meter``."""

from __future__ import annotations

import argparse
from pathlib import Path

from orchestrator import config
from orchestrator.composed import composed_device, each_device, named
from orchestrator.console import terminal
from orchestrator.errors import ConfigError
from orchestrator.health import Book
from orchestrator.parser import Parser, asking, root_directory


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

    confirm = asking(console, "board power", chosen.yes, "add --yes if it may be turned off")

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
