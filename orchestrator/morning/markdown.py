"""The morning report as Markdown: short, for MLflow's note, the summary of a CI job and chat."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from orchestrator.morning import words as w
from orchestrator.morning.boards import lasting
from orchestrator.morning.groups import Group, lost, not_run
from orchestrator.night import Night
from orchestrator.plain import plain
from orchestrator.regression.decision import CLOSED, IMPROVED, Decision
from orchestrator.words import counted

LISTED = 10
"""Rows of a table or a list; those beyond are counted."""
NAMED = 4
"""Cells of a reason that are named."""
LONGEST = 300
"""Characters of one text of a board's."""


def markdown(night: Night) -> str:
    """The verdict first, then only what is worth a look."""
    names = w.Names(night.results)
    lines = [f"## {text(w.verdict_words(night))}", ""]
    lines += [f"Night of {w.moment(night.sweep.started_s)}. Exit status {night.status}: {w.meaning(night.status)}.", ""]
    lines += _alarms("New", night.new, night, names)
    lines += _alarms("Still open", night.open, night, names)
    lines += _alarms("Not confirmed", night.unsure, night, names)
    lines += _groups("Without a result", lost(night, names))
    lines += _groups("Not run", not_run(night, names))
    lines += _boards(night)
    lines += _over(night.decisions, names)
    lines += _first([f"- {text(note)}" for note in night.notes])
    return "\n".join(lines).rstrip() + "\n"


def text(value: object) -> str:
    """No markup, no link, no mention, no table cell and no HTML comes out of a board's text."""
    shown = plain(value)
    shown = shown if len(shown) <= LONGEST else shown[: LONGEST - 1] + "…"
    shown = re.sub(r"([\\`*_\[\]<>|#!~&])", r"\\\1", shown)
    # An address would become a link, and a name behind an @ a message to somebody, where a backslash does not help.
    return re.sub(r"(?<=\w)://", ":\u200b//", shown).replace("@", "@\u200b").replace("www.", "www.\u200b")


def _alarms(head: str, found: Iterable[Decision], night: Night, names: w.Names) -> Iterator[str]:
    some = w.ranked(found)
    if not some:
        return
    yield f"**{head}**\n"
    yield "| cell | metric | baseline → tonight | change | 95 % interval | board | since | why |"
    yield "|---|---|---:|---:|---:|---|---|---|"
    rows = [_row([text(cell) for cell in _cells(one, night, names)]) for one in some]
    yield from _first(rows, blank=True)
    yield ""


def _cells(one: Decision, night: Night, names: w.Names) -> Iterator[str]:
    yield names.of(one.cell)
    yield w.metric_name(one.metric)
    known = one.value is not None or one.baseline is not None
    yield f"{w.value_words(one.baseline, one.unit)} → {w.value_words(one.value, one.unit)}" if known else ""
    yield w.change_words(one)
    yield w.interval_words(one)
    yield one.board or ""
    yield w.since_words(night, one)
    changed = f". Changed there: {'; '.join(one.changed)}." if one.changed else ""
    yield f"{one.outcome}: {one.why}{changed}"


def _groups(head: str, groups: Sequence[Group]) -> Iterator[str]:
    if not groups:
        return
    yield f"**{head}**\n"
    yield from _first([_group(group) for group in groups])
    yield ""


def _group(group: Group) -> str:
    where = f" on {text(', '.join(group.boards))}" if group.boards else ""
    hint = f" ({text(group.hint)})" if group.hint else ""
    named = ", ".join(text(name) for name in group.cells[:NAMED])
    more = f" and {len(group.cells) - NAMED} more" if len(group.cells) > NAMED else ""
    count = f"**{text(group.whose)}**, {counted(len(group.cells), 'cell')}{where}"
    return f"- {count}: {text(group.reason)}{hint} – {named}{more}"


def _boards(night: Night) -> Iterator[str]:
    """Only those that are not good."""
    found = [board for board in night.boards if board.health != "good"]
    lines = []
    for board in sorted(found, key=lambda board: not board.needs_a_hand):
        since = f" for {lasting(board.since_s)}" if board.since_s is not None else ""
        reason = f": {text(board.reason)}" if board.reason else ""
        lines.append(f"- **{text(board.health)}** {text(board.board)}{since}{reason}")
    if lines:
        yield "**Boards**\n"
        yield from _first(lines)
        yield ""


def _over(decisions: Iterable[Decision], names: w.Names) -> Iterator[str]:
    lines = []
    for one in decisions:
        if one.outcome in (CLOSED, IMPROVED):
            change = f" {text(w.change_words(one))}" if one.change is not None else ""
            lines.append(f"- {one.outcome}: {text(names.of(one.cell))}, {text(w.metric_name(one.metric))}{change}")
    if lines:
        yield from _first(lines)
        yield ""


def _first(lines: Sequence[str], blank: bool = False) -> Iterator[str]:
    """The first ones, and how many more there are."""
    yield from lines[:LISTED]
    if len(lines) > LISTED:
        yield from [""] if blank else []
        yield f"and {len(lines) - LISTED} more" if blank else f"- and {len(lines) - LISTED} more"


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"
