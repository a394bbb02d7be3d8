"""Energy, its labels, its change and hours on a battery, as they stand in a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from orchestrator.compare.energy import LESS, MORE
from orchestrator.plain import plain
from orchestrator.report.text import Column, Row, between, has, number


def energy(row: Row) -> str:
    """``254 ±11``, the expanded uncertainty; ``?``: suspect."""
    if not has(row, "energy_mj"):
        return ""
    doubt = " ?" if suspect_energy(row) else ""
    return f"{number(row['energy_mj'])} ±{number(row['energy_uncertainty_mj'], 2)}{doubt}"


ENERGY_LABELS = ("energy_scope", "energy_kind")
"""What no energy is shown without, where it differs."""
SHORT = {"gpu_board": "gpu", "cpu_package": "cpu", "soc_rails": "soc", "module_in": "module", "board_dc_in": "dc in",
         "wall_ac": "wall", "calibrated": "cal."}  # fmt: skip
"""Scopes and kinds where there is no room for them."""


def differing_labels(rows: Sequence[Row]) -> tuple[str, ...]:
    """Those that differ between the rows that show an energy."""
    have = [row for row in rows if has(row, "energy_mj")]
    return tuple(key for key in ENERGY_LABELS if len({plain(row[key]) for row in have}) > 1)


def beside(row: Row, labels: Sequence[str]) -> str:
    """``wall``, ``wall calibrated``: behind an energy where it has no column for it."""
    words = [plain(row[key]) for key in labels if has(row, "energy_mj") and has(row, key)]
    return " ".join(SHORT.get(word, word) for word in words)


def shortened(rows: Sequence[Row], labels: Sequence[str]) -> list[str]:
    """What the short words are, as far as they occur: ``wall is wall_ac``."""
    have = [row for row in rows if has(row, "energy_mj")]
    words = dict.fromkeys(plain(row[key]) for key in labels for row in have)
    return [f"{SHORT[word]} is {word}" for word in words if word in SHORT]


def labelled(column: Column, labels: Sequence[str]) -> Column:
    """The column of energies with their labels beside them."""
    return replace(column, text=lambda row: f"{column.text(row)} {beside(row, labels)}".strip())


def suspect_energy(row: Row) -> bool:
    return has(row, "energy_verdict") and row["energy_verdict"] != "valid"


def energy_change(row: Row) -> str:
    """``1.31× less``, ``~ within 3%``, or in a word why the two energies cannot be compared."""
    if not has(row, "energy_mj"):
        return ""
    if row["is_baseline"]:
        return "baseline"
    if not has(row, "energy_change_ratio"):
        note = plain(row.get("energy_change_note"))
        return note.partition(",")[0] if note.startswith("other ") else "–"
    ratio = row["energy_change_ratio"]
    if row["energy_change_outcome"] == LESS:
        return f"{1 / ratio:.2f}× less"
    if row["energy_change_outcome"] == MORE:
        return f"{ratio:.2f}× more"
    percent = 100 * (max(row["energy_change_high"], 1 / row["energy_change_low"]) - 1)
    return f"~ within {percent:.0f}%" if percent >= 9.95 else f"~ within {percent:.1f}%"


def energy_direction(row: Row) -> str:
    """The colour of the change: less is what faster is in time."""
    return {LESS: "faster", MORE: "slower"}.get(row["energy_change_outcome"], "same")


def battery(row: Row) -> str:
    """``6.0 ±0.3 module alone``; a dash where there is no time, or that the rate is too fast."""
    if not has(row, "battery"):
        return ""
    note = plain(row["battery_note"]) if has(row, "battery_h") else ""
    return " ".join(filter(None, (battery_alone(row), note)))


def battery_alone(row: Row) -> str:
    """Without what must be said with it, which is in the notes too."""
    if not has(row, "battery"):
        return ""
    if not has(row, "battery_h"):
        return "too fast" if plain(row["battery_note"]).startswith("too fast") else "–"
    high = f"{(row['battery_high_h'] - row['battery_low_h']) / 2:.2g}" if has(row, "battery_high_h") else "?"
    return f"{number(row['battery_h'])} ±{high}"


def battery_estimate(row: Row) -> str:
    if not has(row, "battery_estimate_low_h"):
        return ""
    note = plain(row["battery_estimate_note"])
    low, high = row["battery_estimate_low_h"], row["battery_estimate_high_h"]
    return " ".join(filter(None, (between(low, high, low), note)))


def ops(row: Row) -> str:
    """``×0.31``: the index by operations over the baseline's, which is no energy."""
    if not has(row, "ops_ratio"):
        return ""
    return "baseline" if row["is_baseline"] else f"×{number(row['ops_ratio'])}"


def estimate(row: Row) -> str:
    if not has(row, "energy_estimate_mj"):
        return ""
    return between(row["energy_estimate_low_mj"], row["energy_estimate_high_mj"], row["energy_estimate_mj"])
