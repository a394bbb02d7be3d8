"""``reproduce``: which cell is meant, whether two results agree, and under which conditions they were had."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest

from orchestrator import app
from orchestrator.agreement import AGREES, DIFFERS, UNDECIDED, agreement
from orchestrator.conditions import conditions
from orchestrator.energy_agreement import energy_agreement
from orchestrator.errors import ConfigError
from orchestrator.measurement import Measurement
from orchestrator.reproduce import report, side_by_side
from orchestrator.result import Result, Sweep
from orchestrator.resume import root_of
from orchestrator.stored_cell import find_cell
from orchestrator.verdict import Verdict
from tests.measurement.records import make_energy_pass, make_failed, make_measurement, make_result, make_skipped

RUN = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two sweeps: one of a cell, then one of a done, a failed and a skipped cell, of which the first was delivered."""
    for name, started in (("a", 1.0), ("b", 2.0)):
        at = tmp_path / "multirun" / "day" / name
        Sweep(f"s-{name}", at, started, status="finished").write()
        make_result(at, 0, 40.0, sweep_id=f"s-{name}")
    make_failed(at, 1, sweep_id="s-b")
    make_skipped(at, 2, "no float source", sweep_id="s-b")
    (at / "0" / "delivered.json").write_text(json.dumps({"uri": "x", "run_id": RUN}))
    for folder in (at / "2", at):  # a skipped cell is listed on the run of its sweep
        (folder / "delivered.json").write_text(json.dumps({"uri": "x", "run_id": RUN[::-1]}))
    return tmp_path


def test_a_cell_by_any_of_its_names(root: Path) -> None:
    folder = root / "multirun" / "day" / "b" / "0"
    for name in ("s-b:0", "last:0", str(folder), "multirun/day/b/0", "b:0", RUN, RUN[:8]):
        cell = find_cell(root, name)
        assert (cell.folder, cell.run_id, cell.name) == (folder, RUN, "s-b:0"), name
    for name in ("s-a", "a", "s-a:0"):
        assert find_cell(root, name).name == "s-a:0"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("s-b:9", r"has no cell 9 \(which one: s-b:0 pi4/mobilenetv2/none"),
        ("last", r"has 3 cells \(which one: s-b:0"),
        ("s-b:1", "no result to compare with: failed: ConnectionFailed"),
        ("s-b:2", "no result to compare with: skipped: no float source"),
        (RUN[::-1], "is that of a whole sweep"),
        ("f" * 32, "no stored cell under .* is called"),
        ("nothing", "no stored cell under .* is called"),
        ("nothing:0", "there is no sweep 'nothing'"),
    ],
)
def test_no_such_cell(root: Path, name: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        find_cell(root, name)


def test_refused_before_anything_runs(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, says in (
        (["s-b:0", "threads=2"], "would change what is measured"),
        (["s-b:0"], "is no configuration of a cell"),  # a stored file of four words
        (["s-b:1", f"root={root}"], "no result to compare with"),
        (["s-b:0", "root="], "root= names no folder"),
        (["device.hosts=[a]"], "which stored cell?"),
    ):
        given = [*words, *([] if any(w.startswith("root") for w in words) else [f"root={root}"])]
        assert app.run(["reproduce", *given]) == 1
        assert says in capsys.readouterr().err
    assert root_of([], root) == root_of([f"root='{root}'"], Path("/elsewhere")) == root


def of(medians_ms: list[float], verdict: str = "valid") -> Measurement:
    return dataclasses.replace(
        make_measurement(), process_medians_ms=tuple(medians_ms), verdict=Verdict(verdict, ("it was hot",))
    )


def test_whether_two_results_agree() -> None:
    stored = of([10.0, 10.1, 9.9, 10.05, 9.95])
    same = agreement(stored, of([10.1, 9.9, 10.0, 9.97, 10.02]))
    assert same.outcome == AGREES and "95 % interval -" in same.why and same.ratio == pytest.approx(1, abs=0.01)
    slower = agreement(stored, of([11.2, 11.3, 11.1, 11.25, 11.15]))
    assert slower.outcome == DIFFERS and slower.why.startswith("+12.0 % (95 % interval +")
    assert agreement(of([11.2, 11.3, 11.1]), stored).why.startswith("-10.7 %")
    coarse = agreement(stored, of([8.0, 12.0, 10.0]))
    assert coarse.outcome == UNDECIDED and "does not rule out a difference of 10 %" in coarse.why
    assert agreement(stored, of([10.0])).outcome == UNDECIDED
    hot = agreement(stored, of([10.0, 10.0, 10.0], "invalid"))
    assert (hot.outcome, hot.why) == (UNDECIDED, "the new result is invalid: it was hot")


@pytest.mark.parametrize(
    ("change", "spread", "outcome"),
    [
        (0.05, 0.017, DIFFERS),  # +2.4 to +7.6 %: too little for a whole report, enough for a single question
        (-0.05, 0.017, DIFFERS),
        (0.02, 0.025, AGREES),  # -1.7 to +5.8 %
        (0.011, 0.003, AGREES),  # +0.6 to +1.5 %: a change, and too small to count
        (0.016, 0.007, UNDECIDED),  # +0.6 to +2.6 %
        (0.04, 0.05, UNDECIDED),  # -3.4 to +12.0 %
    ],
)
def test_no_change_is_agreed_on_only_where_the_interval_holds_it(change: float, spread: float, outcome: str) -> None:
    places = (-1.26, -0.63, 0, 0.63, 1.26)  # of one standard deviation
    then, now = ([ms * (1 + spread * z) for z in places] for ms in (10.0, 10.0 * (1 + change)))
    found = agreement(of(then), of(now))
    assert found.low is not None and found.high is not None
    assert found.outcome == outcome, found
    assert outcome != AGREES or found.low <= 1 <= found.high or 0.98 <= found.low < found.high <= 1.02
    assert outcome != DIFFERS or not found.low <= 1 <= found.high


def test_which_conditions_differ(tmp_path: Path) -> None:
    then = make_result(tmp_path, 0, write=False)
    m = then.measurement
    assert m is not None
    tags = {**m.tags, "board.kernel": "9.9", "state.tuned": "performance"}
    metrics = {**m.metrics, "state/temperature_start_c": m.metrics["state/temperature_start_c"] + 9}
    metrics["state/cpu_mean_mhz"] *= 1.01
    now = dataclasses.replace(then, board="pi4-02", measurement=dataclasses.replace(m, tags=tags, metrics=metrics))
    found = {one.name: one for one in conditions(then, now, ({"orchestrator": "0.1.0"}, {"orchestrator": "0.2.0"}))}
    differing = {name for name, one in found.items() if one.differs}
    assert differing == {"board", "kernel", "state.tuned", "temperature at the start", "orchestrator"}
    assert (found["state.tuned"].then, found["state.tuned"].now) == (None, "performance")
    assert {"artifact", "runtime version", "NumPy", "Python", "OS", "governor", "mean clock", "verdict"} <= found.keys()
    texts = [
        "".join(p if isinstance(p, str) else p[0] for p in line)
        for line in side_by_side(then, now, list(found.values()))
    ]
    marked = [number for number, text in enumerate(texts) if text.startswith("*")]
    assert marked == list(range(3, 3 + len(differing))) and len(texts) == 3 + len(differing) + 1
    assert texts[-1].startswith("the same  ") and texts[-1].count(", ") == len(found) - len(differing) - 1


def metered(at: Path, mj: float | None, r: float = 3.0, board: str = "pi4", **tags: str) -> Result:
    """A result with energy, ``r`` its repeatability in mJ; None: its meter did not answer."""
    m = make_measurement(energy=make_energy_pass())
    energy = {"per_inference_mj": mj, "uncertainty_mj": 12.0, "repeatability_mj": r}
    metrics = {k: v for k, v in m.metrics.items() if mj is not None or not k.startswith("energy/")}
    if mj is not None:
        metrics |= {f"energy/{name}": value for name, value in energy.items() if value is not None}
    now = dataclasses.replace(
        m,
        metrics=metrics,
        tags={**m.tags, **{f"energy.{name}": text for name, text in tags.items()}},
        missing={"energy/per_inference_mj": "the plug fell silent"} if mj is None else m.missing,
    )
    return dataclasses.replace(make_result(at, 0, write=False), board=board, measurement=now)


@pytest.mark.parametrize(
    ("changed", "outcome", "says"),
    [
        ({"mj": 254.0}, AGREES, "+1.6 % (about 95 %: -0.1 % to +3.3 %)"),
        ({"mj": 280.0}, DIFFERS, "+12.0 % (about 95 %: +"),
        ({"mj": 250.0, "r": 40.0}, UNDECIDED, "a difference of 10 % is not ruled out"),
        ({"mj": 262.0, "board": "pi4-02"}, UNDECIDED, "another sensor: the whole uncertainty of both counts"),
        ({"mj": 500.0, "scope": "wall_ac"}, UNDECIDED, "not comparable: other scope"),
        ({"mj": 500.0, "source": "shelly:http://plug"}, UNDECIDED, "not comparable: other reader"),
        ({"mj": None}, UNDECIDED, "the new result has none: the plug fell silent"),
    ],
)
def test_whether_two_energies_agree(tmp_path: Path, changed: dict[str, Any], outcome: str, says: str) -> None:
    found = energy_agreement(metered(tmp_path, 250.0), metered(tmp_path, **changed))
    assert found is not None and found.outcome == outcome and says in found.why
    assert (found.ratio is None) == ("not comparable" in says or changed["mj"] is None)
    assert energy_agreement(metered(tmp_path, None), metered(tmp_path, None)) is None


def test_energy_and_its_meter_are_told(root: Path) -> None:
    stored = dataclasses.replace(find_cell(root, "s-a"), result=metered(root, 250.0))
    now = metered(root, 280.0, scope="wall_ac", source="shelly:http://plug")
    beside = conditions(stored.result, now, ({}, {}))
    assert {one.name for one in beside if one.differs} == {"energy source", "energy scope"}
    latency = agreement(of([10.0, 10.1, 9.9]), of([10.0, 10.1, 9.9]))
    told = report(stored, stored.sweep, now, latency, beside, [])
    assert told["outcome"] == AGREES and told["energy"]["outcome"] == UNDECIDED
    assert (told["then"]["energy_mj"], told["now"]["energy_mj"]) == (250.0, 280.0)
    lines = side_by_side(stored.result, now, beside)
    (row,) = [
        text
        for line in lines
        if " energy " in (text := "".join(p if isinstance(p, str) else p[0] for p in line)) and "±" in text
    ]
    assert re.search(r"250 ±12 mJ +280 ±12 mJ", row)
