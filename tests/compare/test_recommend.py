"""What is recommended, and in which words: measured facts, ties as ties, and never what is not known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from orchestrator.compare import compare
from orchestrator.compare.recommend import FASTEST, NO_LOSS, NO_WORSE, WITHIN, advice
from orchestrator.gates import BROKEN, UNCERTAIN, UNKNOWN, Gates
from orchestrator.report.choices import choices, recommended
from tests.compare.rows import random, row
from tests.measurement.records import make_result, make_sweep


def said(rows: list[dict[str, Any]], gates: Gates | None = None) -> list[str]:
    comparison: Any = SimpleNamespace(gates={"s": gates or Gates()}, baselines={"s": "none"})
    return [str(choice) for choice in choices(comparison, rows)]


def best(rows: list[dict[str, Any]], gates: Gates | None = None) -> tuple[str, str]:
    (one,) = advice(rows, {"s": gates or Gates()})
    return (one.best["optimization"] if one.best is not None else "", one.rule)


def test_the_fastest_within_the_limits_and_what_others_are_better_in() -> None:
    rows = [
        row("none", 10.0, 0.0),
        row("int8", 4.0, 0.012, size_bytes=30_000.0),
        row("pruned", 2.0, 0.3, gate=BROKEN, gate_why="drop 30 points > 2 allowed"),
        row("clustered", 9.0, 0.010, size_bytes=10_000.0),
    ]
    gates = Gates(max_drop=0.02)
    assert best(rows, gates) == ("int8", WITHIN)
    (text,) = said(rows, gates)
    assert text.startswith(
        "pi4, digits: take int8 on litert, the fastest within the limits: 4.00 ms, 2.50× faster than none "
        "(95 %: 2.48 to 2.52), top-1 93.8 %, 1.2 points of top-1 lost (95 %: 0.8 to 1.6), 30 kB."
    )
    assert "The most accurate is none on litert: 95.0 %, 10.0 ms." in text
    assert "The smallest is clustered on litert: 10 kB, 9.00 ms." in text
    assert text.endswith("Not considered: 1 of 4 cells break a limit.")


def test_without_a_limit_nothing_is_taken_that_was_found_to_lose_something() -> None:
    """Nobody said how much may be lost, so what is faster at a price is told with its price."""
    rows = [row("none", 10.0, 0.0), row("float16", 8.0, 0.002), row("int8", 4.0, 0.012)]
    assert best(rows) == ("float16", NO_LOSS)
    (text,) = said(rows)
    assert "take float16 on litert, the fastest of those that were not found to answer worse than float" in text
    assert "0.2 points of top-1 lost (95 %: -0.2 to 0.6)" in text
    assert "Faster, and worse: int8 on litert (4.00 ms, 1.2 points of top-1 lost (95 %: 0.8 to 1.6))." in text


def test_random_weights_have_a_fastest_and_no_best() -> None:
    rows = [random("none", 10.0, None), random("int8", 4.0, 15.0), random("float16", 8.0, 60.0)]
    assert best(rows) == ("int8", FASTEST)
    (text,) = said(rows)
    assert "int8 on litert is the fastest: 4.00 ms" in text and "take" not in text and "accurate" not in text
    assert "SQNR 15.0 dB" in text and "How often it is right is not known: its weights are random." in text
    assert best(rows, Gates(latency_ms=100)) == ("int8", FASTEST)
    assert "is the fastest within the limits: " in said(rows, Gates(latency_ms=100))[0]
    rows[1] |= {"gate": BROKEN, "gate_why": "SQNR 15 dB < 20 asked for"}
    assert best(rows, Gates(min_sqnr_db=20)) == ("float16", WITHIN)


def test_nothing_is_recommended_where_nothing_keeps_the_limits_or_it_is_not_known() -> None:
    rows = [row(name, 1.0, gate=UNKNOWN, gate_why="energy is not known: no sensor") for name in ("none", "int8")]
    gates = Gates(energy_mj=5)
    assert said(rows, gates) == [
        "pi4, digits: nothing is recommended: of no cell is it known whether it keeps the limits (energy ≤ 5 mJ)."
    ]
    rows[0] |= {"gate": BROKEN}
    assert said(rows, gates) == ["pi4, digits: nothing is recommended: no cell keeps the limits (energy ≤ 5 mJ)."]


def test_what_cannot_be_told_apart_is_a_tie_and_a_valid_one_goes_before_a_suspect_one() -> None:
    doubt = {"verdict": "suspect", "verdict_reasons": "it drifted"}
    rows = [row("none", 10.0, 0.0), row("a", 4.0, 0.001, **doubt), row("b", 4.05, 0.002, size_bytes=200_000.0)]
    rows[2] |= {"energy_mj": 3.0}  # which counts for nothing: the others have none
    (one,) = advice(rows, {})
    assert one.best is not None and one.best["optimization"] == "a", "b is larger in the same time, so on no front"
    rows[1]["size_bytes"] = 300_000.0
    rows[2]["size_bytes"] = 299_999.0
    assert best(rows) == ("b", NO_LOSS)
    rows = [row("none", 10.0, 0.0), row("a", 4.0, 0.006, half=0.001), row("b", 4.05, 0.0, size_bytes=200_000.0)]
    (text,) = said(rows, Gates(max_drop=0.5))
    assert "take b on litert" in text and "As fast, as far as was measured: a on litert." in text


def test_a_cell_that_is_too_uncertain_to_be_slower_is_not_taken_for_it() -> None:
    """Its interval reaches down to the fastest one, and it is the smallest."""
    vague = row("vague", 9.0, 0.0, latency_low_ms=1.0, latency_high_ms=80.0, size_bytes=1_000.0)
    rows = [row("none", 10.0, 0.0), row("sharp", 4.0, 0.0), vague]
    assert best(rows) == ("sharp", NO_LOSS)
    assert "As fast, as far as was measured: vague on litert." in said(rows)[0]


def test_doubts_are_named() -> None:
    doubt = {"verdict": "suspect", "verdict_reasons": "it drifted; it is hot; so am I", "gate": UNCERTAIN}
    uncertain = "drop up to 1.1 points > 1 allowed: not certain"
    metered = {"energy_mj": 3.0, "energy_uncertainty_mj": 0.1, "energy_verdict": "suspect"}
    metered["energy_verdict_reasons"] = "idle drifted"
    rows = [row("none", 10.0, 0.0, **metered), row("int8", 4.0, 0.007, **doubt, **metered, gate_why=uncertain)]
    (text,) = said(rows, Gates(max_drop=0.01))
    assert "Its latency is suspect: it drifted, and 2 more." in text and f"But {uncertain}." in text
    assert "3.00 ±0.10 mJ (soc)" in text and "Its energy is suspect: idle drifted." in text


def test_invalid_is_never_recommended_and_one_cell_is_no_choice() -> None:
    assert said([row("none", 10.0, 0.0), row("int8", 0.5, 0.0, verdict="invalid")]) == []
    rows = [row("none", 10.0, 0.0), row("float16", 9.0, 0.0), row("int8", 0.5, 0.0, verdict="invalid")]
    assert best(rows) == ("float16", NO_LOSS)


def test_energy_counts_where_all_have_it_in_one_scope() -> None:
    def metered(name: str, ms: float, mj: float, scope: str = "soc") -> dict[str, Any]:
        return row(name, ms, 0.0, energy_mj=mj, energy_uncertainty_mj=0.1, energy_scope=scope)

    (text,) = said([metered("none", 10.0, 3.0), metered("int8", 4.0, 5.0)])
    assert "5.00 ±0.10 mJ (soc)" in text and "The least energy takes none on litert: 3.00 mJ, 10.0 ms." in text
    (text,) = said([metered("none", 10.0, 3.0, "wall_ac"), metered("int8", 4.0, 5.0)])
    assert "mJ" not in text


def test_models_are_held_against_each_other_only_by_the_same_data() -> None:
    small, large = row("none", 2.0, 0.0, model="small"), row("none", 10.0, 0.0, model="large")
    small |= {"quality_top1": 0.80, "quality_top1_low": 0.78, "quality_top1_high": 0.82}
    (one,) = advice([small, large], {})
    assert one.model == "" and one.rule == NO_WORSE and one.best is large
    assert one.faster == (small,), "its own float model is as bad, which says nothing against the other"
    (text,) = said([small, large])
    assert text.startswith("pi4: take large/none on litert, the fastest of those that were not found to answer worse")
    both = [*([small, {**small, "optimization": "int8"}]), large, {**large, "optimization": "int8"}]
    both[0] |= {"quality_source": "others"}
    both[1] |= {"quality_source": "others"}
    assert [one.model for one in advice(both, {})] == ["small", "large"]


def test_widths_of_a_model_are_models_too() -> None:
    """A narrow model that lost nothing against its own float model may still be worse than the wide one."""
    narrow = row("none", 4.0, 0.0, width="0.35", quality_top1=0.7, quality_top1_low=0.68, quality_top1_high=0.72)
    rows = [row("none", 10.0, 0.0, width="1"), narrow]
    (one,) = advice(rows, {})
    assert one.best is rows[0] and one.faster == (narrow,)
    assert "none on litert (width 1)" in said(rows)[0]


def test_what_differs_is_named() -> None:
    rows = [row("int8", 4.0, 0.0, threads="4"), row("int8", 9.0, 0.0), row("none", 20.0, 0.0)]
    assert "take int8 on litert (threads 4)," in said(rows)[0]
    rows = [row("int8", 4.0, 0.0, runtime_name="onnxruntime", runtime_asked="onnxruntime"), row("int8", 9.0, 0.0)]
    assert "take int8 on onnxruntime, the" in said(rows)[0]


def test_no_difference_is_said_as_such() -> None:
    alike = {"change_significant": False, "change_low": 0.99, "change_high": 1.012}
    same = row("float16", 9.99, 0.0, size_bytes=50_000.0, **alike, change_outcome="same")
    assert "as fast as none within 1.2 %" in said([row("none", 10.0, 0.0), same])[0]
    open_ = {**same, "change_outcome": "undecided"}
    assert "up to 1.2 % from none: not decided" in said([row("none", 10.0, 0.0), open_])[0]


def test_an_area_under_a_curve_is_called_so() -> None:
    ad = {"quality_top1": None, "quality_auc": 0.91, "quality_task": "reconstruction"}
    rows = [row("none", 10.0, 0.0, **ad), row("int8", 4.0, 0.012, **ad)]
    (text,) = said(rows, Gates(max_drop=0.05))
    assert "AUC 0.910, 1.2 points of AUC lost" in text and "The most accurate is none on litert: 0.910" in text


def test_a_sweep_keeps_what_it_recommends_and_older_ones_have_no_limits(tmp_path: Path) -> None:
    sweep = replace(make_sweep(tmp_path), gates={"latency_ms": 30.0})
    made = compare(sweep, [make_result(tmp_path, 0), make_result(tmp_path, 1, 19.0, optimization="int8")])
    (about,) = recommended(made)
    assert about == "pi4, mobilenetv2" and "int8 on litert is the fastest within the limits" in recommended(made)[about]
    assert list(made.frame["gate"]) == ["broken", "kept"] and list(made.frame["front"]) == [False, True]
    stored = sweep.to_json()
    for name in ("gates", "recommended"):
        del stored[name]
    assert type(sweep).from_json(stored, tmp_path).gates == {} == type(sweep).from_json(stored, tmp_path).recommended


def test_one_name_may_be_of_several_models() -> None:
    """A factory with other arguments: what each lost against its own float model says nothing about which is better."""
    wide = row("none", 10.0, 0.0, quality_evaluation="a", quality_data="d")
    thin = row("none", 2.0, 0.0, quality_evaluation="b", quality_data="d")
    thin |= {"quality_top1": 0.40, "quality_top1_low": 0.38, "quality_top1_high": 0.42}
    (one,) = advice([wide, thin], {})
    assert one.best is wide and one.faster == (thin,)


def test_data_are_the_same_however_they_were_prepared() -> None:
    small, large = row("none", 2.0, 0.0, model="small"), row("none", 10.0, 0.0, model="large")
    small |= {"quality_source": "x, tf", "quality_evaluation": "a", "quality_data": "d"}
    large |= {"quality_source": "x, caffe", "quality_evaluation": "b", "quality_data": "d"}
    small |= {"quality_top1": 0.80, "quality_top1_low": 0.78, "quality_top1_high": 0.82}
    assert advice([small, large], {})[0].rule == NO_WORSE
    large |= {"quality_source": "x, tf", "quality_data": "other data of the same words"}
    assert advice([small, large], {}) == []


def test_between_models_the_price_is_the_accuracy_itself() -> None:
    small, large = row("none", 2.0, 0.0, model="small"), row("none", 10.0, 0.0, model="large")
    small |= {"quality_top1": 0.80, "quality_top1_low": 0.78, "quality_top1_high": 0.82}
    small |= {f"quality_drop{end}": float("nan") for end in ("", "_low", "_high")}
    assert "Faster, and worse: small/none on litert (2.00 ms, top-1 80.0 %)." in said([small, large])[0]
