"""The columns of a comparison, in one place for terminal, Markdown and HTML; how numbers are written."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from orchestrator.cell import NATIVE
from orchestrator.compare.pivot import differing as differing_axes
from orchestrator.plain import plain
from orchestrator.report import energies, overrides, qualities
from orchestrator.report.seen import Comparison
from orchestrator.report.text import Column as Column
from orchestrator.report.text import Row as Row
from orchestrator.report.text import has as has
from orchestrator.report.text import number as number
from orchestrator.result import DONE
from orchestrator.stats import MOST, SAME, UNDECIDED
from orchestrator.words import counted, is_number


@dataclass(frozen=True, slots=True)
class Sheet:
    """What is left to show: columns that hold something, rows with numbers, what all rows share, the others.

    ``remarks`` are about the whole, ``asked`` too, but of what somebody wanted so;
    ``labels`` are those of energies that differ; ``along`` is the axis of the baseline, ``implied`` axes follow from
    the model.
    """

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    common: dict[str, str]
    others: tuple[Row, ...]
    remarks: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()
    along: str = "optimization"
    implied: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    recommended: tuple[str, ...] = ()

    @property
    def every(self) -> tuple[Row, ...]:
        return (*self.rows, *self.others)

    def group(self, row: Row) -> tuple[Any, ...]:
        """What rows share that stand together in the table."""
        return tuple(row[key] for key in ("sweep", "device", "model") if key != self.along)


def latency(row: Row) -> str:
    """``41.2 ±0.8%``: half the 95 % interval between processes, relative (it is symmetric in ratios)."""
    value = number(row["latency_ms"])
    if not has(row, "latency_low_ms"):
        return value
    half = 100 * (math.sqrt(row["latency_high_ms"] / row["latency_low_ms"]) - 1)
    if half > 100:
        return f"{value} > ±100%"
    return f"{value} ±{half:.1f}%" if half < 9.95 else f"{value} ±{half:.0f}%"


def change(row: Row) -> str:
    """``1.92× faster``; ``~ within 1.8%`` where it is the same, ``~ up to 7%`` where it is not decided; else a dash.

    ``*``: under other conditions than the baseline.
    """
    if row["is_baseline"]:
        return "baseline"
    if not has(row, "change_low"):
        return "–" if row["change_outcome"] != UNDECIDED else "~"
    star = "*" if has(row, "change_differs") else ""
    return (factor(row["change_ratio"]) if row["change_significant"] else _allowed(row)) + star


def _allowed(row: Row) -> str:
    """What the 95 % interval still allows, either way."""
    percent = 100 * (max(row["change_high"], 1 / row["change_low"]) - 1)
    text = f"{percent:.1f}%" if percent < 9.95 else f"{percent:.0f}%"
    return f"~ within {text}" if row["change_outcome"] == SAME else f"~ up to {text}"


def to_decide(row: Row) -> str:
    """Processes a side that would decide an undecided pair."""
    if row["change_outcome"] != UNDECIDED:
        return ""
    return f"{row['change_processes']:.0f}" if has(row, "change_processes") else f"> {MOST}"


def samples_per_s(row: Row) -> str:
    """What mode offline is about, and compared by; in the others it is no more than the latency turned round."""
    return number(row["samples_per_s"]) if row["mode"] == "offline" and has(row, "samples_per_s") else ""


def burst_and_sustained(row: Row) -> str:
    """``7.0 → 9.1 ms (+30%)``: the first seconds of a sustained load, and its last minute."""
    if not has(row, "sustained_ms") or not has(row, "burst_ms"):
        return ""
    return f"{number(row['burst_ms'])} → {number(row['sustained_ms'])} ms ({100 * row['degradation']:+.0f}%)"


def pipeline(row: Row) -> str:
    """``30.6 ms (model 48%)``: from the photograph to the answer, and how much of it the model itself takes."""
    if not has(row, "pipeline_ms"):
        return ""
    share = f" (model {100 * row['pipeline_invoke_share']:.0f}%)" if has(row, "pipeline_invoke_share") else ""
    return f"{number(row['pipeline_ms'])} ms{share}"


def direction(row: Row) -> str:
    """``faster`` or ``slower`` than the baseline, ``same`` where that is not known."""
    if not has(row, "change_ratio") or not row["change_significant"]:
        return "same"
    return "faster" if row["change_ratio"] < 1 else "slower"


def factor(ratio: float) -> str:
    return f"{1 / ratio:.2f}× faster" if ratio < 1 else f"{ratio:.2f}× slower"


def on_front(row: Row) -> str:
    return "●" if row["front"] else "○" if row["front_of_model"] else ""


def _of(key: str, scale: float = 1.0) -> Callable[[Row], str]:
    return lambda row: number(row[key] / scale) if has(row, key) else ""


def _word(key: str) -> Callable[[Row], str]:
    return lambda row: plain(row.get(key))


def _width(row: Row) -> str:
    """Most models have none, and of those that do most are taken as they are."""
    return "" if row.get("width") == NATIVE else plain(row.get("width"))


def columns(baseline: str, cell: str = "") -> tuple[Column, ...]:
    """``cell``: the battery, in words."""
    axes = ("device", "runtime_name", "threads", "batch_size", "input_size", "width", "scenario")
    heads = ("Device", "Runtime", "Threads", "Batch", "Input", "Width", "Scenario")
    shared = {key: Column(key, head, _word(key), axis=True) for key, head in zip(axes, heads, strict=True)}
    shared["width"] = Column("width", "Width", _width, axis=True)
    return (
        Column("sweep", "Sweep", _word("sweep"), axis=True),
        shared.pop("device"),
        Column("board", "Board", _word("board"), 4, axis=True),
        Column("model", "Model", _word("model")),
        Column("optimization", "Optimization", _word("optimization")),
        *shared.values(),
        Column("latency_ms", "Latency ms", latency, right=True),
        Column("samples_per_s", "Samples/s", samples_per_s, right=True),
        Column("sustained_ms", "Burst → sustained", burst_and_sustained, right=True),
        Column("pipeline_ms", "Pipeline", pipeline, right=True),
        Column("change", f"vs {baseline}", change, right=True),
        Column("change_processes", "To decide", to_decide, 4, True),
        Column("quality_top1", "Top-1", qualities.top1, 7, True),
        Column("quality_auc", "AUC", qualities.auc, 7, True),
        Column("quality_drop", "Drop points", qualities.drop, 7, True),
        Column("quality_sqnr_db", "SQNR dB", qualities.sqnr, 2, True),
        Column("energy_mj", "Energy mJ", energies.energy, 8, True),
        Column("energy_scope", "Scope", _word("energy_scope"), 4, axis=True),
        Column("energy_kind", "Energy kind", _word("energy_kind"), 4, axis=True),
        Column("energy_change", f"Energy vs {baseline}", energies.energy_change, 8, True),
        Column("battery_h", f"h on {cell}", energies.battery, 8, True),
        Column("battery_estimate_h", "Est. h", energies.battery_estimate, 8, True),
        Column("verdict", "Verdict", _word("verdict")),
        Column("front", "Front", on_front, 4),
        Column("latency_p90_ms", "p90 ms", _of("latency_p90_ms"), 3, True),
        Column("load_ms", "Load ms", _of("load_ms"), 1, True),
        Column("peak_rss_mb", "RSS MB", _of("peak_rss_mb"), 2, True),
        Column("size_bytes", "Size MB", _of("size_bytes", 1e6), 5, True),
        Column("energy_estimate_mj", "Est. mJ", energies.estimate, 6, True),
        Column("ops_ratio", "Ops index", energies.ops, 0, True),
        Column("processor", "Accelerator", _word("processor"), 6, axis=True),
        Column("delegate", "Delegate", _word("delegate"), 6, axis=True),
    )


def sheet(comparison: Comparison) -> Sheet:
    """Leave out what is empty for all cells; name once what is the same for all."""
    records, also = overrides.shared(
        [{str(key): value for key, value in row.items()} for row in comparison.frame.to_dict(orient="records")]
    )
    rows = [row for row in records if row["status"] == DONE]
    labels = energies.differing_labels(rows)
    rows = [{**row, "energy_beside": energies.beside(row, labels)} for row in rows]
    others = tuple(row for row in records if row["status"] != DONE)
    implied = () if "input_size" in differing_axes(rows) else ("input_size",)
    kept, common = [], {}
    for column in columns(overrides.without(comparison.baseline, also), _battery(rows)):
        texts = [column.text(row) for row in rows]
        if not any(texts) or (column.key == "board" and _paired(rows)):
            continue
        compared = column.key in ("change", "energy_change")
        if (compared and set(texts) <= {"–", ""}) or (column.key == "front" and len(rows) < 3):
            continue  # nothing to compare with; nothing to choose from
        of_energy = column.key in energies.ENERGY_LABELS
        if column.axis and (column.key not in labels if of_energy else len(set(texts)) == 1):
            if column.key != "sweep":  # a single one is the title
                common[column.head] = max(texts)  # of an energy: some have none
        else:
            kept.append(column)
    if also:
        common["Also"] = plain(", ".join(also))
    remarks, asked = tuple(_remarks(comparison)), tuple(_asked(comparison))
    told = tuple(map(plain, comparison.recommendations))
    along = comparison.baseline_axis
    made = Sheet(tuple(kept), tuple(rows), common, others, remarks, asked, along, implied, labels, told)
    return replace(made, remarks=(*remarks, *_unrewarded(made)))


def _unrewarded(shown: Sheet) -> Iterator[str]:
    """What was pruned or clustered and got no faster."""
    for row in shown.rows:
        if has(row, "slimming_note"):
            yield f"{full_name(shown, row)}: {plain(row['slimming_note'])}"


def _battery(rows: Sequence[Row]) -> str:
    found = dict.fromkeys(row["battery"] for row in rows if has(row, "battery"))
    return plain(next(iter(found))) if len(found) == 1 else "its battery"


def _remarks(comparison: Comparison) -> Iterator[str]:
    for sweep in comparison.sweeps:
        for board, reason in sweep.given_up.items():
            yield plain(f"took no part{_where(comparison, sweep.id)}: {board}: {reason}")
    yield from map(plain, comparison.notes)


def _asked(comparison: Comparison) -> Iterator[str]:
    for sweep in comparison.sweeps:
        for rule, n in sweep.excluded.items():
            yield plain(f"{counted(n, 'cell')} excluded{_where(comparison, sweep.id)} by {rule}.")


def _where(comparison: Comparison, sweep: str) -> str:
    return f" in {sweep}" if len(comparison.sweeps) > 1 else ""


def _paired(rows: Sequence[Row]) -> bool:
    """Whether every device has one board only, so that naming both says nothing more."""
    pairs = {(row["device"], row["board"]) for row in rows}
    return len(pairs) == len({device for device, _ in pairs}) > 1


def cell_name(row: Row) -> str:
    return plain("/".join(str(row.get(key) or "?") for key in ("device", "model", "optimization")))


NO_LABEL = ("sweep", "device", "board", "processor", "delegate", *energies.ENERGY_LABELS)


def differing(shown: Sheet, row: Row) -> list[str]:
    """``threads 4``: what differs between cells besides device, model and optimization."""
    axes = [column for column in shown.columns if column.axis and column.key not in (*NO_LABEL, *shown.implied)]
    return [f"{column.head.lower()} {text}" for column in axes if (text := column.text(row))]


AXIS_WORDS = {"runtime": "runtime", "threads": "threads", "batch_size": "batch", "input_size": "input",
              "width": "width", "scenario": "scenario"}  # fmt: skip


def along_axes(shown: Sheet, rows: Sequence[Row]) -> list[str]:
    """``threads {1,4}``: values of the axes that vary in the comparison, besides those in the cells' names."""
    found = []
    for axis in differing_axes(shown.every):
        if axis in AXIS_WORDS:
            key = "runtime_asked" if axis == "runtime" else axis
            values = list(dict.fromkeys(plain(row[key]) for row in rows))
            values = sorted(values, key=float) if all(map(is_number, values)) else values
            found.append(f"{AXIS_WORDS[axis]} {braced(values)}")
    return found


def braced(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else "{" + ",".join(words) + "}"


def full_name(shown: Sheet, row: Row) -> str:
    sweep = [plain(row["sweep"])] if any(column.key == "sweep" for column in shown.columns) else []
    return " · ".join([cell_name(row), *differing(shown, row), *sweep])


def doubts(rows: tuple[Row, ...]) -> list[tuple[Row, str]]:
    """The cells that are not valid, each with its reasons, and warnings of any cell."""
    found = []
    for row in rows:
        reasons = [plain(row["verdict_reasons"])] if row["verdict"] != "valid" else []
        if energies.suspect_energy(row):
            reasons.append(f"energy is {plain(row['energy_verdict'])}: {plain(row['energy_verdict_reasons'])}")
        reasons += [plain(row["warnings"])] if has(row, "warnings") else []
        if text := "; ".join(filter(None, reasons)):
            found.append((row, text))
    return found
