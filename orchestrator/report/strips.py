"""Small pictures of one cell: the medians of its processes on a line, and where the time of a pipeline goes."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.measurement import Measurement
from orchestrator.report.columns import number
from orchestrator.report.words import escaped as _e
from orchestrator.result import Result
from orchestrator.stats import Interval

WIDTH, HEIGHT, EDGE = 360, 40, 8
STEPS = ("decode", "resize", "normalize", "set", "invoke", "get", "postprocess")


def processes(result: Result, m: Measurement) -> str:
    """A point per process, in the order of the processes from top to bottom, over the interval of the median.

    In mode offline they are the time per call of all streams together, which is no latency: no interval there.
    """
    values = m.process_medians_ms
    if len(values) < 2:
        return '<p class="note">One process: how far processes differ is not known.</p>'
    ends = f"{number(min(values), 4)} to {number(max(values), 4)} ms"
    if m.tags.get("scenario.mode") == "offline":
        return _strip(f"time per call of all streams, {len(values)} processes, {ends}", values)
    words = f"medians of {len(values)} processes, {ends}"
    return _strip(words, values, m.metrics["latency/median_ms"], m.uncertainty.get("latency/median_ms"))


def _strip(words: str, values: Sequence[float], middle: float | None = None, band: Interval | None = None) -> str:
    low, high = min(values), max(values)
    if band is not None:  # of two processes it can be far longer than they differ
        span = max(high - low, 0.01 * high)
        low, high = min(low, max(band.low, low - span)), max(high, min(band.high, high + span))

    def x(value_ms: float) -> float:
        share = (min(max(value_ms, low), high) - low) / (high - low) if high > low else 0.5
        return EDGE + share * (WIDTH - 2 * EDGE)

    inner, step = "", (HEIGHT - 2 * EDGE) / (len(values) - 1)
    if band is not None:
        left, right = x(band.low), x(band.high)
        inner += f'<rect x="{left:.1f}" y="2" width="{right - left:.1f}" height="{HEIGHT - 4}"/>'
    if middle is not None:
        inner += f'<line x1="{x(middle):.1f}" x2="{x(middle):.1f}" y1="2" y2="{HEIGHT - 2}"/>'
    inner += "".join(
        f'<circle cx="{x(value):.1f}" cy="{EDGE + at * step:.1f}" r="3"><title>{at + 1}: {number(value, 4)} ms</title>'
        "</circle>"
        for at, value in enumerate(values)
    )
    svg = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{words}">{inner}</svg>'
    said = f"{words}; the band is the 95 % interval" if band is not None else words
    return f'<figure class="strip">{svg}<figcaption>{said}</figcaption></figure>'


def pipeline(result: Result, m: Measurement) -> str:
    """The steps of a pipeline as one bar; nothing where it was not measured."""
    found = {step: m.metrics.get(f"pipeline/{step}_ms") for step in STEPS}
    known = {step: value for step, value in found.items() if value is not None}
    whole = sum(known.values())
    if not known or whole <= 0:
        return ""
    parts = "".join(
        f'<i class="p{STEPS.index(step)}" style="width:{100 * value / whole:.2f}%" title="{step}"></i>'
        for step, value in known.items()
    )
    legend = " ".join(
        f'<span class="key"><i class="p{STEPS.index(step)}"></i> {step} {number(value)} ms</span>'
        for step, value in known.items()
    )
    total, share = (m.metrics.get(f"pipeline/{name}") for name in ("total_ms", "invoke_share"))
    words = f"in all {number(total)} ms" if total is not None else ""
    words += f", {100 * share:.0f} % of it the model" if share is not None else ""
    return f'<h3>Pipeline</h3><div class="stack">{parts}</div><p class="note">{legend} {_e(words)}</p>'
