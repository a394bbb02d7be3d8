"""The nights of one metric as SVG: values with their intervals, the baseline, and the step."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from orchestrator.morning.words import day, in_points, metric_name, scaled, value_words
from orchestrator.plain import plain
from orchestrator.regression.decision import Decision, Point
from orchestrator.report.scale import Scale
from orchestrator.report.words import escaped as _e

WIDTH, HEIGHT = 560, 256
LEFT, RIGHT, TOP, BOTTOM = 62, 16, 30, 46
NIGHTS = 40
"""How many are drawn; older ones are left out."""
ROOM_FOR_DATE, ROOM_FOR_BOARD = 58.0, 6.4
LEAST_SPAN = 0.06
"""Of the baseline: what the vertical axis spans at least, so that noise does not look like mountains."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Where nights and values lie on the picture."""

    points: tuple[Point, ...]
    y: Scale
    unit: str
    log: bool

    @classmethod
    def around(cls, one: Decision, points: Sequence[Point]) -> Frame | None:
        """None where no night has a value."""
        shown = tuple(points[-NIGHTS:])
        ends = [end for p in shown for end in (p.value, p.low, p.high) if end is not None]
        if not any(p.value is not None for p in shown):
            return None
        band = _band(one, shown)
        ends += [] if band is None else band
        middle = one.baseline if one.baseline is not None else sum(ends) / len(ends)
        room = LEAST_SPAN / 2 * abs(middle)
        ends = [scaled(end, one.unit)[0] for end in (*ends, middle - room, middle + room)]
        y = Scale.over([max(0.0, end) for end in ends], HEIGHT - BOTTOM, TOP)
        return cls(shown, y, scaled(0.0, one.unit)[1], y.logarithmic)

    def x(self, at: float) -> float:
        if len(self.points) == 1:
            return (LEFT + WIDTH - RIGHT) / 2
        return LEFT + 14 + at * (WIDTH - RIGHT - LEFT - 28) / (len(self.points) - 1)


def trend(one: Decision, points: Sequence[Point], name: str) -> str:
    """A figure; empty where no night has a value."""
    frame = Frame.around(one, points)
    if frame is None:
        return ""
    words = f"{metric_name(one.metric)} of {name} over {len(frame.points)} nights"
    inner = [*_axes(frame, one), *_baseline(frame, one), *_boards(frame), *_step(frame, one), *_line(frame, one)]
    inner += [_night(frame, one, at) for at in range(len(frame.points))]
    svg = (
        f'<svg class="trend" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"><title>{_e(words)}</title>'
        f"<desc>{_e(_described(frame, one))}</desc>{''.join(inner)}</svg>"
    )
    return f"<figure>{svg}</figure>"


def _described(frame: Frame, one: Decision) -> str:
    values = [p for p in frame.points if p.value is not None]
    first, last = values[0], values[-1]
    told = f"from {value_words(first.value, one.unit)} on {day(first.at_s)} to {value_words(last.value, one.unit)}"
    told += f" on {day(last.at_s)}"
    return told if one.baseline is None else f"{told}; baseline {value_words(one.baseline, one.unit)}"


def _axes(frame: Frame, one: Decision) -> Iterator[str]:
    right = WIDTH - RIGHT
    for tick in frame.y.ticks():
        at = frame.y.at(tick)
        yield f'<path class="grid" d="M{LEFT} {at:.1f}H{right}"/>'
        yield f'<text x="{LEFT - 7}" y="{at + 4:.1f}" text-anchor="end">{tick:,.5g}</text>'
    unit = f", {frame.unit}" if frame.unit else ""
    scale = " (logarithmic)" if frame.log else ""
    yield f'<text class="axis" x="{LEFT - 44}" y="13">{_e(metric_name(one.metric).capitalize() + unit + scale)}</text>'
    yield from _dates(frame)


def _dates(frame: Frame) -> Iterator[str]:
    """Of as many nights as there is room for, tonight's always."""
    last, taken = len(frame.points) - 1, float("inf")
    for at in range(last, -1, -1):
        x = frame.x(at)
        yield f'<path class="mark" d="M{x:.1f} {HEIGHT - BOTTOM}v4"/>'
        if taken - x >= ROOM_FOR_DATE:
            taken = x
            date = day(frame.points[at].at_s)[5:]
            yield f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{date}</text>'
    ends = f"{day(frame.points[0].at_s)} to {day(frame.points[-1].at_s)}"
    yield f'<text class="axis" x="{WIDTH - RIGHT}" y="{HEIGHT - 4}" text-anchor="end">Night, {ends}</text>'


def _band(one: Decision, points: Sequence[Point]) -> list[float] | None:
    """What counts as unchanged: the threshold around the baseline, else what the good nights span."""
    threshold = one.inputs.get("threshold")
    if one.baseline is not None and isinstance(threshold, int | float) and not isinstance(threshold, bool):
        room = threshold * (1.0 if in_points(one.metric) else abs(one.baseline))
        return [one.baseline - room, one.baseline + room]
    before = _before_step(one, points)
    values = [p.value for p in before if p.good and p.value is not None]
    return [min(values), max(values)] if len(values) > 1 else None


def _before_step(one: Decision, points: Sequence[Point]) -> Sequence[Point]:
    nights = [p.night for p in points]
    return points[: nights.index(one.since)] if one.since in nights else points[:-1]


def _baseline(frame: Frame, one: Decision) -> Iterator[str]:
    right = WIDTH - RIGHT
    if band := _band(one, frame.points):
        low, high = (frame.y.at(scaled(end, one.unit)[0]) for end in band)
        yield (
            f'<rect class="band" x="{LEFT}" y="{high:.1f}" width="{right - LEFT}" height="{max(1.0, low - high):.1f}"/>'
        )
    if one.baseline is not None:
        at = frame.y.at(scaled(one.baseline, one.unit)[0])
        yield f'<path class="base" d="M{LEFT} {at:.1f}H{right}"/>'


def _step(frame: Frame, one: Decision) -> Iterator[str]:
    """Between the last night before the step and the first one after it."""
    nights = [p.night for p in frame.points]
    if one.since in nights and (at := nights.index(one.since)) > 0:
        x = frame.x(at - 0.5)
        yield f'<path class="step" d="M{x:.1f} {TOP - 4}V{HEIGHT - BOTTOM}"/>'
        side, where = ("end", x - 5) if x > WIDTH / 2 else ("start", x + 5)
        yield f'<text class="step" x="{where:.1f}" y="{HEIGHT - BOTTOM - 6}" text-anchor="{side}">step</text>'


def _boards(frame: Frame) -> Iterator[str]:
    """Another board than in the night before, where the name has room."""
    before, taken = None, 0.0
    for at, point in enumerate(frame.points):
        if point.board is None or point.board == before:
            continue
        changed, before = before is not None, point.board
        if not changed:
            continue
        x = frame.x(at - 0.5)
        yield f'<path class="board" d="M{x:.1f} {TOP}V{HEIGHT - BOTTOM}"/>'
        text = plain(point.board)[:24]
        wide = ROOM_FOR_BOARD * len(text)
        left = min(x + 4, WIDTH - RIGHT - wide)
        if left >= taken:
            taken = left + wide + 6
            yield f'<text class="board" x="{left:.1f}" y="{TOP - 4}">{_e(text)}</text>'


def _line(frame: Frame, one: Decision) -> Iterator[str]:
    """Through neighbouring nights that have a value."""
    path, broken = "", True
    for at, point in enumerate(frame.points):
        if point.value is None:
            broken = True
            continue
        path += f"{'M' if broken else 'L'}{frame.x(at):.1f} {frame.y.at(scaled(point.value, one.unit)[0]):.1f}"
        broken = False
    yield f'<path class="through" d="{path}"/>'


def _night(frame: Frame, one: Decision, at: int) -> str:
    point, x = frame.points[at], frame.x(at)
    if point.value is None:
        low = HEIGHT - BOTTOM - 5
        said = f"{day(point.at_s)}: no value"
        return f'<path class="gap" d="M{x - 3:.1f} {low - 3}l6 6m0 -6l-6 6"><title>{_e(said)}</title></path>'
    y = frame.y.at(scaled(point.value, one.unit)[0])
    tonight = at == len(frame.points) - 1
    kind = "tonight" if tonight else "night" if point.good else "apart"
    whisker = _whisker(frame, one, point, x)
    said = f"<title>{_e(_point_words(one, dataclasses.replace(point, good=point.good or tonight)))}</title>"
    return f'{whisker}<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="{6 if tonight else 3.6}">{said}</circle>'


def _whisker(frame: Frame, one: Decision, point: Point, x: float) -> str:
    if point.low is None or point.high is None:
        return ""
    low, high = (frame.y.at(scaled(end, one.unit)[0]) for end in (point.low, point.high))
    return f'<path class="whisker" d="M{x:.1f} {low:.1f}V{high:.1f}M{x - 3:.1f} {low:.1f}h6M{x - 3:.1f} {high:.1f}h6"/>'


def _point_words(one: Decision, point: Point) -> str:
    words = [day(point.at_s), value_words(point.value, one.unit)]
    if point.low is not None and point.high is not None:
        words.append(f"{value_words(point.low, one.unit)} to {value_words(point.high, one.unit)}")
    words += [plain(point.board)] if point.board else []
    return " · ".join([*words, *([] if point.good else ["not part of the baseline"])])
