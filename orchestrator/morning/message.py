"""The night as a chat message: Slack's blocks, and a text for those that know no blocks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from orchestrator.morning import words as w
from orchestrator.morning.groups import lost
from orchestrator.night import Night
from orchestrator.plain import plain
from orchestrator.regression.decision import Decision
from orchestrator.words import counted

HEADER, SECTION, BLOCKS = 150, 3000, 50
"""Slack's limits: characters of a header and of a section, blocks of a message."""
TEXT = 1900
"""Characters of the text: Discord takes 2000, Mattermost 4000."""
LISTED = 10
LINE = 240
MARKS = {w.GOOD: "✅", w.WARN: "⚠️", w.BAD: "❌"}


def message(night: Night, link: str | None) -> dict[str, Any]:
    """``link``: where the report can be read; an address becomes a link."""
    head = f"{MARKS[w.level(night)]} {w.verdict_words(night)}"
    lines = list(_lines(night))
    about = f"Night of {w.moment(night.sweep.started_s)}. Exit status {night.status}: {w.meaning(night.status)}."
    blocks: list[dict[str, Any]] = [{"type": "header", "text": _plain(head, HEADER)}]
    blocks += [{"type": "section", "text": _plain("\n".join(lines), SECTION)}] if lines else []
    blocks += [{"type": "context", "elements": [_plain(about, SECTION)]}]
    blocks += [_linked(link)] if link else []
    text = cut("\n".join(_escaped(line) for line in (head, *lines, about, *([link] if link else []))), TEXT)
    return {"text": text, "blocks": blocks[:BLOCKS]}


def cut(text: str, most: int) -> str:
    """No longer than ``most``, and says so."""
    return text if len(text) <= most else text[: most - 1] + "…"


def _lines(night: Night) -> Iterator[str]:
    """What is worth a look, a line each."""
    names = w.Names(night.results)
    found = [_alarm(one, names) for one in (*w.ranked(night.new), *w.ranked(night.open))]
    for group in lost(night, names):
        where = f" on {', '.join(group.boards)}" if group.boards else ""
        found.append(f"• {group.whose}: {counted(len(group.cells), 'cell')}{where}: {group.reason}")
    found += [
        f"• {board.board} needs a hand{f': {board.reason}' if board.reason else ''}"
        for board in night.boards
        if board.board in w.needing_hands(night)
    ]
    yield from (cut(_quiet(line), LINE) for line in found[:LISTED])
    if len(found) > LISTED:
        yield f"and {len(found) - LISTED} more"


def _alarm(one: Decision, names: w.Names) -> str:
    values = f" {w.value_words(one.baseline, one.unit)} → {w.value_words(one.value, one.unit)}"
    values = values if one.value is not None else ""
    change = f" ({w.change_words(one)})" if one.change is not None else ""
    board = f" on {one.board}" if one.board else ""
    why = f": {one.why}" if one.metric == w.FAILURE else ""
    return f"• {one.outcome}: {names.of(one.cell)} {w.metric_name(one.metric)}{values}{change}{board}{why}"


def _quiet(text: str) -> str:
    """Calls nobody: Mattermost and Discord know ``@here`` in any text, Slack ``<!here>``."""
    return plain(text).replace("@", "@\u200b").replace("<!", "<\u200b!")


def _plain(text: str, most: int) -> dict[str, Any]:
    """Text in which Slack looks for no markup; what a board wrote stays text."""
    return {"type": "plain_text", "text": cut(text, most), "emoji": False}


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _linked(link: str) -> dict[str, Any]:
    if not link.startswith(("http://", "https://")) or any(c in link for c in "<>| "):
        return {"type": "context", "elements": [_plain(link, SECTION)]}
    return {"type": "section", "text": {"type": "mrkdwn", "text": cut(f"<{_escaped(link)}|Open the report>", SECTION)}}
