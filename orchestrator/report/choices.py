"""What to take, in words: measured facts with their intervals, and what is not known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.compare.energy import LESS, MORE
from orchestrator.compare.measures import DROP
from orchestrator.compare.recommend import FASTEST, NO_LOSS, NO_WORSE, WITHIN, Advice, advice
from orchestrator.gates import UNCERTAIN
from orchestrator.plain import plain
from orchestrator.report import overrides, qualities
from orchestrator.report.energies import suspect_energy
from orchestrator.report.seen import Comparison
from orchestrator.report.text import Row, has, number
from orchestrator.stats import SAME
from orchestrator.words import counted, megabytes

LISTED = 2
"""Of those that are as fast, or faster and worse."""
AXES = {"threads": "threads ", "input_size": "input ", "width": "width "}
"""What tells cells of one model, optimization and runtime apart, and the word before it."""


HEADS = {
    FASTEST: ("", " is the fastest"),
    WITHIN: ("take ", ", the fastest within the limits"),
    NO_LOSS: ("take ", ", the fastest of those that were not found to answer worse than float"),
    NO_WORSE: ("take ", ", the fastest of those that were not found to answer worse than the best"),
}


@dataclass(frozen=True, slots=True)
class Choice:
    """``about`` is whose cells they are: ``pi4, digits``."""

    about: str
    text: str

    def __str__(self) -> str:
        return f"{self.about}: {self.text}"


def recommended(comparison: Comparison) -> dict[str, str]:
    """What to take, by whose cells they are."""
    records = [{str(key): value for key, value in row.items()} for row in comparison.frame.to_dict(orient="records")]
    rows, _ = overrides.shared(records)
    return {choice.about: choice.text for choice in choices(comparison, rows)}


def choices(comparison: Comparison, rows: Sequence[Row]) -> tuple[Choice, ...]:
    """For each device, and each model that cannot be held against the others."""
    found = advice(rows, comparison.gates)
    baselines = {sweep: plain(str(baseline)) for sweep, baseline in comparison.baselines.items()}
    several = {key: len({getattr(one.group, key) for one in found}) > 1 for key in ("sweep", "batch_size", "mode")}
    return tuple(
        Choice(_about(one, several), " ".join(_sentences(one, baselines.get(one.group.sweep, "the baseline"))))
        for one in found
    )


def _about(one: Advice, several: Mapping[str, bool]) -> str:
    group = one.group
    words = [group.device, *([one.model] if one.model else [])]
    words += [f"batch {group.batch_size}"] if several["batch_size"] else []
    words += [f"mode {group.mode}"] if several["mode"] else []
    return plain(", ".join([*words, *([f"sweep {group.sweep}"] if several["sweep"] else [])]))


def _sentences(one: Advice, baseline: str) -> Iterator[str]:
    best = one.best
    if best is None:
        none = "no cell keeps the limits" if one.broken else "of no cell is it known whether it keeps the limits"
        yield f"nothing is recommended: {none} ({one.gates.words})."
        return
    facts = ", ".join(_facts(best, one, baseline))
    begin, end = HEADS[one.rule]
    within = " within the limits" if one.rule == FASTEST and one.gates else ""
    yield f"{begin}{_name(best, one)}{end}{within}: {facts}."
    if one.unknown:
        yield f"How often it is right is not known: {plain(one.unknown)}."
    yield from _doubts(best)
    yield from _others(one, baseline)
    yield from _refused(one)


def _facts(row: Row, one: Advice, baseline: str) -> Iterator[str]:
    yield f"{_ms(row)}{_speed(row, baseline)}"
    if energy := _energy(row, one, baseline):
        yield energy
    if has(row, "quality_top1"):
        yield f"top-1 {100 * row['quality_top1']:.1f} %"
    if has(row, "quality_auc"):
        yield f"AUC {row['quality_auc']:.3f}"
    if has(row, "quality_drop"):
        yield lost(row)
    elif sqnr := qualities.sqnr(row):
        yield "outputs as the float model's" if sqnr == "exact" else f"SQNR {sqnr} dB"
    yield megabytes(int(row["size_bytes"]))


def _speed(row: Row, baseline: str) -> str:
    """``, 2.17× faster than none (95 %: 2.10 to 2.24)``; nothing where it was compared with nothing."""
    if row["is_baseline"] or not has(row, "change_low"):
        return ""
    low, high = row["change_low"], row["change_high"]
    if not row["change_significant"]:
        possible = 100 * (max(high, 1 / low) - 1)
        percent = f"{possible:.2g} %" if possible < 100 else f"{possible:.0f} %"
        same = row["change_outcome"] == SAME
        return (
            f", as fast as {baseline} within {percent}" if same else f", up to {percent} from {baseline}: not decided"
        )
    faster = row["change_ratio"] < 1
    value, ends = (1 / row["change_ratio"], (1 / high, 1 / low)) if faster else (row["change_ratio"], (low, high))
    word = "faster" if faster else "slower"
    return f", {value:.2f}× {word} than {baseline} (95 %: {ends[0]:.2f} to {ends[1]:.2f})"


def _energy(row: Row, one: Advice, baseline: str) -> str:
    """Against the baseline where it was measured alike, else by itself where all were."""
    if has(row, "energy_change_ratio"):
        ends = f"(95 %: {row['energy_change_low']:.2f} to {row['energy_change_high']:.2f})"
        if row["energy_change_outcome"] in (LESS, MORE):
            return f"{row['energy_change_ratio']:.2f}× the energy of {baseline} {ends}"
        return f"no other energy than {baseline} as far as was measured {ends}"
    if not one.group.energy:
        return ""
    return f"{number(row['energy_mj'])} ±{number(row['energy_uncertainty_mj'], 2)} mJ ({plain(row['energy_scope'])})"


def lost(row: Row) -> str:
    """``0.6 points of top-1 lost (95 %: 0.1 to 1.2)``; whether that is more than chance shows in the interval."""
    value = 100 * row["quality_drop"]
    low, high = (100 * row[k] if has(row, k) else value for k in ("quality_drop_low", "quality_drop_high"))
    sign = -1 if value < 0 else 1
    low, high = sorted((sign * low, sign * high))
    ends = f"(95 %: {low:.1f} to {high:.1f})".replace("-0.0 ", "0.0 ")
    what = qualities.metric(row)
    if abs(value) < 0.05:
        return f"no points of {what} lost {ends}"
    return f"{abs(value):.1f} points of {what} {'lost' if value > 0 else 'won'} {ends}"


def _doubts(best: Row) -> Iterator[str]:
    if best["verdict"] != "valid":
        yield f"Its latency is {plain(best['verdict'])}: {_first(best['verdict_reasons'])}."
    if has(best, "energy_mj") and suspect_energy(best):
        yield f"Its energy is {plain(best['energy_verdict'])}: {_first(best['energy_verdict_reasons'])}."
    if best.get("gate") == UNCERTAIN:
        yield f"But {plain(best['gate_why'])}."


def _first(reasons: object) -> str:
    """All of them stand elsewhere."""
    first, *more = plain(reasons).split("; ")
    return f"{first}, and {len(more)} more" if more else first


def _others(one: Advice, baseline: str) -> Iterator[str]:
    if one.as_fast:
        yield f"As fast, as far as was measured: {_listed([_name(row, one) for row in one.as_fast])}."
    if one.faster:
        told = [f"{_name(r, one)} ({_ms(r)}, {_price(r, one)})" for r in one.faster]
        yield f"Faster, and worse: {_listed(told)}."
    if (row := one.accurate) is not None:
        right = f"{100 * row['quality_top1']:.1f} %" if has(row, "quality_top1") else f"{row['quality_auc']:.3f}"
        yield f"The most accurate is {_name(row, one)}: {right}, {_ms(row)}."
    if (row := one.smallest) is not None:
        yield f"The smallest is {_name(row, one)}: {megabytes(int(row['size_bytes']))}, {_ms(row)}."
    if (row := one.frugal) is not None:
        yield f"The least energy takes {_name(row, one)}: {number(row['energy_mj'])} mJ, {_ms(row)}."


def _price(row: Row, one: Advice) -> str:
    """What is worse about it, in what the cells were held against each other in."""
    return lost(row) if one.group.quality is DROP else f"top-1 {100 * row['quality_top1']:.1f} %"


def _ms(row: Row) -> str:
    return f"{number(row['latency_ms'])} ms"


def _refused(one: Advice) -> Iterator[str]:
    """How many are not considered; each is listed with its reason elsewhere."""
    found = [f"{one.broken} of {counted(len(one.group.rows), 'cell')} break a limit"] if one.broken else []
    found += [f"of {one.unjudged} it is not known"] if one.unjudged else []
    if found:
        yield f"Not considered: {', '.join(found)}."


def _listed(words: Sequence[str]) -> str:
    more = f" and {len(words) - LISTED} more" if len(words) > LISTED else ""
    return ", ".join(words[:LISTED]) + more


def _name(row: Row, one: Advice) -> str:
    """``int8 on litert``, the model before it where there are several; in brackets what else differs among these."""
    rows = one.group.rows
    model = "" if one.model else f"{row['model']}/"
    differing = [key for key in AXES if len({str(other.get(key)) for other in rows}) > 1]
    told = [*(f"{AXES[key]}{row.get(key)}" for key in differing), *_scenario(row, rows)]
    runtime = f" on {row['runtime_name']}" if has(row, "runtime_name") else ""
    return plain(f"{model}{row['optimization']}{runtime}" + (f" ({', '.join(told)})" if told else ""))


def _scenario(row: Row, rows: Sequence[Row]) -> list[str]:
    """Its name and the overrides that are no axis, as far as they are not those of all."""
    every = [overrides.parts(str(other.get("scenario") or "")) for other in rows]
    name, own = overrides.parts(str(row.get("scenario") or ""))
    names = [name] if len({its for its, _ in every}) > 1 else []
    return names + [one for one in own if not all(one in its for _, its in every)]
