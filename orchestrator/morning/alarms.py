"""What got worse, on the page: a card with its trend for every alarm, a line for what is over."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from orchestrator.morning import words as w
from orchestrator.morning.trend import trend
from orchestrator.night import Night
from orchestrator.regression.decision import CLOSED, IMPROVED, OPEN, REGRESSION, SYSTEM_CHANGED, UNCONFIRMED, Decision
from orchestrator.report.words import escaped as _e
from orchestrator.words import counted

OPENED = 24
"""Cards that are shown at once; those beyond are folded away."""
HEADS = {
    REGRESSION: ("Regressions", "Worse than the last good artifact and runtime, run beside it on the same board."),
    SYSTEM_CHANGED: (
        "System changed",
        "The last good artifact is worse tonight, too: the board or its surroundings changed, not the model.",
    ),
    OPEN: ("Still open", "Alarmed in an earlier night, not gone, and accepted by nobody."),
    UNCONFIRMED: ("Not confirmed", "Looks worse than its history, and could not be run again: no alarm, no all-clear."),
}
"""By outcome, in the order of the page: the heading, and what it means."""
BADGES = {REGRESSION: "failed", SYSTEM_CHANGED: "suspect", OPEN: "suspect", UNCONFIRMED: "unknown"}


def sections(night: Night, names: w.Names) -> Iterator[str]:
    """Everything but what is steady or has no history."""
    for outcome, (head, note) in HEADS.items():
        if found := w.ranked(one for one in night.decisions if one.outcome == outcome):
            cards = [_card(night, one, names) for one in found]
            yield _section(head, note, len(found), _shared(night, found), cards)
    yield _lines(night, names)


def _section(head: str, note: str, count: int, shared: str, cards: Sequence[str]) -> str:
    rest = cards[OPENED:]
    more = f"<details><summary>{counted(len(rest), 'more')[:-1]}</summary>{''.join(rest)}</details>" if rest else ""
    return (
        f'<section class="alarms"><h2>{_e(head)} <span>{count}</span></h2><p class="note">{_e(note)}</p>{shared}'
        f"{''.join(cards[:OPENED])}{more}</section>"
    )


def _shared(night: Night, found: Sequence[Decision]) -> str:
    """Several that began in one night with the same changes have one cause, most likely; that is said once."""
    groups: dict[tuple[str, tuple[str, ...]], int] = {}
    for one in found:
        if one.changed:
            key = (w.since_words(night, one), one.changed)
            groups[key] = groups.get(key, 0) + 1
    lines = [
        f"<li><b>{count} of these {len(found)}</b> since {_e(since)}, where this changed: {_e('; '.join(changed))}</li>"
        for (since, changed), count in groups.items()
        if count > 2
    ]
    return f'<ul class="reasons shared">{"".join(lines)}</ul>' if lines else ""


def _card(night: Night, one: Decision, names: w.Names) -> str:
    name = names.of(one.cell)
    facts = "".join(f"<div><dt>{_e(head)}</dt><dd>{text}</dd></div>" for head, text in _facts(night, one))
    badge = f'<span class="badge {BADGES.get(one.outcome, "")}">{_e(one.outcome)}</span>'
    head = f'<h3>{_e(name)}</h3><p class="metric">{badge} {_e(w.metric_name(one.metric))}</p>'
    big = f'<p class="change">{_e(w.change_words(one))}{_interval(one)}</p>' if one.change is not None else ""
    text = f'{head}{big}<p class="why">{_e(one.why)}</p><dl>{facts}</dl>'
    figure = trend(one, w.points_of(night, one), name)
    return f'<article class="alarm{"" if figure else " unseen"}"><div>{text}</div>{figure}</article>'


def _interval(one: Decision) -> str:
    interval = w.interval_words(one)
    return f" <small>95 % interval {_e(interval)}</small>" if interval else ""


def _facts(night: Night, one: Decision) -> Iterator[tuple[str, str]]:
    """Heading and HTML."""
    if one.value is not None or one.baseline is not None:
        before, now = (w.value_words(value, one.unit) for value in (one.baseline, one.value))
        yield "Baseline → tonight", f"{_e(before)} → <b>{_e(now)}</b>"
    if one.board:
        yield "Board", _e(one.board)
    if since := w.since_words(night, one):
        yield "Since", _e(since)
    if one.changed:
        yield "Changed there", "<br>".join(map(_e, one.changed))
    elif one.since is not None:
        yield "Changed there", '<span class="soft">nothing that is recorded</span>'


def _lines(night: Night, names: w.Names) -> str:
    """What is gone and what got better, a line each."""
    found = [one for outcome in (CLOSED, IMPROVED) for one in _of(night.decisions, outcome)]
    items = "".join(f"<li>{_line(one, names)}</li>" for one in found)
    head = "Gone, or better"
    return (
        f'<section><h2>{head} <span>{len(found)}</span></h2><ul class="reasons">{items}</ul></section>' if found else ""
    )


def _of(decisions: Iterable[Decision], outcome: str) -> list[Decision]:
    return w.ranked(one for one in decisions if one.outcome == outcome)


def _line(one: Decision, names: w.Names) -> str:
    values = f" {_e(w.value_words(one.baseline, one.unit))} → {_e(w.value_words(one.value, one.unit))}"
    values, kind = values if one.value is not None else "", "faster" if one.outcome == IMPROVED else "soft"
    change = f' <span class="{kind}">{_e(w.change_words(one))}</span>' if one.change is not None else ""
    badge = f'<span class="badge valid">{_e(one.outcome)}</span>'
    head = f"{badge} <b>{_e(names.of(one.cell))}</b> {_e(w.metric_name(one.metric))}{values}{change}"
    return f'{head} <span class="hint">{_e(one.why)}</span>'
