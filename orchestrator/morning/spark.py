"""Tiny pictures for tables: the last nights of a metric, and how many cells of a board came to a result."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.regression.decision import Point

NIGHTS = 30
WIDTH, HEIGHT, EDGE = 96, 22, 3
BAR, GAP = 6, 2
LEAST_SPAN = 0.1
"""Of the mean: what the height spans at least, so that noise looks as small as it is."""


def line(points: Sequence[Point]) -> str:
    """The values of the last nights, tonight as a dot; empty where there are fewer than two."""
    values = [point.value for point in points[-NIGHTS:]]
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return ""
    middle, span = (
        (min(known) + max(known)) / 2,
        max(max(known) - min(known), LEAST_SPAN * abs(sum(known) / len(known))),
    )
    low = middle - span / 2

    def y(value: float) -> int:
        return round(HEIGHT - EDGE - (value - low) / (span or 1.0) * (HEIGHT - 2 * EDGE))

    step = (WIDTH - 2 * EDGE) / (len(values) - 1)
    path, broken = "", True
    for at, value in enumerate(values):
        path += "" if value is None else f"{'M' if broken else 'L'}{round(EDGE + at * step)} {y(value)}"
        broken = value is None
    last = values[-1]
    dot = "" if last is None else f'<circle cx="{WIDTH - EDGE}" cy="{y(last)}" r="2.5"/>'
    head = f'viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="the last {len(values)} nights"'
    return f'<svg class="spark" {head}><path d="{path}"/>{dot}</svg>'


def bars(shares: Sequence[float | None]) -> str:
    """The completion of the last nights, tonight last; a night without cells is a dot on the ground."""
    shown = list(shares[-14:])
    if not shown:
        return ""
    inner = []
    for at, share in enumerate(shown):
        x, height = at * (BAR + GAP), 0.0 if share is None else min(1.0, max(0.0, share)) * HEIGHT
        kind = "none" if share is None else "full" if share >= 0.995 else "part" if share >= 0.5 else "low"
        tall = max(2.0, height)
        inner.append(f'<rect class="{kind}" x="{x}" y="{HEIGHT - tall:.1f}" width="{BAR}" height="{tall:.1f}" rx="1"/>')
    wide = len(shown) * (BAR + GAP) - GAP
    said = "completion of the last nights: " + ", ".join("–" if s is None else f"{100 * s:.0f} %" for s in shown)
    return (
        f'<svg class="nights" viewBox="0 0 {wide} {HEIGHT}" style="width:{wide}px" role="img" aria-label="{said}">'
        f"{''.join(inner)}</svg>"
    )
