"""What stands behind each number, cell by cell: an expandable part of the page for every cell that has a result."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from orchestrator.measurement import Measurement
from orchestrator.report import columns as c
from orchestrator.report import operators
from orchestrator.report.power import power
from orchestrator.report.seen import Comparison
from orchestrator.report.strips import pipeline, processes
from orchestrator.report.words import escaped as _e
from orchestrator.result import Result
from orchestrator.stats import Interval
from orchestrator.words import counted

GROUPS: Mapping[str, tuple[str, ...]] = {
    "Latency": ("latency", "throughput", "offline", "load", "memory"),
    "Sustained": ("sustained",),
    "Steadiness": ("stability", "sanity", "delegate"),
    "Board": ("state",),
    "Artifact": ("model",),
    "Quality, on the board": ("quality",),
    "Energy, measured": ("energy",),
    "Energy, estimated": ("energy_estimate",),
}
"""Headings, and the first words of the metrics below them. Measured and estimated energy never share one."""

ENERGY_TAGS = (
    *("energy.verdict", "energy.source", "energy.scope", "energy.kind", "energy.uncertainty", "energy.rate_hz"),
    *("energy.clock", "energy.also"),
)
QUALITY_TAGS = ("quality.source", "quality.reference")
TAGS_BELOW: Mapping[str, Sequence[str]] = {"Energy, measured": ENERGY_TAGS, "Quality, on the board": QUALITY_TAGS}
BOARD_TAGS = ("state.", "tune.")
OWN_HEAD = ("latency", "state", "stability", "model", "energy", "energy_estimate", "sustained", "offline", "quality")
"""Groups whose heading names them already."""
UNITS = {
    "_inferences_per_s": "/s",
    "_per_s": "/s",
    "_ms": " ms",
    "_mhz": " MHz",
    "_rpm": " rpm",
    "_mb": " MB",
    "_c": " °C",
    "_s": " s",
    "_w": " W",
    "_mj": " mJ",
    "_bytes": " bytes",
    "_db": " dB",
}
"""By the end of a metric's name; a longer end comes first."""
NAMED = {
    "energy/edp_mj_ms": ("energy-delay product", " mJ·ms"),
    "energy/joules_per_1000": ("per 1000 inferences", " J"),
    "energy/inferences_per_wh": ("inferences per Wh", ""),
    "quality/auc": ("AUC", ""),
    "quality/sqnr_db": ("SQNR", " dB"),
}
"""What a name does not say well, and its unit."""
SHARES = (
    *("stability/", "delegate/share", "latency/cv", "energy/latency_shift", "energy/coverage"),
    *("energy/idle_drift", "energy/window_spread", "sustained/degradation", "state/clock_low_share"),
    *("quality/top", "quality/drop"),
)


def sections(comparison: Comparison, shown: c.Sheet) -> Iterator[str]:
    """One closed part per row of the table, in its order."""
    results = {(result.sweep_id, result.number): result for result in comparison.results}
    for row in shown.rows:
        result = results.get((row["sweep"], row["number"]))
        if result is not None and result.measurement is not None:
            yield _section(c.full_name(shown, row), row, result, result.measurement)


def anchor(row: c.Row) -> str:
    """Where the part of a row is on the page."""
    return f"cell-{row['sweep']}-{row['number']}"


def _section(name: str, row: c.Row, result: Result, m: Measurement) -> str:
    head = f'<span class="badge {_e(m.verdict.level)}">{_e(m.verdict.level)}</span> {_e(name)}'
    about = " · ".join(filter(None, (f"{c.number(row['latency_ms'])} ms", result.board or "")))
    parts = "".join(part(result, m) for part in PARTS)
    summary = f'<summary>{head} <span class="soft">{_e(about)}</span></summary>'
    return f'<details class="one" id="{_e(anchor(row))}">{summary}{parts}</details>'


def verdict(result: Result, m: Measurement) -> str:
    """All reasons and warnings, and what nobody could look at."""
    said = [*m.verdict.reasons, *_about_energy(m), *m.warnings, *result.warnings]
    items = "".join(f"<li>{_e(text)}</li>" for text in said) or "<li>nothing spoke against it</li>"
    if m.verdict.unchecked:
        items += f'<li class="soft">not checked, since not known: {_e(", ".join(m.verdict.unchecked))}</li>'
    return f"<ul>{items}</ul>"


def _about_energy(m: Measurement) -> list[str]:
    """Why the energy is doubted, where the latency may be believed."""
    level = m.tags.get("energy.verdict", "valid")
    reasons = m.tags.get("energy.verdict.reasons", "").split("; ")
    return [] if level == "valid" else [f"energy is {level}: {reason}" for reason in reasons]


def metrics(result: Result, m: Measurement) -> str:
    """Every number by heading, with its interval; at the end what is missing, with the reason."""
    parts = []
    for head, prefixes in GROUPS.items():
        found = {name: value for name, value in m.metrics.items() if name.partition("/")[0] in prefixes}
        rows = [_number(name, value, m) for name, value in found.items() if not _is_end(name, m)]
        if head == "Board":
            of_board = [tag for tag in m.tags if tag.startswith(BOARD_TAGS)]
            rows += [_row(tag.partition(".")[2].replace("_", " "), m.tags[tag]) for tag in of_board]
        tags = TAGS_BELOW.get(head, ()) if rows else ()
        rows += [_row(tag.partition(".")[2].replace("_", " "), m.tags[tag]) for tag in tags if tag in m.tags]
        if rows:
            parts.append(f"<div><h3>{head}</h3><table>{''.join(rows)}</table></div>")
    return f'<div class="facts">{"".join(parts)}</div>{_missing(m)}'


def profile(result: Result, m: Measurement) -> str:
    """Time by operator, where a profile was asked for; it is too long to be kept anywhere but in the record."""
    if result.directory is None or not any(tag.startswith("profile") for tag in m.tags):
        return ""
    try:
        record = json.loads((result.directory / "record.json").read_text(encoding="utf-8"))
        return operators.section(record)
    except (OSError, ValueError, KeyError, TypeError):  # moved, or of another version
        return '<p class="note">The profile is in record.json, which cannot be read from here.</p>'


PARTS: Sequence[Callable[[Result, Measurement], str]] = (verdict, processes, pipeline, power, metrics, profile)
"""What is shown of a cell, from top to bottom."""


def _is_end(name: str, m: Measurement) -> bool:
    """Whether it is an end of an interval, which is shown with the value in its middle."""
    return any(re.sub(rf"_{end}(?=_|$)", "", name) in m.uncertainty for end in ("low", "high") if f"_{end}" in name)


def _number(name: str, value: float, m: Measurement) -> str:
    label, unit = _label(name)
    if name.startswith(SHARES):
        return _row(label, f"{100 * value:.3g} %", _percent(m.uncertainty.get(name)), name)
    digits = f"{value:,.0f}" if value == int(value) else c.number(value, 4)
    return _row(label, digits + unit, m.uncertainty.get(name), name)


def _percent(interval: Interval | None) -> Interval | None:
    return None if interval is None else replace(interval, low=100 * interval.low, high=100 * interval.high)


def _label(name: str) -> tuple[str, str]:
    """In words, and the unit."""
    if name in NAMED:
        return NAMED[name]
    group, _, leaf = name.partition("/")
    words, unit = leaf, ""
    for end, text in UNITS.items():
        head, found, rest = leaf.rpartition(end)
        if found and rest in ("", "_low", "_high"):
            words, unit = head + rest, text
            break
    words = words.replace("_", " ")
    return words if group in OWN_HEAD else f"{group} {words}", unit


def _row(label: str, text: str, interval: Interval | None = None, title: str = "") -> str:
    within = ""
    if interval is not None:
        words = f"{c.number(interval.low, 4)} to {c.number(interval.high, 4)}"
        within = f' <span class="soft" title="{_e(interval.method)}, n = {interval.n}">{words}</span>'
    hint = f' title="{_e(title)}"' if title else ""
    return f"<tr{hint}><th>{_e(label)}</th><td>{_e(text)}{within}</td></tr>"


def _missing(m: Measurement) -> str:
    reasons: dict[str, list[str]] = {}
    for name, reason in m.missing.items():
        reasons.setdefault(reason, []).append(name)
    items = "".join(f"<li>{_e(reason)}: {_e(', '.join(names))}</li>" for reason, names in reasons.items())
    head = f"<summary>not there: {counted(len(m.missing), 'metric')}</summary>"
    return f'<details class="absent note">{head}<ul>{items}</ul></details>' if items else ""
