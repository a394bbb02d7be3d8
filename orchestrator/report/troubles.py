"""Cells without a result, those that share a reason together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.gates import BROKEN, UNCERTAIN, UNKNOWN
from orchestrator.plain import plain
from orchestrator.report import columns as c

LONGEST = 160
"""Characters of a list of cells; what is beyond is counted."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Cells of one board (or device, where there was none yet) with the same status, reason and hint.

    ``mark`` is a letter of its own, for tables that have room for no more.
    """

    mark: str
    status: str
    board: str
    reason: str
    hint: str
    rows: tuple[c.Row, ...]
    cells: str  # ``pi4/mine/int8``, or ``3 cells pi4/mine/{none,int8} · threads {1,4}``

    @property
    def log(self) -> str:
        """Where to look; the first of them where each cell has one of its own."""
        logs = list(dict.fromkeys(plain(row["log"]) for row in self.rows if c.has(row, "log")))
        return "" if not logs else logs[0] + (f" and {len(logs) - 1} more" if len(logs) > 1 else "")


def troubles(shown: c.Sheet) -> list[Trouble]:
    """In the order of the rows."""
    found: dict[tuple[str, ...], list[c.Row]] = {}
    for row in shown.others:
        where = plain(row["board"]) or f"\n{row['device']}"  # no board is called that
        key = (row["sweep"], row["status"], where, plain(row["reason"]), plain(row["hint"]))
        found.setdefault(key, []).append(row)
    return [
        Trouble(
            _letter(n), status, "" if where.startswith("\n") else where, reason, hint, tuple(some), named(shown, some)
        )
        for n, ((_, status, where, reason, hint), some) in enumerate(found.items())
    ]


def marks(some: Sequence[Trouble]) -> dict[int, str]:
    """The letter of each row, by the row's ``id()``."""
    return {id(row): trouble.mark for trouble in some for row in trouble.rows}


def doubts(shown: c.Sheet) -> list[tuple[str, str, str]]:
    """Verdict, cells and reasons; cells with the same reasons together."""
    found: dict[tuple[str, str], list[c.Row]] = {}
    for row, reasons in c.doubts(shown.rows):
        found.setdefault((row["verdict"], reasons), []).append(row)
    return [
        (level, c.full_name(shown, rows[0]) if len(rows) == 1 else named(shown, rows), reasons)
        for (level, reasons), rows in found.items()
    ]


BESIDE_LIMITS = {BROKEN: "breaks", UNKNOWN: "unknown", UNCERTAIN: "unsure"}
"""What a cell does to a limit that it does not surely keep, in a word."""


def beside_limits(shown: c.Sheet) -> list[tuple[str, str, str]]:
    """Word, cells and reasons of those that do not surely keep the limits; cells with the same reasons together."""
    found: dict[tuple[str, str], list[c.Row]] = {}
    for row in shown.rows:
        if row["gate"] in BESIDE_LIMITS:
            found.setdefault((row["gate"], plain(row["gate_why"])), []).append(row)
    return [
        (BESIDE_LIMITS[outcome], c.full_name(shown, rows[0]) if len(rows) == 1 else named(shown, rows), why)
        for (outcome, why), rows in sorted(found.items(), key=lambda item: list(BESIDE_LIMITS).index(item[0][0]))
    ]


def named(shown: c.Sheet, rows: Sequence[c.Row]) -> str:
    """The cells, and where they lie on the other axes that vary in the comparison."""
    count = f"{len(rows)} cells " if len(rows) > 1 else ""
    return " · ".join([count + cell_names(rows), *c.along_axes(shown, rows)])


def cell_names(rows: Sequence[c.Row]) -> str:
    """``pi4/{a,b}/{none,int8}``: models with the same optimizations are named together."""
    asked: dict[str, dict[str, dict[str, None]]] = {}
    for row in rows:
        device, model, optimization = (plain(row.get(k) or "?") for k in ("device", "model", "optimization"))
        asked.setdefault(device, {}).setdefault(model, {})[optimization] = None
    names = []
    for device, models in asked.items():
        alike: dict[tuple[str, ...], list[str]] = {}
        for model, optimizations in models.items():
            alike.setdefault(tuple(optimizations), []).append(model)
        names += [f"{device}/{c.braced(some)}/{c.braced(all_of_them)}" for all_of_them, some in alike.items()]
    text = ", ".join(names)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _letter(n: int) -> str:
    return (_letter(n // 26 - 1) if n >= 26 else "") + chr(ord("a") + n % 26)
