"""More processes for cells whose difference from their baseline is undecided, and for that baseline."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.fleet.kin import is_baseline, kin_of
from orchestrator.fleet.more import through, undecided
from orchestrator.fleet.plan import Plan
from orchestrator.fleet.rota import Underway
from orchestrator.session import Part
from tests.fleet import test_scheduling as model
from tests.fleet.test_pool import cell, entries
from tests.fleet.test_rota import outcome

NOISE = (0.97, 1.04, 1.0, 0.99, 1.03)
"""Of the medians of a cell's processes, as on a shared virtual machine."""


def matrix(folder: Path, extra: int = 4) -> Plan:
    """A baseline and four others, five processes each."""
    made = []
    for number, name in enumerate(("none", "float16", "dynamic_range", "int8", "int16x8")):
        one = cell(number, "a", machine="controller", quantization=name, interleave=8)  # built before it begins
        scenario = replace(one.settings.scenario, processes=5, extra_processes=extra)
        settings = replace(one.settings, seed=0, scenario=scenario, baseline="none")
        made.append(replace(one, settings=settings, directory=folder / str(number)))
    return Plan(tuple(entries(*made)), {})


def measured(number: int, process: int) -> float:
    """ms: the first candidate is the same to 0.1 %, the second maybe 6 % slower, the others twice as fast."""
    noise = NOISE[(process + number) % len(NOISE)]
    return {0: 41.0 * noise, 1: 41.0 * 1.001 * noise, 2: 41.0 * 1.06 * noise}.get(number, 20.5 * noise)


def under_way(plan: Plan, done: int = 5) -> list[Underway]:
    cells = [Underway(entry) for entry in plan.entries]
    for one in cells:
        for process in range(1, done + 1):
            one.add(outcome(process, median_ms=measured(one.entry.cell.number, process)))
    return cells


def test_only_what_seems_to_differ_without_proof_runs_on_with_its_baseline(tmp_path: Path) -> None:
    cells = under_way(matrix(tmp_path))
    assert through(cells) == [], "they wait to be asked"
    assert [one.entry.cell.number for one in undecided(cells)] == [0, 2]
    over = through(cells)
    assert [one.entry.cell.number for one in over] == [1, 3, 4]
    assert [(one.extra, one.wanted) for one in cells] == [(4, 9), (0, 5), (4, 9), (0, 5), (0, 5)]
    for one in (cells[0], cells[2]):
        for process in range(6, 10):
            one.add(outcome(process, median_ms=measured(one.entry.cell.number, process)))
    assert undecided([cells[0], cells[2]]) == [], "it is asked once"
    assert through([cells[0], cells[2]]) == [cells[0], cells[2]]


def test_nobody_waits_where_nothing_can_be_asked(tmp_path: Path) -> None:
    cells = under_way(matrix(tmp_path))
    assert through(cells[1:]) == cells[1:], "the baseline is not on the board"
    assert through(under_way(matrix(tmp_path), done=4)) == undecided(under_way(matrix(tmp_path), done=4)) == []
    half = [*under_way(matrix(tmp_path))[:1], *under_way(matrix(tmp_path), done=4)[1:]]
    assert through(half) == [], "the baseline waits for the others"
    first = under_way(matrix(tmp_path, extra=0))
    assert through([first[0], *under_way(matrix(tmp_path, extra=0), done=4)[1:]]) == first[:1]


def test_cells_with_other_overrides_are_no_kin(tmp_path: Path) -> None:
    entry = matrix(tmp_path).entries[0]
    other = replace(entry, cell=replace(entry.cell, extras=("scenario.window_s=9",)))
    assert is_baseline(entry) and kin_of(entry) == kin_of(matrix(tmp_path).entries[1]) != kin_of(other)


def test_the_added_processes_are_in_the_record_and_energy_is_measured_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions, lasts = model.session_class(model.World(0, reliable=True), set()), []

    def run(session: Any, of: Any, artifact: object, part: Part, say: object) -> Any:
        if part.last:
            lasts.append((of.number, part.first + part.processes - 1))
        energy = {"sensors": [], "pass": None, "reason": "measured" if part.last else "not asked for"}
        made = outcome(part.first, part.processes, energy=energy, run_id=part.run_id)
        for process in made.record["processes"]:
            scale = measured(of.number, process["number"]) / 41.0
            process["invoke_ns"] = [int(ns * scale) for ns in process["invoke_ns"]]
        return made

    sessions.run = run  # type: ignore[attr-defined]
    monkeypatch.setattr(model, "session_class", lambda *_: sessions)
    monkeypatch.setattr(model.ModelBuilder, "cached", lambda _, recipe: model.artifact(recipe))
    monkeypatch.setattr(model.World, "passes", lambda _: None)
    results = model.run(model.World(0, reliable=True), matrix(tmp_path), tmp_path, monkeypatch, away=set(), stop_s=None)
    assert {r.status for r in results} == {"done"}, [r.why for r in results]
    records = {r.number: json.loads((tmp_path / str(r.number) / "record.json").read_text()) for r in results}
    assert {n: [p["number"] for p in record["processes"]] for n, record in records.items()} == {
        n: list(range(1, (9 if n in (0, 2) else 5) + 1)) for n in range(5)
    }
    assert {record["energy"]["reason"] for record in records.values()} == {"measured"}
    assert sorted(lasts) == [(n, 5) for n in range(5)]
