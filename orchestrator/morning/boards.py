"""The health of the boards, on the page."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.morning import spark
from orchestrator.night import BoardNight, Night
from orchestrator.report.words import escaped as _e
from orchestrator.words import duration

STATES = {"bad": "failed", "maintenance": "suspect", "unknown": "unknown", "good": "valid"}
"""By health, in the order of the table: the class of its badge."""
HOUR_S, DAY_S = 3600.0, 86400.0


def section(night: Night) -> str:
    """Those that need a hand first."""
    if not night.boards:
        return ""
    order = list(STATES)
    boards = sorted(night.boards, key=lambda b: order.index(b.health) if b.health in order else 0)
    heads = "<th>Board</th><th>Health</th>"
    heads += "".join(f'<th class="right">{head}</th>' for head in ("Done", "Failed", "Infrastructure", "Complete"))
    rows = "".join(row for board in boards for row in _rows(board))
    table = f"<table><thead><tr>{heads}<th>Last nights</th></tr></thead><tbody>{rows}</tbody></table>"
    return f'<section class="boards"><h2>Boards</h2><div class="wide">{table}</div></section>'


def tried(board: BoardNight) -> int:
    """Cells that came to an end of any kind on it."""
    return board.done + board.failed + board.infrastructure


def completion(board: BoardNight) -> str:
    """Tonight's share of its cells that came to a result, in words."""
    if board.nights and board.nights[-1] is not None:
        return f"{100 * board.nights[-1]:.0f} %"
    return f"{100 * board.done / tried(board):.0f} %" if tried(board) else "–"


def lasting(seconds: float | None) -> str:
    """``3 d``: for how long it has been so."""
    if seconds is None:
        return ""
    return f"{seconds / DAY_S:.0f} d" if seconds >= 2 * DAY_S else duration(seconds)


def _rows(board: BoardNight) -> Iterator[str]:
    """One of numbers, and one of words where there are any."""
    badge = f'<span class="badge {STATES.get(board.health, "failed")}">{_e(board.health)}</span>'
    since = f' <span class="soft">for {_e(lasting(board.since_s))}</span>' if board.since_s is not None else ""
    counts = "".join(
        f'<td class="right{" slower" if n and bad else ""}">{n}</td>'
        for n, bad in ((board.done, False), (board.failed, True), (board.infrastructure, True))
    )
    name = f'<th scope="row">{_e(board.board)} <span class="soft">{_e(board.device)}</span></th>'
    yield (
        f'<tr class="first">{name}<td>{badge}{since}</td>{counts}<td class="right">{completion(board)}</td>'
        f"<td>{spark.bars(board.nights)}</td></tr>"
    )
    said = [f"<p>{_e(board.reason)}</p>"] if board.reason else []
    said += [f"<ul>{''.join(f'<li>{_e(event)}</li>' for event in board.events)}</ul>"] if board.events else []
    if said:
        yield f'<tr class="said"><td colspan="7"><div>{"".join(said)}</div></td></tr>'
