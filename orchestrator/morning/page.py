"""The morning report as one HTML file: offline, no script, every text escaped."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from importlib import resources

from orchestrator.morning import alarms, boards, cells
from orchestrator.morning import words as w
from orchestrator.night import Night
from orchestrator.report.page import POLICY
from orchestrator.report.words import escaped as _e
from orchestrator.result import DONE, SKIPPED
from orchestrator.words import duration

STYLES = (("orchestrator.report", "report.css"), ("orchestrator.morning", "morning.css"))
HEAD = 3
"""Phrases of the verdict in its headline; the others stand below."""


def page(night: Night) -> str:
    """The whole file."""
    style = "\n".join(resources.files(room).joinpath(name).read_text(encoding="utf-8") for room, name in STYLES)
    verdict = w.verdict_words(night)
    body = "\n".join(filter(None, _body(night)))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{_e(verdict)} · {_e(w.day(night.sweep.started_s))}</title>\n<style>\n{style}</style></head>\n"
        f"<body>\n{body}\n</body></html>\n"
    )


def _body(night: Night) -> Iterator[str]:
    names = w.Names(night.results)
    yield _header(night)
    yield _notes(night)
    found = list(alarms.sections(night, names))
    yield from found[:-1]
    yield _key(night) if len(found) > 1 else ""
    yield cells.missing(night, names)
    yield cells.late(night, names)
    yield boards.section(night)
    yield found[-1]
    yield cells.steady(night, names)
    yield cells.skipped(night)
    yield _foot(night)


def _header(night: Night) -> str:
    phrases = w.verdict_phrases(night)
    devices = list(dict.fromkeys(result.axes.get("device", "?") for result in night.results))
    about = " · ".join([f"Night of {w.moment(night.sweep.started_s)}", *([", ".join(devices)] if devices else [])])
    status = f"Exit status <b>{night.status}</b>: {_e(w.meaning(night.status))}."
    rest = _e(", ".join(phrases[HEAD:]))
    lead = f'<p class="lead">{rest}</p>' if rest else ""
    facts = "".join(f"<li><b>{_e(text)}</b> {_e(head)}</li>" for head, text in _tiles(night))
    return (
        f'<header class="verdict {w.level(night)}"><p class="about">{_e(about)}</p>'
        f"<h1>{_e(', '.join(phrases[:HEAD]))}</h1>{lead}"
        f'<p class="status">{status}</p><ul class="tiles">{facts}</ul></header>'
    )


def _tiles(night: Night) -> Iterator[tuple[str, str]]:
    runnable = [result for result in night.results if result.status != SKIPPED]
    yield "cells with a result", f"{sum(result.status == DONE for result in runnable)} of {len(runnable)}"
    if night.decisions:
        yield "new alarms", str(len(night.new))
        yield "still open", str(len(night.open))
    if night.boards:
        good = sum(board.health == "good" for board in night.boards)
        yield "boards good", f"{good} of {len(night.boards)}"
    if night.sweep.ended_s is not None:
        yield "took", duration(max(0.0, night.sweep.ended_s - night.sweep.started_s))


def _notes(night: Night) -> str:
    lines = "<br>".join(map(_e, night.notes))
    return f'<p class="remark asked">{lines}</p>' if lines else ""


def _key(night: Night) -> str:
    """How to read the pictures, once."""
    dots = (("night", 4.5, "a night"), ("apart", 4.5, "not part of the baseline"), ("tonight", 6, "tonight"))
    keys = "".join(
        f'<span class="key"><svg class="trend dot" viewBox="0 0 14 14">'
        f'<circle class="{kind}" cx="7" cy="7" r="{radius}"/></svg> {words}</span>'
        for kind, radius, words in dots
    )
    band = "the threshold around the baseline" if _number(night, "threshold") else "what the good nights span"
    return (
        f'<p class="keys soft">{keys} <span class="key">whiskers: 95 % interval</span>'
        f'<span class="key"><i class="band"></i> {band}</span>'
        '<span class="key"><i class="broken"></i> the step</span>'
        '<span class="key"><i class="dots"></i> another board</span></p>'
    )


def _number(night: Night, key: str) -> float | None:
    """A setting of the gate, from what it decided with."""
    for one in night.decisions:
        value = one.inputs.get(key)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
    return None


def _foot(night: Night) -> str:
    items = "".join(f"<li>{line}</li>" for line in _decided(night))
    return f'<section class="methods"><h2>How it was decided</h2><ul>{items}</ul></section>'


def _decided(night: Night) -> Iterator[str]:
    threshold, window = _number(night, "threshold"), _number(night, "window")
    if threshold is not None:
        nights = f", against the history of the last {window:.0f} nights" if window is not None else ""
        yield f"A metric is worse from {100 * threshold:g} % on{nights}, once a re-run beside the last good one agrees."
    if night.decisions:
        yield "Intervals hold 95 %. A change is as the value moved: + is more, also where less is better."
    yield f"Everything that this was decided from lies in <code>{_e(night.sweep.directory)}</code>."
    command = f": <code>{_e(night.sweep.command)}</code>" if night.sweep.command else ""
    yield f"Sweep {_e(night.sweep.id)}{command}"
