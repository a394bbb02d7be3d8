"""What a run will do, before it does it: the page of ``dry_run=true``, and one line of it at the start of every run."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rich.console import Console

from orchestrator.builder import Builder
from orchestrator.cell import AXES, NATIVE
from orchestrator.console import Part, say
from orchestrator.fleet import Entry, Forecast, Plan, adds_energy, energy_seconds, forecast
from orchestrator.meters.windows import idle_needed_s, needed_s
from orchestrator.provisioning import package, packed_bytes
from orchestrator.stock import Stock
from orchestrator.unattended import seconds_of
from orchestrator.words import counted, duration, megabytes, numbers
from remote import bundle

MANY = 200
"""Cells in the table; more scroll away unread, and what follows the table is what is read then."""
MANY_BOARDS = 8
"""Beyond, boards are told together."""
FEW = 3
"""Repetitions that are told one by one."""
ALWAYS = ("device", "model", "optimization")


def summary(plan: Plan, cast: Forecast, stock: Stock) -> str:
    """The plan in one line."""
    words = [f"{counted(len(plan.runnable), 'cell')} to run on {counted(len(used(cast)), 'board')}"]
    if plan.runnable:
        words.append(f"about {duration(cast.seconds)} ({ground(plan.runnable)})")
        words.append(f"{counted(len(stock.missing), 'artifact')} to build")
    if skipped := [entry for entry in plan.entries if entry.skipped]:
        words.append(f"{len(skipped)} skipped")
    if failed := [entry for entry in plan.entries if entry.failed]:
        words.append(f"{len(failed)} bound to fail")
    return ", ".join(words)


def print_plan(console: Console, plan: Plan, builder: Builder, cache: Path, excluded: Mapping[str, int]) -> None:
    """Cells, what does not run and why, boards, builds, uploads, how long. ``excluded``: how many cells by rule."""
    stock, cast = Stock.of(plan, builder), forecast(plan, budget_of(plan))
    say(console, (summary(plan, cast, stock), "bold"))
    for line in (*cells(plan, stock), *left_out(plan, excluded)):
        say(console, *line)
    if plan.runnable:
        for line in (*boards(plan, cast, stock), *totals(plan, cast, stock, cache)):
            say(console, *line)


def cells(plan: Plan, stock: Stock) -> Iterator[list[Part]]:
    """A row each; what is the same in all of them is said once."""
    shown = plan.runnable[:MANY]
    rows = [entry.cell.axes | {"also": " ".join(entry.cell.extras)} for entry in shown]
    same = [axis for axis in (*AXES, "also") if axis not in ALWAYS and len({row[axis] for row in rows}) == 1]
    told = [axis for axis in same if rows[0][axis] and (axis, rows[0][axis]) != ("width", NATIVE)]
    if common := [f"{axis} {rows[0][axis]}".removeprefix("also ") for axis in told]:
        yield [(f"all with {', '.join(common)}", "dim")]
    if not shown:
        return
    axes = [axis for axis in (*AXES, "also") if axis not in same]
    head = ["#", *axes, "about", "by", "artifact"]
    lines = [
        [str(e.cell.number), *(row[a] for a in axes), duration(e.estimate.seconds), e.estimate.ground, stock.words(e)]
        for e, row in zip(shown, rows, strict=True)
    ]
    yield from columns(head, lines, right=("#", "about"))
    if more := plan.runnable[MANY:]:
        yield [(f"and {counted(len(more), 'cell')} more ({numbers(e.cell.number for e in more)})", "dim")]


def left_out(plan: Plan, excluded: Mapping[str, int]) -> Iterator[list[Part]]:
    """What does not run, each reason once."""
    yield from hopeless(plan)
    for rule, count in excluded.items():
        yield [("excluded", "yellow"), f" {counted(count, 'cell')} by the rule {rule}"]
    yield from repeated(plan)


def hopeless(plan: Plan) -> Iterator[list[Part]]:
    """Impossible combinations, and what is bound to fail: a line for each reason."""
    for what, style, reasons in (
        ("skipped", "yellow", [(e, e.skipped) for e in plan.entries if e.skipped]),
        ("bound to fail", "red", [(e, str(e.failed)) for e in plan.entries if e.failed]),
    ):
        by_reason: dict[str, list[int]] = defaultdict(list)
        for entry, reason in reasons:
            by_reason[reason].append(entry.cell.number)
        for reason, those in by_reason.items():
            yield [(what, style), f" {cells_word(those)}: {reason}"]


def repeated(plan: Plan) -> Iterator[list[Part]]:
    """What was asked for twice."""
    by_twin: dict[int, list[int]] = defaultdict(list)
    for number, twin in plan.duplicates.items():
        by_twin[twin].append(number)
    if len(by_twin) > FEW:
        yield [("repeated", "yellow"), f" {cells_word(list(plan.duplicates))}: each the same as an earlier cell"]
        return
    for twin, those in by_twin.items():
        yield [("repeated", "yellow"), f" {cells_word(those)}: the same as cell {twin}, which counts for both"]


def boards(plan: Plan, cast: Forecast, stock: Stock) -> Iterator[list[Part]]:
    """Who will do how much. In a pool nobody is bound to it: each board takes what is next."""
    wanted: dict[str, list[Entry]] = defaultdict(list)
    pools: Counter[str] = Counter(repr(share.board.device) for share in cast.shares)
    for entry in plan.runnable:
        wanted[repr(entry.cell.settings.device)].append(entry)
    sent = {device: stock.upload(entries) for device, entries in wanted.items()}
    rows = []
    for share in cast.shares:
        device = repr(share.board.device)
        name = share.board.device.name + (f" (pool of {pools[device]})" if pools[device] > 1 else "")
        by = f"history {share.known}/{share.cells}" if share.known else "scenario" if share.cells else ""
        row = [name, share.board.name, str(share.cells), duration(share.seconds), by]
        rows.append([*row, sent[device] if share.cells else "nothing"])
    yield []
    yield from columns(["device", "board", "cells", "busy", "by", "models to send, at most"], rows, ("cells", "busy"))


def totals(plan: Plan, cast: Forecast, stock: Stock, cache: Path) -> Iterator[list[Part]]:
    """Builds, what else is sent, energy, how long in all."""
    yield []
    yield [("builds   ", "bold"), stock.builds()]
    yield [
        ("uploads  ", "bold"),
        f"once a board: benchmark program {megabytes(len(bundle.build()))}, {runtimes(plan, cache)}",
    ]
    yield from energy(plan, cast)
    yield from short_windows(plan)
    waits = ", and what boards wait for builds" if stock.missing else ""
    order = "the longest cells first" if len(plan.runnable) > 1 else ""
    rest = ", ".join(
        filter(None, (order, f"{counted(len(used(cast)), 'board')} at once" if len(used(cast)) > 1 else ""))
    )
    if cast.late:
        left = f"does not reach for {cells_word(cast.late)}, which will be listed as not run"
        yield [("budget   ", "bold"), f"{plan.runnable[0].cell.settings.budget} {left}"]
    yield [("in all   ", "bold"), f"about {duration(cast.seconds)}{waits}" + (f" ({rest})" if rest else "")]


def energy(plan: Plan, cast: Forecast) -> Iterator[list[Part]]:
    """What energy takes a cell and a board; nothing where none is asked."""
    asked = [entry for entry in plan.runnable if entry.cell.settings.scenario.energy_s]
    passes = {energy_seconds(entry.cell.settings.scenario): entry.cell.settings.scenario for entry in asked}
    if not passes:
        return
    longest = passes[max(passes)]
    windows = f"{longest.energy_windows} x {longest.energy_s:g} s, idle 2 x {longest.idle_s:g} s"
    most = "up to " if len(passes) > 1 else ""
    yield [("energy   ", "bold"), f"{most}{duration(max(passes))} a cell (windows {windows})"]
    if known := [entry for entry in asked if not adds_energy(entry)]:
        whose = "" if len(known) == len(asked) else f" of {counted(len(known), 'cell')}"
        yield [f"         in the times above where it was measured before: the history{whose} includes it"]
    for how, some in (
        ("in the times above", [(share.board, share.metered_s) for share in cast.shares if share.metered_s]),
        ("more where a sensor answers", [(share.board, share.perhaps_s) for share in cast.shares if share.perhaps_s]),
    ):
        if len(some) > MANY_BOARDS:
            most_s = max(seconds for _, seconds in some)
            yield [f"         {counted(len(some), 'board')}: up to {duration(most_s)} each, {how}"]
            continue
        for board, seconds in some:
            by = f", by its meter ({board.meter.kind})" if board.meter and how.startswith("in ") else ""
            yield [f"         {board.name}: {duration(seconds)} {how}{by}"]


def short_windows(plan: Plan) -> Iterator[list[Part]]:
    """Meters that cannot measure in the windows or the idle spans asked for, once for each device and scenario, and the
    way out."""
    found: dict[tuple[str, ...], list[Part]] = {}
    for settings in (entry.cell.settings for entry in plan.runnable):
        scenario = settings.scenario
        for lost, what, key, asked_s, least_s in (
            ("no energy", "windows", "energy_s", scenario.energy_s, needed_s(settings)),
            ("no net energy", "idle spans", "idle_s", scenario.idle_s, idle_needed_s(settings)),
        ):
            if least_s is None:
                continue
            meter = f"the meter of {settings.device.name} ({settings.device.meter.kind})"
            words = f" by {meter}: {what} of {asked_s:g} s are too short for it in {scenario.name},"
            way_out = f"scenario.{key}={math.ceil(least_s)} or more, or scenario.{key}=0 for none"
            found[lost, words] = [f"{'':10}{way_out}"]
    for (lost, words), way in found.items():
        yield [(lost, "yellow"), words]
        yield way


def runtimes(plan: Plan, cache: Path) -> str:
    """The wheels of the runtimes that boards may get; which one, they tell when they are connected."""
    pushed = [e.cell.settings.runtime for e in plan.runnable if e.cell.settings.runtime.install == "push"]
    names = {package(name, r.delegate) for r in pushed for name in r.names}
    if not names:
        return "no runtime (the boards' own)"
    sizes = sorted(size for name in names for size in packed_bytes(name, cache))
    if not sizes:
        return "runtime wheels"
    span = megabytes(sizes[0]) if sizes[0] == sizes[-1] else f"{megabytes(sizes[0])} to {megabytes(sizes[-1])}"
    return f"runtime wheels ({span} where they were packed before)"


def budget_of(plan: Plan) -> float:
    """Of the sweep, in seconds."""
    budget = plan.entries[0].cell.settings.budget
    return math.inf if budget is None else seconds_of(budget)


def used(cast: Forecast) -> list[str]:
    """The boards that have something to do; entries that are one machine take turns, but are boards of their own."""
    return [share.board.name for share in cast.shares if share.cells]


def ground(entries: Sequence[Entry]) -> str:
    """What the estimates of many cells rest on."""
    known = sum(entry.estimate.runs > 0 for entry in entries)
    if known in (0, len(entries)):
        return "history" if known else "scenario"
    return f"history {known}/{len(entries)}"


def cells_word(those: Sequence[int]) -> str:
    """``cell 3`` or ``4 cells (3, 7-9)``."""
    return f"cell {those[0]}" if len(those) == 1 else f"{len(those)} cells ({numbers(those)})"


def columns(head: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str]) -> Iterator[list[Part]]:
    """Rows under their heads, aligned; for a terminal and for a pipe alike."""
    widths = [max(len(text) for text in column) for column in zip(head, *rows, strict=True)]
    for number, row in enumerate([head, *rows]):
        aligned = [
            f"{text:>{width}}" if name in right else f"{text:<{width}}"
            for text, width, name in zip(row, widths, head, strict=True)
        ]
        yield [("  ".join(aligned).rstrip(), "" if number else "bold")]
