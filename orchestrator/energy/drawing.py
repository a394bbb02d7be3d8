"""Power over the energy pass as SVG: readings as they came, phases, and the mean of each of them as a line."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape

import numpy as np

from orchestrator.energy.meter import MeterReadings
from orchestrator.energy.phases import IDLE, Json, Phase, phases, seen
from orchestrator.energy.reading import Reading, reading
from orchestrator.energy.trace import Trace, Values
from orchestrator.energy.window import window_power
from orchestrator.plain import plain

WIDTH, PLOT = 760, 210
LEFT, RIGHT, TOP, FOOT, LINE = 46, 12, 24, 34, 16
MOST_POINTS = 1000
"""Of a line; beyond, the lowest and the highest reading of each piece are drawn, so that no peak is lost."""
LONGEST_NAME = 110
DIGIT = 6.3
"""Width of a digit of a label, in pixels."""

RULES = """
.power { display: block; width: 100%; max-width: 54rem; height: auto; }
.power text { font: 11px system-ui, sans-serif; fill: var(--soft); font-variant-numeric: tabular-nums; }
.power .mean-name { fill: var(--ink); font-weight: 600; paint-order: stroke; stroke: var(--card); stroke-width: 3px; }
.power .grid { stroke: var(--line); fill: none; }
.power .window { fill: var(--energy); opacity: .13; }
.power .idle { fill: var(--soft); opacity: .13; }
.power .trace { stroke: var(--energy); stroke-width: 1.1; fill: none; stroke-linejoin: round; }
.power .other { stroke: var(--soft); stroke-width: 1; fill: none; opacity: .75; }
.power .o1 { stroke-dasharray: 4 2; } .power .o2 { stroke-dasharray: 1.5 2; } .power .o3 { stroke-dasharray: 6 2 1 2; }
.watts figcaption { font-weight: 400; font-size: .85em; margin: .15rem 0 .4rem; }
.power .mean { stroke: var(--ink); stroke-width: 1.6; }
"""
"""For the classes of a drawing, by the colours that a page defines."""

OWN_COLOURS = """
.power { --ink: #1c2430; --soft: #5b6678; --line: #dde2ea; --card: #ffffff; --energy: #1a8a5a; }
.power { background: var(--card); }
@media (prefers-color-scheme: dark) {
  .power { --ink: #e6eaf1; --soft: #9aa6b8; --line: #313a48; --card: #1c222c; --energy: #4cc38e; }
}
"""


def power_drawing(energy: Json, meter: MeterReadings | None, chosen: str | None, *, alone: bool = False) -> str:
    """An SVG element; empty where nothing was read. ``chosen`` is the source that the published energy is of.

    ``alone``: a file of its own, with its own colours.
    """
    found = phases(energy["pass"]) if energy["pass"] and energy["pass"]["windows"] else []
    lines = [trace for trace in seen(energy, meter) if trace.t_s.size] if found else []
    lines = _chosen_first([line for line in lines if _within(line, found)[0].size], chosen)
    if not lines or found[-1].end_s <= found[0].begin_s:
        return ""
    plot = _Plot(found, lines, energy["pass"])
    height = TOP + PLOT + FOOT + LINE * len(lines)
    inner = "".join(
        [*_bands(plot), *_axes(plot), *_curves(plot), *_means(plot), *_legend(lines, TOP + PLOT + FOOT + LINE / 2)]
    )
    words = f"power over {plot.seconds:.3g} s, as read by {_cut(lines[0].source)}"
    style = f"<style>{OWN_COLOURS}{RULES}</style>" if alone else ""
    size = f'xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" ' if alone else ""
    about = f'class="power" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{_e(words)}"'
    return f"<svg {size}{about}>{style}{inner}</svg>"


class _Plot:
    """From seconds and watts to pixels."""

    def __init__(self, found: Sequence[Phase], lines: Sequence[Trace], run: Json) -> None:
        self.phases, self.lines, self.run = found, lines, run
        self.begin_s = found[0].begin_s
        self.seconds = found[-1].end_s - self.begin_s
        self.curves = [_within(line, found) for line in lines]
        self.top_w = 1.12 * max(max(float(watts.max()) for _, watts in self.curves), 1e-6)

    def x(self, t_s: float) -> float:
        return LEFT + (t_s - self.begin_s) / self.seconds * (WIDTH - LEFT - RIGHT)

    def y(self, power_w: float) -> float:
        return TOP + PLOT * (1 - max(0.0, power_w) / self.top_w)


def _chosen_first(lines: Sequence[Trace], chosen: str | None) -> list[Trace]:
    """A calibrated source is called after the sensor: ``hwmon:..., by 1.02 x + 0.3 W (...)``."""
    own = [line for line in lines if chosen and (chosen == line.source or chosen.startswith(f"{line.source}, by "))]
    return [*own[:1], *(line for line in lines if line is not (own[0] if own else None))]


def _within(line: Trace, found: Sequence[Phase]) -> tuple[Values, Values]:
    """The readings during the pass."""
    t_s, watts = line.power()
    inside = (t_s >= found[0].begin_s) & (t_s <= found[-1].end_s) & np.isfinite(watts)
    return t_s[inside], watts[inside]


def _bands(plot: _Plot) -> Iterator[str]:
    for phase in plot.phases:
        left, right = plot.x(phase.begin_s), plot.x(phase.end_s)
        title = f"<title>{phase.name}, {phase.end_s - phase.begin_s:.3g} s</title>"
        yield (
            f'<rect class="{phase.kind}" x="{left:.1f}" y="{TOP}" width="{right - left:.1f}" height="{PLOT}">'
            f"{title}</rect>"
        )
        short = IDLE if phase.kind == IDLE else phase.name.rpartition(" ")[2]
        for name in (phase.name, short):
            if len(name) * DIGIT < right - left:
                yield f'<text x="{(left + right) / 2:.1f}" y="{TOP - 8}" text-anchor="middle">{name}</text>'
                break


def _axes(plot: _Plot) -> Iterator[str]:
    bottom, right = TOP + PLOT, WIDTH - RIGHT
    for watts in _ticks(plot.top_w, 5):
        at = plot.y(watts)
        yield f'<path class="grid" d="M{LEFT} {at:.1f}H{right}"/>'
        yield f'<text x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{watts:g}</text>'
    for seconds in _ticks(plot.seconds, 8):
        at = plot.x(plot.begin_s + seconds)
        yield f'<text x="{at:.1f}" y="{bottom + 15}" text-anchor="middle">{seconds:g}</text>'
    yield f'<text x="{LEFT - 6}" y="{TOP - 8}" text-anchor="end">W</text>'
    yield f'<text x="{right}" y="{bottom + 29}" text-anchor="end">s since the pass began</text>'


def _ticks(high: float, about: int) -> list[float]:
    """Round steps from 0."""
    unit = 10.0 ** math.floor(math.log10(high / about))
    step = next(m * unit for m in (1, 2, 5, 10) if m * unit >= high / about)
    return [float(f"{k * step:.6g}") for k in range(math.floor(high / step) + 1)]


def _curves(plot: _Plot) -> Iterator[str]:
    """The chosen one last, which is in front."""
    for number, (t_s, watts) in reversed(list(enumerate(plot.curves))):
        kind = "trace" if number == 0 else f"other o{(number - 1) % 4}"
        points = (f"{plot.x(float(t)):.1f} {plot.y(float(w)):.1f}" for t, w in zip(*_thin(t_s, watts), strict=True))
        yield f'<path class="{kind}" d="M{"L".join(points)}"/>'


def _thin(t_s: Values, watts: Values) -> tuple[Values, Values]:
    if t_s.size <= MOST_POINTS:
        return t_s, watts
    kept: list[int] = []
    for piece in np.array_split(np.arange(t_s.size), MOST_POINTS // 2):
        kept += sorted({int(piece[watts[piece].argmin()]), int(piece[watts[piece].argmax()])})
    return t_s[kept], watts[kept]


def _means(plot: _Plot) -> Iterator[str]:
    """Of the chosen one, as the energy was computed; its number stands above all readings of the phase."""
    line, (t_s, watts) = plot.lines[0], plot.curves[0]
    got = reading(line, plot.run, 0.0)
    line = got.trace if isinstance(got, Reading) else line  # which knows by how much its readings trail
    for phase in plot.phases:
        found = window_power(line, phase.begin_s, phase.end_s)
        if found is None:
            continue
        left, right, at = plot.x(phase.begin_s), plot.x(phase.end_s), plot.y(found.power_w)
        words = f"{_three_digits(found.power_w)} W"
        title = f"<title>{phase.name}: {words}</title>"
        yield f'<path class="mean" d="M{left:.1f} {at:.1f}H{right:.1f}">{title}</path>'
        inside = watts[(t_s >= phase.begin_s) & (t_s <= phase.end_s)]
        if inside.size and len(words) * DIGIT < right - left:
            above = plot.y(max(float(inside.max()), found.power_w)) - 6
            place = f'x="{(left + right) / 2:.1f}" y="{above:.1f}" text-anchor="middle"'
            yield f'<text class="mean-name" {place}>{words}</text>'


def _three_digits(watts: float) -> str:
    return f"{watts:.{max(0, 2 - math.floor(math.log10(watts)))}f}" if watts > 0 else f"{watts:.3g}"


def _legend(lines: Sequence[Trace], top: float) -> Iterator[str]:
    for number, line in enumerate(lines):
        at = top + LINE * number
        kind = "trace" if number == 0 else f"other o{(number - 1) % 4}"
        words = f"{_cut(line.source)} ({line.scope}, {line.kind}, {line.rate_hz:g} Hz)"
        yield f'<path class="{kind}" d="M{LEFT} {at - 4:.1f}h22"/><text x="{LEFT + 28}" y="{at:.1f}">{_e(words)}</text>'


def _cut(text: str) -> str:
    clean = plain(text)
    return clean if len(clean) <= LONGEST_NAME else clean[: LONGEST_NAME - 1] + "…"


def _e(text: str) -> str:
    return escape(plain(text), quote=True)
