"""Levels, fits and ranges as people read them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from orchestrator.console import Part
from orchestrator.device import PowerProfile, PowerRange
from orchestrator.energy.fit import Line, Profile
from orchestrator.energy.levels import IDLE, Point
from orchestrator.preview import columns


def table(points: Sequence[Point], watts: Profile | None, lines: Sequence[Line]) -> Iterator[list[Part]]:
    """A row for each level: what the meter read, what the profile would estimate, what each sensor comes to."""
    head = ["level", "CPU", "meter W", *(["estimate W"] if watts else [])]
    for one in lines:
        head += [f"{one.reader} W", "fitted W", "off"]
    names = dict.fromkeys(one.level for one in points)
    rows = [row_of(name, [one for one in points if one.level == name], watts, lines) for name in names]
    yield from columns(head, rows, right=head[1:])


def row_of(name: str, points: Sequence[Point], watts: Profile | None, lines: Sequence[Line]) -> list[str]:
    use, meter_w = mean([one.use for one in points]), mean([one.meter_w for one in points])
    row = [name, f"{use:.0%}", f"{meter_w:.3f}"]
    if watts:
        row.append("{:.3g}-{:.3g}".format(*watts.at(use)))
    for one in lines:
        read = [point for point in points if one.reader in point.sensors]
        sensor_w = mean([point.sensors[one.reader][0] for point in read])
        off = max((one.at(p.sensors[one.reader][0]) / p.meter_w - 1 for p in read), key=abs, default=None)
        row += ["-"] * 3 if off is None else [f"{sensor_w:.3f}", f"{one.at(sensor_w):.3f}", f"{off:+.1%}"]
    return row


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def profile_words(watts: Profile, before: PowerProfile) -> str:
    """What estimates of this board rest on from now on, and rested on until now."""
    ends = ((IDLE, watts.idle, "", before.idle), ("load", watts.load, load_words(watts), before.load))
    return ", ".join(
        f"{name} {span(now)}{f' ({words})' if words else ''}{f' (before: {span(then)})' if then else ''}"
        for name, now, words, then in ends
    )


def load_words(watts: Profile) -> str:
    """How far the power of full load is what the meter read; nothing where all of it is."""
    if watts.read is None:
        return beyond_words(watts)
    ends = zip(
        (watts.load.low_w, watts.load.high_w), (watts.read.low_w, watts.read.high_w), watts.farthest, strict=True
    )
    far = [f"{one.level} at u = {one.use:.2f} comes to {w:.3g} W" for w, read_w, one in ends if differs(w, read_w)]
    return "; ".join([f"full load was read as {span(watts.read)}", *far]) if far else ""


def beyond_words(watts: Profile) -> str:
    return f"beyond any reading, from u = {watts.highest_use:.2f}"


def differs(one_w: float, other_w: float) -> bool:
    """As they are shown."""
    return f"{one_w:.3g}" != f"{other_w:.3g}"


def span(watts: PowerRange) -> str:
    return f"{watts.low_w:.3g}-{watts.high_w:.3g} W"


def line_words(one: Line, gain: float) -> str:
    left_out = f", a level left out {one.left_out:.1%}" if one.left_out is not None else ""
    return (
        f"W = {one.slope:.4f} x {one.intercept_w:+.4f}, within {one.error:.1%} (largest residual {one.residual:.1%}"
        f"{left_out}, meter {gain:.1%})"
    )
