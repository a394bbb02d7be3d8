"""The comparison as one picture: a panel per device and model; measured and estimated energy in panels of their own."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.plain import plain
from orchestrator.report import columns as c
from orchestrator.report import energies

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, GREEN, GREY, INK, LINE = "#2f6fde", "#1a8a5a", "#9aa3b2", "#1c2430", "#d8dde6"
VERDICT_COLORS = {"valid": BLUE, "suspect": "#d99a1c", "invalid": "#c8423b"}
MOST_PANELS, MOST_BARS = 12, 120
"""What a picture of a readable size has room for, and matplotlib draws in about two seconds."""
LONGEST_LABEL, ROOM_FOR_LABEL = 48, 20
"""Characters beside a bar: the most that are drawn; those beyond which the picture grows."""

_SMALL: dict[str, Any] = {"fontsize": 8, "color": GREY, "style": "italic"}


@dataclass(frozen=True, slots=True)
class Chart:
    """One kind of panel: which value, its ends, and how it is drawn."""

    key: str
    low: str | None
    high: str | None
    title: str
    estimated: bool = False


CHARTS = (
    Chart("latency_ms", "latency_low_ms", "latency_high_ms", "Latency, ms (95 % interval)"),
    Chart("energy_mj", None, None, "Energy measured, mJ per inference (±, k=2)"),
    Chart(
        "energy_estimate_mj",
        "energy_estimate_low_mj",
        "energy_estimate_high_mj",
        "Energy ESTIMATED, mJ per inference (range)",
        True,
    ),
)


def groups(shown: c.Sheet) -> list[tuple[str, list[c.Row]]]:
    """Rows that are looked at together: of one sweep, device and model (in that order already)."""
    found: dict[tuple[str, str, str], list[c.Row]] = {}
    for row in shown.rows:
        found.setdefault((row["sweep"], row["device"], row["model"]), []).append(row)
    several = len({key[0] for key in found}) > 1
    return [(plain(" · ".join(key if several else key[1:])), rows) for key, rows in found.items()]


def ends(chart: Chart, row: c.Row) -> tuple[float, float]:
    """Lower and upper end of the whisker; the value itself where none is known."""
    value = row[chart.key]
    if chart.key == "energy_mj":
        return value - row["energy_uncertainty_mj"], value + row["energy_uncertainty_mj"]
    low, high = row.get(chart.low or ""), row.get(chart.high or "")
    return (low, high) if c.has(row, chart.low or "") and low is not None and high is not None else (value, value)


def apart(chart: Chart, rows: Sequence[c.Row], row: c.Row) -> str:
    """What energy a bar is of, where those beside it were measured of something else, or in another way."""
    if chart.key != "energy_mj":
        return ""
    have = [one for one in rows if c.has(one, chart.key)]
    differ = [key for key in ("energy_scope", "energy_kind") if len({one[key] for one in have}) > 1]
    return plain(", ".join(str(row[key]) for key in differ))


def label(shown: c.Sheet, row: c.Row) -> str:
    """The optimization and whatever else differs between the cells."""
    return plain(" · ".join([str(row["optimization"]), *c.differing(shown, row)]))


def short(text: str) -> str:
    return text if len(text) <= LONGEST_LABEL else text[: LONGEST_LABEL - 1] + "…"


def draw(shown: c.Sheet, title: str, path: Path) -> None:
    """Write the PNG. matplotlib's Agg canvas directly: no pyplot, no window system, no state."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels = _fitting(groups(shown))
    charts = [x for x in CHARTS if any(c.has(row, x.key) for _, rows in panels for row in rows)] or list(CHARTS[:1])
    heights = [len(rows) * 0.34 + 0.75 for _, rows in panels] or [1.0]
    names = max((len(short(label(shown, row))) for _, rows in panels for row in rows), default=0)
    wide = 5.4 + 0.07 * max(0, names - ROOM_FOR_LABEL)  # inches
    figure = Figure(
        figsize=(0.8 + wide * len(charts), sum(heights) + 0.9), dpi=150, layout="constrained", facecolor="white"
    )
    FigureCanvasAgg(figure)
    grid = figure.subplots(len(heights), len(charts), squeeze=False, gridspec_kw={"height_ratios": heights})
    more = len(groups(shown)) - len(panels)
    suffix = f"   ({more} more groups in comparison.html)" if more else ""
    figure.suptitle(title + suffix, x=0.01, ha="left", fontsize=11, fontweight="bold", color=INK, parse_math=False)
    for line, (name, rows) in zip(grid, panels, strict=False):
        for axes, chart in zip(line, charts, strict=True):
            _panel(axes, chart, name, rows, [label(shown, row) for row in rows])
    if not panels:
        grid[0][0].set_axis_off()
        grid[0][0].text(0, 0.5, "No cell has a result.", color=INK)
    with warnings.catch_warnings():
        # A model named in a script that the font lacks: boxes will do.
        warnings.filterwarnings("ignore", message="Glyph")
        # Names too long to be laid out: nothing that who reads the terminal could change.
        warnings.filterwarnings("ignore", message="constrained_layout not applied")
        figure.savefig(path, format="png", metadata={"Software": None})


def _fitting(panels: list[tuple[str, list[c.Row]]]) -> list[tuple[str, list[c.Row]]]:
    kept: list[tuple[str, list[c.Row]]] = []
    for name, rows in panels[:MOST_PANELS]:
        room = MOST_BARS - sum(len(some) for _, some in kept)
        if kept and len(rows) > room:
            break
        kept.append((name, rows[:room]))
    return kept


def _panel(axes: Axes, chart: Chart, name: str, rows: Sequence[c.Row], labels: Sequence[str]) -> None:
    have = [(i, row) for i, row in enumerate(rows) if c.has(row, chart.key)]
    axes.set_title(f"{name} — {chart.title}", loc="left", fontsize=9, color=INK, parse_math=False)
    if not have:
        axes.set_axis_off()
        axes.text(0, 0.9, "no estimate" if chart.estimated else "not measured", **_SMALL, transform=axes.transAxes)
        return
    top = max(ends(chart, row)[1] for _, row in have)
    # One process pair can have an interval far beyond all bars; the axis is for the bars.
    tallest = max(row[chart.key] for _, row in have)
    limit = min(top, tallest * 1.6)
    for i, row in have:
        _bar(axes, chart, i, row, limit, apart(chart, rows, row))
    for i in set(range(len(rows))) - {i for i, _ in have}:
        axes.text(limit * 0.01, i, "none", va="center", **_SMALL)
    axes.set_yticks(range(len(rows)))
    axes.set_yticklabels([short(text) for text in labels], fontsize=8, color=INK, parse_math=False)
    axes.set_ylim(len(rows) - 0.45, -0.55)
    axes.set_xlim(0, limit * 1.28)
    axes.tick_params(axis="both", length=0, labelsize=8, labelcolor=INK)
    axes.grid(axis="x", color=LINE, linewidth=0.7)
    axes.set_axisbelow(True)
    for side in axes.spines.values():
        side.set_visible(False)


def _bar(axes: Axes, chart: Chart, position: int, row: c.Row, limit: float, of: str) -> None:
    value, (low, high) = row[chart.key], ends(chart, row)
    style: dict[str, Any] = {"color": VERDICT_COLORS.get(row["verdict"], BLUE)}
    if chart.key == "energy_mj":
        style = {"color": VERDICT_COLORS["suspect"] if energies.suspect_energy(row) else GREEN}
    if chart.estimated:
        style = {"color": "white", "edgecolor": GREY, "hatch": "////", "linewidth": 0.8}
    axes.barh(position, value, height=0.62, **style)
    axes.plot([max(0.0, low), min(high, limit)], [position] * 2, color=INK, linewidth=1.4, solid_capstyle="butt")
    text = energies.estimate(row) if chart.estimated else c.number(value)
    text += f"  {of}" if of else ""
    if row["verdict"] != "valid" and not chart.estimated:
        text += f"  {row['verdict']}"
    elif chart.key == "energy_mj" and energies.suspect_energy(row):
        text += "  energy suspect"
    axes.text(min(max(high, value), limit) + limit * 0.015, position, text, va="center", fontsize=8, color=INK)
