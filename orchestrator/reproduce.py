"""``reproduce``: a stored cell is measured again, and the two results are held side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from orchestrator.about import shown
from orchestrator.agreement import AGREES, DIFFERS, Agreement, agreement
from orchestrator.app import concluded
from orchestrator.conditions import Condition, conditions
from orchestrator.config import revived
from orchestrator.console import Part, say, terminal
from orchestrator.energy_agreement import energy_agreement
from orchestrator.energy_ratio import ENERGY
from orchestrator.errors import ConfigError
from orchestrator.invocation import Invocation
from orchestrator.preview import columns
from orchestrator.result import RESULT_FILE, Result, Sweep, load_sweep, write_json
from orchestrator.resume import root_of
from orchestrator.statuses import DIFFERENT, INCOMPLETE, OK
from orchestrator.stored_cell import StoredCell, find_cell
from orchestrator.verdict import INVALID

REPORT = "reproduction.json"
STYLES = {AGREES: "green", DIFFERS: "bold red"}
ELSEWHERE = frozenset({"verdict", "energy verdict", "controller"})
"""Conditions that are shown, and explain no difference by themselves."""


def reproduce(name: str, overrides: Sequence[str], default_root: Path) -> int:
    """Run the stored cell called ``name`` again; 0: it agrees, 3: it differs, 2: nobody can tell.

    ``overrides`` may say where it runs and who keeps the result, not what is measured.

    Raises:
        ConfigError: there is no such cell, or its configuration cannot be had again in full.
    """
    root = root_of(overrides, default_root)
    stored, console = find_cell(root, name), terminal()
    again = revived(stored.folder, root, stored.result.board, overrides)
    say(console, ("reproduces", "bold"), f" {stored.name}: {stored.result.cell_id} on {stored.result.board}")
    for note in (*again.notes, *_doubts(stored)):
        say(console, (note, "yellow"))
    words = ["reproduce", name, *overrides]
    invocation = Invocation(words, stored.run_id or stored.name)
    status = concluded(invocation, lambda: invocation.launch([again.job]))
    if again.job.cell.settings.dry_run and status is None:
        return OK
    if status not in (OK, INCOMPLETE) or not (again.job.cell.directory / RESULT_FILE).is_file():
        return status or INCOMPLETE
    sweep, (result, *_) = load_sweep(again.job.cell.directory.parent)
    return _told(console, stored, sweep, result, again.notes)


def _doubts(stored: StoredCell) -> list[str]:
    """What can be said before anything is measured."""
    m = stored.result.measurement
    if m is not None and len(m.process_medians_ms) < 2:
        raise ConfigError(
            f"{stored.name} has one process, so nobody can tell what is noise and what a difference",
            hint="measure it once more with scenario.processes=3, and reproduce that one",
        )
    if m is None or m.verdict.level != INVALID:
        return []
    return ["the stored result is invalid: nobody will be able to tell whether the new one agrees"]


def _told(console: Console, stored: StoredCell, sweep: Sweep, now: Result, notes: Sequence[str]) -> int:
    """Say what came of it, and write it down; the exit status."""
    then = stored.result
    if now.measurement is None or then.measurement is None:
        return INCOMPLETE
    found = agreement(then.measurement, now.measurement)
    beside = conditions(then, now, (stored.sweep.facts, sweep.facts))
    path = write_json(sweep.directory / REPORT, report(stored, sweep, now, found, beside, notes))
    for line in side_by_side(then, now, beside):
        say(console, *line)
    say(console)
    for what, one in (("", found), ("energy ", energy_agreement(then, now))):
        if one is not None:
            say(console, what, (one.outcome, STYLES.get(one.outcome, "yellow")), f": {one.why}")
    others = [each.name for each in beside if each.differs and each.name not in ELSEWHERE]
    say(console, f"{'what differs' if others else 'no condition differs'}{': ' if others else ''}{', '.join(others)}")
    say(console, f"reproduction  {shown(path)}")
    return {AGREES: OK, DIFFERS: DIFFERENT}.get(found.outcome, INCOMPLETE)


def report(
    stored: StoredCell,
    sweep: Sweep,
    now: Result,
    found: Agreement,
    beside: Sequence[Condition],
    notes: Sequence[str],
) -> dict[str, Any]:
    """What REPORT holds."""
    energy = energy_agreement(stored.result, now)
    return {
        "version": 1,
        "cell": now.cell_id,
        **found.to_json(),
        "energy": energy.to_json() if energy else None,
        "then": {"sweep": stored.sweep.id, "run_id": stored.run_id, **_side(stored.result)},
        "now": {"sweep": sweep.id, **_side(now)},
        "conditions": [{"name": one.name, "then": one.then, "now": one.now, "differs": one.differs} for one in beside],
        "notes": list(notes),
    }


def _side(result: Result) -> dict[str, Any]:
    m = result.measurement
    if m is None:
        return {"number": result.number}
    return {
        "number": result.number,
        "board": result.board,
        "started_s": result.started_s,
        "median_ms": m.metrics["latency/median_ms"],
        "process_medians_ms": list(m.process_medians_ms),
        "verdict": m.verdict.level,
        "reasons": list(m.verdict.reasons),
        "energy_mj": m.metrics.get(ENERGY),
        "energy_uncertainty_mj": m.metrics.get("energy/uncertainty_mj"),
    }


def side_by_side(then: Result, now: Result, beside: Sequence[Condition]) -> list[list[Part]]:
    """A table: the numbers, and the conditions that differ; the others are named below, their values are in REPORT."""
    rows = [["", "median", *(_median(r) for r in (then, now))], ["", "processes", *(_medians(r) for r in (then, now))]]
    if any(r.measurement and ENERGY in r.measurement.metrics for r in (then, now)):
        rows.append(["", "energy", *(_energy(r) for r in (then, now))])
    rows += [["*", one.name, _short(one.then), _short(one.now)] for one in beside if one.differs]
    same = ", ".join(one.name for one in beside if not one.differs)
    table = list(columns(["", "", "stored", "now"], rows, right=()))
    return [*table, [("the same", "bold"), f"  {same}"]] if same else table


def _median(result: Result) -> str:
    m = result.measurement
    if m is None:
        return "-"
    interval = m.uncertainty.get("latency/median_ms")
    within = f" ({interval.low:.4g} to {interval.high:.4g})" if interval else ""
    return f"{m.metrics['latency/median_ms']:.4g} ms{within}"


def _medians(result: Result) -> str:
    medians = result.measurement.process_medians_ms if result.measurement else ()
    return " ".join(f"{value:.4g}" for value in medians[:12]) + (" ..." if len(medians) > 12 else "")


def _energy(result: Result) -> str:
    m = result.measurement
    if m is None or ENERGY not in m.metrics:
        return "-"
    return f"{m.metrics[ENERGY]:.4g} ±{m.metrics['energy/uncertainty_mj']:.2g} mJ"


def _short(text: str | None, limit: int = 48) -> str:
    if text is None:
        return "-"
    return text if len(text) <= limit else f"{text[: limit - 3]}..."
