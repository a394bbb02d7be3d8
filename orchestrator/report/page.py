"""The comparison as one HTML file: offline, no script, every text escaped."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from html import escape
from importlib import resources

from orchestrator.energy.drawing import RULES
from orchestrator.plain import plain
from orchestrator.report import cells, energies, grid, heat, qualities, remarks, scatter
from orchestrator.report import columns as c
from orchestrator.report.figure import CHARTS, Chart, apart, ends, groups, label
from orchestrator.report.grid import View
from orchestrator.report.seen import Comparison
from orchestrator.report.troubles import Trouble, beside_limits, marks, troubles
from orchestrator.report.words import escaped as _e

# Nothing is fetched and nothing runs, whatever a board managed to get into a text.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"

CONDITIONS = {
    "board": "Board",
    "board_model": "Board model",
    "board_cpu": "CPU",
    "board_os": "OS",
    "board_kernel": "Kernel",
    "runtime_version": "Runtime version",
    "python": "Python",
    "numpy": "NumPy",
    "governor": "Governor",
    "weights": "Weights",
    "energy_source": "Energy sensor",
    "energy_kind": "Energy kind",
    "energy_estimate_source": "Power profile",
    "energy_estimate_scope": "Profile scope",
}


ESTIMATES = ("energy_estimate_mj", "battery_estimate_h", "ops_ratio")

LONG = 60
"""Rows from which the long parts of the page are closed at first."""


def page(comparison: Comparison, shown: c.Sheet, view: View) -> str:
    style = resources.files("orchestrator.report").joinpath("report.css").read_text(encoding="utf-8")
    body = "\n".join(_body(comparison, shown, view))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{_e(comparison.title)}</title>\n<style>\n{style}{RULES}</style></head>\n<body>\n{body}\n</body></html>\n"
    )


def _body(comparison: Comparison, shown: c.Sheet, view: View) -> Iterator[str]:
    found, pivots = troubles(shown), grid.tables(shown, view)
    yield f"<header><h1>{_e(comparison.title)}</h1>{_summary(comparison, shown)}</header>"
    yield "".join(f'<p class="remark">{_e(remark)}</p>' for remark in shown.remarks)
    yield "".join(f'<p class="remark asked">{_e(remark)}</p>' for remark in shown.asked)
    yield _common(shown)
    yield _choices(shown)
    yield heat.section(pivots, view.shown, marks(found), comparison.baseline)
    yield _others(found, lettered=bool(pivots))
    yield _folded("All cells", _table(shown), len(shown.rows))
    yield _doubts(shown)
    yield scatter.section(shown)
    for chart in CHARTS:
        yield _chart(chart, shown)
    yield _behind(comparison, shown)
    yield _conditions(shown)
    yield _methods(shown, comparison)


def _choices(shown: c.Sheet) -> str:
    """What to take, and which cells are not considered."""
    told = "".join(f'<p class="choice"><b>{_e(one.about)}</b>: {_e(one.text)}</p>' for one in shown.recommended)
    items = "".join(
        f"<li>{_badge(word)} <b>{_e(names)}</b> {_e(why)}</li>" for word, names, why in beside_limits(shown)
    )
    return told + (f'<ul class="reasons limits">{items}</ul>' if items else "")


def _folded(head: str, inner: str, rows: int, kind: str = "", note: str = "") -> str:
    """A section that can be folded away, and is where it is long."""
    opened = "" if rows > LONG else " open"
    count = f" <span>{rows}</span>" if rows > LONG else ""
    summary = f"<summary><h2>{_e(head)}{count}</h2></summary>"
    return f'<section class="{kind}"><details{opened}>{summary}{note}{inner}</details></section>'


def _summary(comparison: Comparison, shown: c.Sheet) -> str:
    counts = [f"{len(shown.rows)} measured"]
    for status in ("failed", "interrupted", "not run", "skipped"):
        if n := sum(row["status"] == status for row in shown.others):
            counts.append(f"{n} {status}")
    lines = []
    for sweep in comparison.sweeps:
        when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(sweep.started_s))
        command = f"<code>{_e(sweep.command)}</code>" if sweep.command else ""
        lines.append(f"<p>{_e(when)} {command}</p>")
    return f'<p class="lead">{_e(", ".join(counts))}</p>' + "".join(lines)


def _common(shown: c.Sheet) -> str:
    items = "".join(f"<li><span>{_e(head)}</span> {_e(text)}</li>" for head, text in shown.common.items())
    return f'<ul class="chips" aria-label="the same for all cells">{items}</ul>' if items else ""


def _table(shown: c.Sheet) -> str:
    if not shown.rows:
        return "<p>No cell has a result.</p>"
    heads = "".join(f"<th{_align(x)}{_title(x)}>{_e(x.head)}</th>" for x in shown.columns)
    rows, before = [], None
    for row in shown.rows:
        group = shown.group(row)
        first = ' class="first"' if before not in (None, group) else ""
        before = group
        rows.append(f"<tr{first}>" + "".join(f"<td{_align(x)}>{_cell(x, row)}</td>" for x in shown.columns) + "</tr>")
    inner = f"<thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody>"
    return f'<div class="wide"><table class="cells">{inner}</table></div>'


def _cell(column: c.Column, row: c.Row) -> str:
    text = column.text(row)
    if column.key == "verdict":
        return f'<a href="#{_e(cells.anchor(row))}">{_badge(text, row["verdict_reasons"])}</a>'
    if column.key == "change" and c.has(row, "change_ratio"):
        return f'<span class="{c.direction(row)}" title="{_e(_interval(row))}">{_e(text)}</span>'
    if column.key == "energy_change" and text:
        return f'<span class="{energies.energy_direction(row)}" title="{_e(_energy_interval(row))}">{_e(text)}</span>'
    if column.key == "energy_mj" and text:
        return f'<span title="{_e(_energy_words(row))}">{_e(text)}</span>'
    if column.key == "battery_h" and text:
        return f'<span title="{_e(plain(row["battery_note"]))}">{_e(text)}</span>'
    if column.key == "latency_ms" and c.has(row, "latency_low_ms"):
        exact = f"95 % interval {c.number(row['latency_low_ms'], 4)} to {c.number(row['latency_high_ms'], 4)} ms"
        return f'<span title="{_e(exact)}">{_e(text)}</span>'
    if column.key in qualities.KEYS and text:
        return f'<span title="{_e(qualities.interval(row, column.key))}">{_e(text)}</span>'
    if column.key == "change":
        return f'<span class="same" title="{_e(plain(row["change_note"]))}">{_e(text)}</span>'
    if not text:
        why = plain(row["energy_reason"]) if column.key == "energy_mj" else ""
        why = qualities.interval(row, column.key) if column.key in qualities.KEYS else why
        return f'<span class="none" title="{_e(why or "not measured")}">–</span>'
    return f'<span class="estimate">{_e(text)}</span>' if column.key in ESTIMATES else _e(text)


def _interval(row: c.Row) -> str:
    if not c.has(row, "change_low"):
        return plain(row["change_note"])
    text = f"time ratio {row['change_ratio']:.3f}, 95 % interval {row['change_low']:.3f} to {row['change_high']:.3f}"
    text += f", p = {row['change_p']:.2g}, adjusted for all comparisons {row['change_p_adjusted']:.2g}"
    return f"{text}; {plain(row['change_note'])}" if row["change_note"] else text


def _energy_interval(row: c.Row) -> str:
    if not c.has(row, "energy_change_ratio"):
        return plain(row["energy_change_note"])
    low, high = row["energy_change_low"], row["energy_change_high"]
    text = f"energy ratio {row['energy_change_ratio']:.3f}, about 95 % within {low:.3f} to {high:.3f}"
    return f"{text}; {plain(row['energy_change_note'])}" if row["energy_change_note"] else text


def _energy_words(row: c.Row) -> str:
    doubt = [plain(row["energy_verdict_reasons"])] if energies.suspect_energy(row) else []
    return " · ".join([*(plain(row[k]) for k in ("energy_source", "energy_scope", "energy_kind")), *doubt])


def _badge(level: str, why: object = "") -> str:
    return f'<span class="badge {_e(level)}" title="{_e(plain(why))}">{_e(level)}</span>'


def _doubts(shown: c.Sheet) -> str:
    found = c.doubts(shown.rows)
    items = "".join(
        f"<li>{_badge(row['verdict'])} <b>{_e(c.full_name(shown, row))}</b> {_e(text)}</li>" for row, text in found
    )
    return _folded("Doubts", f'<ul class="reasons">{items}</ul>', len(found)) if found else ""


def _others(found: Sequence[Trouble], lettered: bool) -> str:
    items = []
    for trouble in found:
        letter = f'<span class="letter">{trouble.mark}</span> ' if lettered else ""
        where = f" on {_e(trouble.board)}" if trouble.board else ""
        hint = f' <span class="hint">{_e(trouble.hint)}</span>' if trouble.hint else ""
        log = f" <code>{_e(trouble.log)}</code>" if trouble.log else ""
        head = f"{letter}{_badge(trouble.status)} <b>{_e(trouble.cells)}</b>{where}"
        items.append(f"<li>{head} {_e(trouble.reason)}{hint}{log}</li>")
    inner = f'<ul class="reasons">{"".join(items)}</ul>'
    return _folded("Without a result", inner, len(found)) if found else ""


def _behind(comparison: Comparison, shown: c.Sheet) -> str:
    """Each cell is closed; the whole section, too, where there are many."""
    found = list(cells.sections(comparison, shown))
    note = '<p class="note">Open a cell to see what its number rests on.</p>'
    return _folded("What stands behind each number", "".join(found), len(found), "behind", note) if found else ""


def _chart(chart: Chart, shown: c.Sheet) -> str:
    panels = [(name, rows) for name, rows in groups(shown) if any(c.has(row, chart.key) for row in rows)]
    if not panels:
        return ""
    note = f'<p class="note">{_e(remarks.ESTIMATE_NOTE)}</p>' if chart.estimated else ""
    inner = "".join(_panel(chart, name, rows, shown) for name, rows in panels)
    kind = "chart estimated" if chart.estimated else "chart"
    count = sum(len(rows) for _, rows in panels)
    return _folded(chart.title, f'<div class="panels">{inner}</div>', count, kind, note)


def _panel(chart: Chart, name: str, rows: Sequence[c.Row], shown: c.Sheet) -> str:
    have = [row for row in rows if c.has(row, chart.key)]
    # An interval from two processes can be far longer than any bar; the scale is for the bars.
    limit = min(max(ends(chart, row)[1] for row in have), 1.5 * max(row[chart.key] for row in have)) or 1.0
    lines = []
    for row in rows:
        head = f'<span class="label">{_e(label(shown, row))}</span>'
        if not c.has(row, chart.key):
            lines.append(f'{head}<span class="none">not measured</span><span></span>')
            continue
        low, high = (100 * min(1.0, max(0.0, end) / limit) for end in ends(chart, row))
        text = energies.estimate(row) if chart.estimated else c.number(row[chart.key])
        text = " ".join(filter(None, (text, apart(chart, rows, row))))
        kind = _e(row["verdict"]) if chart.key == "latency_ms" else "energy"
        kind = "suspect" if chart.key == "energy_mj" and energies.suspect_energy(row) else kind
        bar = f'<i class="bar {kind}" style="width:{100 * row[chart.key] / limit:.2f}%"></i>'
        whisker = f'<i class="whisker" style="left:{low:.2f}%;width:{max(0.0, high - low):.2f}%"></i>'
        lines.append(f'{head}<span class="track">{bar}{whisker}</span><span class="value">{_e(text)}</span>')
    return f'<figure><figcaption>{_e(name)}</figcaption><div class="bars">{"".join(lines)}</div></figure>'


def _conditions(shown: c.Sheet) -> str:
    """What was found on each device, beside the settings."""
    devices = list(dict.fromkeys(row["device"] for row in shown.rows))
    lines = []
    for key, head in CONDITIONS.items():
        found = [{plain(r[key]) for r in shown.rows if r["device"] == d and c.has(r, key)} for d in devices]
        if any(found):
            cells = "".join(f"<td>{_e('; '.join(sorted(values)) or '–')}</td>" for values in found)
            lines.append(f"<tr><th>{_e(head)}</th>{cells}</tr>")
    heads = "".join(f"<th>{_e(d)}</th>" for d in devices)
    table = f"<table><thead><tr><th></th>{heads}</tr></thead><tbody>{''.join(lines)}</tbody></table>"
    inner = f'<div class="wide">{table}</div>'
    return f'<section class="conditions"><h2>Conditions</h2>{inner}</section>' if lines else ""


def _methods(shown: c.Sheet, comparison: Comparison) -> str:
    counts = sorted({int(row["processes"]) for row in shown.rows})
    processes = f" Processes per cell: {', '.join(map(str, counts))}." if counts else ""
    axis = f" ({comparison.baseline_axis})" if comparison.baseline_axis == "optimization" else ""
    base = f"The baseline is the cell with {comparison.baseline}{axis} that is the same in all other axes."
    lines = [
        *remarks.notes(shown),
        f"Each cell ran in fresh processes that took turns with those of the other cells.{processes}",
        *([base] if any(column.key == "change" for column in shown.columns) else []),
        "valid: nothing spoke against it. suspect: something was unsteady, see its reasons. "
        "invalid: not the numbers of this model in this configuration.",
    ]
    items = "".join(f"<li>{_e(line)}</li>" for line in lines)
    return f'<section class="methods"><h2>How to read this</h2><ul>{items}</ul></section>'


def _align(column: c.Column) -> str:
    return ' class="right"' if column.right else ""


def _title(column: c.Column) -> str:
    titles = {
        "energy_estimate_mj": remarks.ESTIMATE_NOTE,
        "energy_mj": remarks.ENERGY_NOTE,
        "energy_change": remarks.ENERGY_CHANGE_NOTE,
        "battery_h": remarks.BATTERY_NOTE,
        "battery_estimate_h": f"{remarks.BATTERY_NOTE} {remarks.ESTIMATE_NOTE}",
        "ops_ratio": remarks.OPS_NOTE,
        "latency_ms": remarks.LATENCY_NOTE,
        **qualities.NOTES,
    }
    return f' title="{_e(titles[column.key])}"' if column.key in titles else ""
