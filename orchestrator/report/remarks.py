"""What must be said about the numbers that are shown."""

from __future__ import annotations

from collections.abc import Sequence, Set

from orchestrator.compare.front import candidates
from orchestrator.plain import plain
from orchestrator.report import columns as c
from orchestrator.report import energies

ESTIMATE_NOTE = (
    "Est. mJ is no measurement: idle and load power of the board's profile × CPU use × time, as a range. The details "
    "name its source. Use it to rank variants on one board, not as an absolute."
)
ENERGY_NOTE = (
    "Energy mJ is measured per inference, gross; the value is within ± with about 95 % (k=2), what is wrong with the "
    "sensor included. ? is suspect. Compare within one scope and kind only."
)
ENERGY_CHANGE_NOTE = (
    "Against the baseline's energy only where scope, kind and reader are the same: less or more is beyond what both "
    "measurements together may err from one to the next (k=2) and at least 2 %, ~ within is not. What one sensor of "
    "one board has wrong throughout cancels there."
)
SHORT_NOTE = "Beside the energy stands what it is of: "
BATTERY_NOTE = (
    "Hours on the battery: its nominal Wh over the measured power, at full load or at the given rate with the board "
    "idle between; only where the whole board was metered. Losses of a converter are not taken off."
)
OPS_NOTE = (
    "Ops index is no energy: operations and bytes of the model weighed by published figures of one chip, over the "
    "baseline's. It ranks variants of a model where nothing was measured."
)
LATENCY_NOTE = "Latency: median of the medians of the processes, ± half its 95 % interval between processes."
CHANGE_NOTE = (
    "~ is no significant difference: within that much it is the same; up to that much it is undecided (95 % interval). "
    "A difference is at least 2 %; one report in 100 has a false one."
)
QUALITY_NOTE = (
    "Top-1, AUC: on the board, with the runtime and delegate that were timed, ± half the 95 % interval. Drop: points "
    "lost against the float model on the same samples, with its 95 % interval. SQNR: distance from its outputs."
)
DECIDE_NOTE = "To decide: with scenario.processes=N of that number, 95 of 100 such pairs would be decided."
MOST_PERCENT = 100
"""A change of more than that is found in any case; the figure would only be about how noisy a cell is."""

FRONT_NOTE = (
    "Front: ● no other cell of the device{modes}, ○ no other one of the same model on it, is at least as good in "
    "{what} and better in one. Overlapping intervals, and latencies less than 2 % apart, are a tie."
)
NO_QUALITY = " How well the model answers is not part of it{where}."


def notes(shown: c.Sheet, kept: Sequence[c.Column] | None = None) -> list[str]:
    """What must be said about the columns that are shown."""
    keys = {column.key for column in (shown.columns if kept is None else kept)}
    lines = [LATENCY_NOTE] if shown.rows else []
    lines += [CHANGE_NOTE + _detectable(shown)] if "change" in keys else []
    lines += [DECIDE_NOTE] if "change_processes" in keys else []
    if "change" in keys and (dashes := _no_change(shown)):
        lines.append(f"– in that column: {'; '.join(dashes)}.")
    if conditions := sorted({name for row in shown.rows for name in plain(row["change_differs"]).split(", ") if name}):
        lines.append(f"* under other conditions than the baseline: {', '.join(conditions)}.")
    if keys & {"quality_top1", "quality_auc", "quality_drop", "quality_sqnr_db"}:
        lines.append(QUALITY_NOTE + _judged_on(shown))
    if "front" in keys:
        lines.append(front_note(shown))
    lines += [SHORT_NOTE + ", ".join(short) + "."] if (short := _short(shown, keys)) else []
    lines += [ENERGY_NOTE] if "energy_mj" in keys else _no_energy(shown)
    if "energy_change" in keys:
        lines += [ENERGY_CHANGE_NOTE, *_incomparable(shown)]
    if keys & {"battery_h", "battery_estimate_h"}:
        lines += [BATTERY_NOTE, *_about_hours(shown)]
    lines += [ESTIMATE_NOTE] if "energy_estimate_mj" in keys else []
    return lines + ([OPS_NOTE] if "ops_ratio" in keys else [])


def _judged_on(shown: c.Sheet) -> str:
    """On which data, and why there is no accuracy of some."""
    sources = dict.fromkeys(plain(row["quality_source"]) for row in shown.rows if c.has(row, "quality_source"))
    without = [row for row in shown.rows if c.has(row, "quality_reason") and not c.has(row, "quality_drop")]
    reasons = dict.fromkeys(plain(row["quality_reason"]) for row in without)
    said = f" Inputs: {'; '.join(sources)}." if sources else ""
    return said + (f" No accuracy: {'; '.join(reasons)}." if reasons else "")


def _short(shown: c.Sheet, keys: Set[str]) -> list[str]:
    """Scopes and kinds that had no room for their names."""
    return energies.shortened(shown.rows, [label for label in shown.labels if label not in keys])


def _incomparable(shown: c.Sheet) -> list[str]:
    """Why some energies are compared with nothing."""
    rows = [row for row in shown.rows if c.has(row, "energy_mj") and not c.has(row, "energy_change_ratio")]
    reasons = dict.fromkeys(plain(row["energy_change_note"]) for row in rows if not row["is_baseline"])
    found = [reason for reason in reasons if reason]
    return [f"Energies not compared: {'; '.join(found)}."] if found else []


def _about_hours(shown: c.Sheet) -> list[str]:
    """What goes with some of them, and why there are none of others."""
    rows = [row for row in shown.rows if c.has(row, "battery")]
    none = dict.fromkeys(plain(row["battery_note"]) for row in rows if not c.has(row, "battery_h"))
    good = [row for row in rows if c.has(row, "battery_h") and c.has(row, "battery_note")]
    said = dict.fromkeys(f"{plain(row['energy_scope'])}: {plain(row['battery_note'])}" for row in good)
    lines = [f"Hours by {'; by '.join(said)}."] if said else []
    return lines + ([f"No hours: {'; '.join(none)}."] if none else [])


def _detectable(shown: c.Sheet) -> str:
    """What changes these comparisons can find at all."""
    found = [100 * row["change_detectable"] for row in shown.rows if c.has(row, "change_detectable")]
    return f" Found in 95 of 100 tries here: a change of {percent(min(found), max(found))}." if found else ""


def percent(low: float, high: float) -> str:
    """``3.3 to 9.6 %``, by the cell; ``3.3 % or more`` where some would only notice that it is another model."""
    if high > MOST_PERCENT:
        return f"{low:.1f} % or more, by the cell"
    ends = dict.fromkeys(f"{end:.1f}" for end in (low, high))
    return f"{' to '.join(ends)} %"


def _no_change(shown: c.Sheet) -> list[str]:
    """Why some cells are compared with nothing."""
    return list(dict.fromkeys(plain(row["change_note"]) for row in shown.rows if c.change(row) == "–"))


def front_note(shown: c.Sheet) -> str:
    """What the front is about, and where energy is no part of it."""
    groups = candidates(shown.rows)
    counted = ["latency"] + ["measured energy"] * any(group.energy for group in groups)
    counted += ["quality"] * any(group.quality for group in groups)
    what = f"{', '.join(counted)} and size"
    without = dict.fromkeys(f"{plain(group.device)}: {group.without}" for group in groups if group.without)
    some = (
        f" Energy does not count on {'; '.join(without)}." if any(group.energy for group in groups) and without else ""
    )
    modes = " in the same mode" if len({group.mode for group in groups}) > 1 else ""
    others = dict.fromkeys(plain(group.device) for group in groups if not group.quality)
    where = f" on {', '.join(others)}" if any(group.quality for group in groups) else ""
    return FRONT_NOTE.format(what=what, modes=modes) + (NO_QUALITY.format(where=where) if others else "") + some


def _no_energy(shown: c.Sheet) -> list[str]:
    """Why there is no such column; nothing where it only had no room."""
    if any(c.has(row, "energy_mj") for row in shown.rows):
        return []
    reasons = dict.fromkeys(plain(row["energy_reason"]) for row in shown.rows if c.has(row, "energy_reason"))
    return [f"Energy was not measured: {'; '.join(reasons)}."] if reasons else []
