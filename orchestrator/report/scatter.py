"""The Pareto front as SVG: latency against size, energy and wrong answers, with the cells that nobody beats."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from orchestrator.compare.front import Candidates, candidates
from orchestrator.compare.measures import DROP, TOP1
from orchestrator.plain import plain
from orchestrator.report import columns as c
from orchestrator.report import energies, remarks
from orchestrator.report.figure import label
from orchestrator.report.scale import Scale
from orchestrator.report.words import escaped

WIDTH, HEIGHT = 560, 340
LEFT, RIGHT, TOP, BOTTOM = 58, 14, 14, 42
LETTER, LINE = 6.1, 14.0  # of a label, in pixels
COLOURS = 8  # classes m0 to m7 of the style sheet
MOST_LABELLED = 40
"""Points beyond which only those of the front are named."""

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Panel:
    """What is held against the latency; less is better."""

    key: str
    name: str
    head: str
    of: Callable[[float], float]

    def value(self, row: c.Row) -> float:
        return self.of(row[self.key])


SIZE = Panel("size_bytes", "size", "Size, MB", lambda size: size / 1e6)
ENERGY = Panel("energy_mj", "measured energy", "Energy measured, mJ per inference", lambda mj: mj)
WRONG = Panel("quality_top1", "wrong answers", "Wrong answers, %", lambda right: 100 * (1 - right))


def _panels(group: Candidates) -> Iterator[Panel]:
    yield SIZE
    if group.energy:
        yield ENERGY
    if group.quality in (DROP, TOP1) and all(c.has(row, "quality_top1") for row in group.allowed):
        yield WRONG


def section(shown: c.Sheet) -> str:
    """Nothing where a device has fewer than three cells to choose from."""
    groups = [group for group in candidates(shown.rows) if len(group.rows) > 2]
    if not groups:
        return ""
    models = list(dict.fromkeys(row["model"] for row in shown.rows))
    several = {key: len({getattr(g, key) for g in groups}) > 1 for key in ("sweep", "batch_size", "mode")}
    figures = "".join(_figures(shown, group, models, several) for group in groups)
    keys = "".join(
        f'<span class="key"><svg class="dot" viewBox="0 0 12 12"><circle class="{_colour(models, m)}" cx="6" cy="6"'
        f' r="5"/></svg> {escaped(m)}</span>'
        for m in models
    )
    note = f'<p class="note">{escaped(remarks.front_note(shown))}</p><p class="keys">{keys}</p>'
    return f'<section class="fronts"><h2>Pareto front</h2>{note}<div class="panels broad">{figures}</div></section>'


def _figures(shown: c.Sheet, group: Candidates, models: Sequence[str], several: dict[str, bool]) -> str:
    names = [f"sweep {group.sweep}"] if several["sweep"] else []
    names += [group.device, *([f"batch {group.batch_size}"] if several["batch_size"] else [])]
    names += [f"mode {group.mode}"] if several["mode"] else []
    out = []
    for panel in _panels(group):
        head = plain(f"{' · '.join(names)} — latency and {panel.name}")
        caption = f"<figcaption>{escaped(head)}</figcaption>"
        out.append(f'<figure>{caption}<div class="wide">{_svg(shown, group, panel, models, head)}</div></figure>')
    return "".join(out)


def _svg(shown: c.Sheet, group: Candidates, panel: Panel, models: Sequence[str], head: str) -> str:
    rows = [row for row in group.rows if c.has(row, panel.key)]  # what a limit keeps off the front may have none
    x = Scale.over([row["latency_ms"] for row in rows], LEFT, WIDTH - RIGHT)
    y = Scale.over([panel.value(row) for row in rows], HEIGHT - BOTTOM, TOP)
    at = [(x.at(row["latency_ms"]), y.at(panel.value(row))) for row in rows]
    inner = [*_axes(x, y, panel)]
    for model in models if len(models) > 1 else ():
        own = [p for p, row in zip(at, rows, strict=True) if row["front_of_model"] and row["model"] == model]
        inner.append(_stairs(own, f"own {_colour(models, model)}"))
    inner.append(_stairs([p for p, row in zip(at, rows, strict=True) if row["front"]], "front"))
    inner += [_point(row, place, models, label(shown, row)) for row, place in zip(rows, at, strict=True)]
    inner += _labels(shown, rows, at)
    return (
        f'<svg class="scatter" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escaped(head)}">'
        f"{''.join(inner)}</svg>"
    )


def _axes(x: Scale, y: Scale, panel: Panel) -> Iterator[str]:
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    for tick in x.ticks():
        at = x.at(tick)
        yield f'<path class="grid" d="M{at:.1f} {TOP}V{bottom}"/>'
        yield f'<text class="tick" x="{at:.1f}" y="{bottom + 15}" text-anchor="middle">{tick:,g}</text>'
    for tick in y.ticks():
        at = y.at(tick)
        yield f'<path class="grid" d="M{LEFT} {at:.1f}H{right}"/>'
        yield f'<text class="tick" x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{tick:,g}</text>'
    scale = " (logarithmic)" if x.logarithmic else ""
    yield f'<text class="axis" x="{right}" y="{HEIGHT - 6}" text-anchor="end">Latency, ms{scale} →</text>'
    turned = f'transform="translate(12 {TOP}) rotate(-90)" text-anchor="end"'
    yield f'<text class="axis" {turned}>{panel.head}{" (logarithmic)" if y.logarithmic else ""} →</text>'


def _stairs(places: Sequence[tuple[float, float]], kind: str) -> str:
    """Along those of the front that no other one beats in the two values shown; smaller y is higher up."""
    corner: list[tuple[float, float]] = []
    for px, py in sorted(places, key=lambda p: (p[0], -p[1])):
        if not corner or py > corner[-1][1]:
            corner.append((px, py))
    if not corner:
        return ""
    path = f"M{corner[0][0]:.1f} {TOP}V{corner[0][1]:.1f}"
    path += "".join(f"H{px:.1f}V{py:.1f}" for px, py in corner[1:])
    return f'<path class="{kind}" d="{path}H{WIDTH - RIGHT}"/>'


def _point(row: c.Row, place: tuple[float, float], models: Sequence[str], name: str) -> str:
    on, own = bool(row["front"]), bool(row["front_of_model"])
    kind = "best" if on else "good" if own else "beaten"
    said = [f"{plain(row['model'])} {name}", f"{c.latency(row)} ms", f"{c.number(row['size_bytes'] / 1e6)} MB"]
    said += [f"{energies.energy(row)} mJ"] if c.has(row, "energy_mj") else []
    said += [plain(row["gate_why"])] if c.has(row, "gate_why") else []
    said += [plain(row["verdict"]), {"best": "on the front", "good": "on its model's front", "beaten": "beaten"}[kind]]
    return (
        f'<circle class="{_colour(models, row["model"])} {kind}" cx="{place[0]:.1f}" cy="{place[1]:.1f}"'
        f' r="{6 if on else 4.5}"><title>{escaped(" · ".join(said))}</title></circle>'
    )


def _colour(models: Sequence[str], model: str) -> str:
    return f"m{list(models).index(model) % COLOURS}"


def _labels(shown: c.Sheet, rows: Sequence[c.Row], at: Sequence[tuple[float, float]]) -> Iterator[str]:
    """Names beside the points, those of the front first; what has no free place beside it keeps its tooltip."""
    taken: list[Box] = [(px - 7, py - 7, px + 7, py + 7) for px, py in at]
    order = sorted(range(len(rows)), key=lambda i: (not rows[i]["front"], not rows[i]["front_of_model"]))
    for i in order:
        front = bool(rows[i]["front"])
        if len(rows) > MOST_LABELLED and not front:
            break
        text, (px, py) = label(shown, rows[i]), at[i]
        wide = LETTER * len(text) * (1.06 if front else 1.0)
        for anchor, left, middle in (
            ("start", px + 10, py),
            ("end", px - 10 - wide, py),
            ("middle", px - wide / 2, py - 15),
            ("middle", px - wide / 2, py + 15),
            ("start", px + 8, py - 13),
            ("start", px + 8, py + 13),
            ("end", px - 8 - wide, py - 13),
            ("end", px - 8 - wide, py + 13),
        ):
            box = (left, middle - LINE / 2, left + wide, middle + LINE / 2)
            if _free(box, [t for n, t in enumerate(taken) if n != i]):
                taken.append(box)
                x = {"start": left, "end": left + wide, "middle": left + wide / 2}[anchor]
                kind = "name best" if front else "name"
                where = f'x="{x:.1f}" y="{middle + 4:.1f}" text-anchor="{anchor}"'
                yield f'<text class="{kind}" {where}>{escaped(text)}</text>'
                break


def _free(box: Box, taken: Sequence[Box]) -> bool:
    if box[0] < LEFT or box[2] > WIDTH - RIGHT or box[1] < TOP or box[3] > HEIGHT - BOTTOM:
        return False
    return not any(box[0] < t[2] and t[0] < box[2] and box[1] < t[3] and t[1] < box[3] for t in taken)
