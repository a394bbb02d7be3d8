"""Cells on the page: those without a result, those that had no turn, and the steady ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from orchestrator.morning import spark
from orchestrator.morning import words as w
from orchestrator.morning.groups import BENCHMARK, INFRASTRUCTURE, Group, lost, not_run
from orchestrator.night import Night
from orchestrator.plain import plain
from orchestrator.regression.decision import NO_HISTORY, STEADY, Decision
from orchestrator.report.words import escaped as _e
from orchestrator.result import SKIPPED
from orchestrator.words import counted

LISTED = 12
"""Cells of a group that are named at once."""
WHOSE = {INFRASTRUCTURE: ("infrastructure", "suspect"), BENCHMARK: ("benchmark", "failed")}


def missing(night: Night, names: w.Names) -> str:
    """What failed, by reason."""
    groups = lost(night, names)
    count = sum(len(group.cells) for group in groups)
    note = "infrastructure: the link, the board or its supervisor; benchmark: it failed by itself."
    return _section("Without a result", count, note, groups)


def late(night: Night, names: w.Names) -> str:
    """What the budget had no room for."""
    groups = not_run(night, names)
    count = sum(len(group.cells) for group in groups)
    return _section("Not run", count, "Their turn did not come within the budget of the night.", groups)


def _section(head: str, count: int, note: str, groups: Sequence[Group]) -> str:
    items = "".join(f"<li>{_group(group)}</li>" for group in groups)
    inner = f'<p class="note">{_e(note)}</p><ul class="reasons">{items}</ul>'
    return f"<section><h2>{_e(head)} <span>{count}</span></h2>{inner}</section>" if groups else ""


def _group(group: Group) -> str:
    word, kind = WHOSE.get(group.whose, (group.whose, "interrupted"))
    where = f" on <b>{_e(', '.join(group.boards))}</b>" if group.boards else ""
    hint = f' <span class="hint">{_e(group.hint)}</span>' if group.hint else ""
    log = f" <code>{_e(group.log)}</code>" if group.log else ""
    head = f'<span class="badge {kind}">{_e(word)}</span> <b>{counted(len(group.cells), "cell")}</b>{where}:'
    return f"{head} {_e(group.reason)}{hint}{log}{_listed(group.cells)}"


def _listed(cells: Sequence[str]) -> str:
    first, rest = ", ".join(map(_e, cells[:LISTED])), ", ".join(map(_e, cells[LISTED:]))
    more = f"<details><summary>and {len(cells) - LISTED} more</summary>{rest}</details>" if rest else ""
    return f'<div class="soft">{first}{more}</div>'


def steady(night: Night, names: w.Names) -> str:
    """Folded: a row for every metric that is as it was, with the last nights."""
    found = [one for one in night.decisions if one.outcome in (STEADY, NO_HISTORY)]
    if not found:
        return ""
    rows = "".join(_rows(night, found, names))
    heads = '<th>Cell</th><th>Metric</th><th class="right">Tonight</th><th class="right">Baseline</th>'
    heads += '<th class="right">Change</th><th>Last nights</th>'
    table = (
        f'<div class="wide"><table class="steady"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'
    )
    fresh = sum(one.outcome == NO_HISTORY for one in found)
    cells = counted(len({one.cell for one in found}), "cell")
    count = f"{counted(len(found) - fresh, 'metric')} of {cells}"
    count += f", and {fresh} without a history yet" if fresh else ""
    return f"<section><details><summary><h2>Steady <span>{count}</span></h2></summary>{table}</details></section>"


def _rows(night: Night, found: Sequence[Decision], names: w.Names) -> Iterator[str]:
    by_cell: dict[str, list[Decision]] = {}
    for one in found:
        by_cell.setdefault(one.cell, []).append(one)
    for cell, some in sorted(by_cell.items(), key=lambda item: names.of(item[0])):
        for at, one in enumerate(some):
            head = f'<th scope="row" rowspan="{len(some)}">{_e(names.of(cell))}</th>' if at == 0 else ""
            first = ' class="first"' if at == 0 else ""
            yield f"<tr{first}>{head}{_row(night, one)}</tr>"


def _row(night: Night, one: Decision) -> str:
    change = w.change_words(one) or ("new" if one.outcome == NO_HISTORY else "–")
    interval = w.interval_words(one)
    title = f' title="95 % interval {_e(interval)}"' if interval else ""
    numbers = "".join(f'<td class="right">{_e(w.value_words(v, one.unit))}</td>' for v in (one.value, one.baseline))
    sparkline = spark.line(w.points_of(night, one))
    name = f"<td>{_e(w.metric_name(one.metric))}</td>"
    return f'{name}{numbers}<td class="right"{title}>{_e(change)}</td><td>{sparkline}</td>'


def skipped(night: Night) -> str:
    """Impossible cells, by reason, in a line each; folded, since they are the same every night."""
    reasons: dict[str, int] = {}
    for result in night.results:
        if result.status == SKIPPED:
            reasons[plain(result.why)] = reasons.get(plain(result.why), 0) + 1
    items = "".join(f"<li><b>{counted(count, 'cell')}</b> {_e(why)}</li>" for why, count in reasons.items())
    head = f"<summary><h2>Skipped <span>{sum(reasons.values())}</span></h2></summary>"
    return f'<section><details>{head}<ul class="reasons">{items}</ul></details></section>' if reasons else ""
