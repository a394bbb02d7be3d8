"""Cells side by side: one table row each, and how it compares with its baseline."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.cell import AXES
from orchestrator.compare.baseline import Baseline, asked
from orchestrator.compare.changes import changes
from orchestrator.compare.energy import battery_columns, energy_change
from orchestrator.compare.filters import Filter, admitted
from orchestrator.compare.front import candidates, front
from orchestrator.compare.rows import COLUMNS, NUMBERS, TRUTHS, WHOLE, row_of
from orchestrator.compare.slimming import no_faster, unslimmed
from orchestrator.energy.battery import Battery
from orchestrator.errors import ConfigError
from orchestrator.gates import Gates
from orchestrator.result import DONE, FAILED, INTERRUPTED, NOT_RUN, SKIPPED, Result, Sweep, find_sweep, load_sweep
from orchestrator.words import is_number

if TYPE_CHECKING:
    import pandas as pd

ORDER = {DONE: 0, FAILED: 1, INTERRUPTED: 2, NOT_RUN: 3, SKIPPED: 4}


@dataclass(frozen=True, slots=True)
class Comparison:
    """``frame`` has the columns COLUMNS, cells with numbers first, then failed, interrupted and skipped ones.

    ``results`` are those of the rows, in their order. ``notes`` are what somebody should know about the whole.
    ``gates`` are what cells have to keep to be recommended, of each sweep, by its id.
    """

    sweeps: tuple[Sweep, ...]
    baselines: Mapping[str, Baseline]  # of each sweep, by its id
    frame: pd.DataFrame
    results: tuple[Result, ...]
    notes: tuple[str, ...] = ()
    gates: Mapping[str, Gates] = field(default_factory=dict)

    @property
    def done(self) -> pd.DataFrame:
        return self.frame[self.frame["status"] == DONE]

    @property
    def others(self) -> pd.DataFrame:
        """Cells without a number, each with its reason."""
        return self.frame[self.frame["status"] != DONE]

    @property
    def baseline(self) -> str:
        """What the others are compared with, in words; several where sweeps brought their own."""
        return ", ".join(dict.fromkeys(str(baseline) for baseline in self.baselines.values()))

    @property
    def baseline_axis(self) -> str:
        return _axis(self.baselines)

    @property
    def title(self) -> str:
        names = ", ".join(sweep.id for sweep in self.sweeps)
        return f"Sweep {names}" if len(self.sweeps) == 1 else f"Sweeps {names}"

    def only(self, filters: Sequence[Filter]) -> Comparison:
        """The rows that all filters admit; each keeps the change against its baseline, which may not be among them.

        The Pareto front is that of the rows that are left. Raises ConfigError where none is.
        """
        if not filters:
            return self
        kept = admitted([{str(k): v for k, v in row.items()} for row in self.frame.to_dict(orient="records")], filters)
        note = f"Only cells with {' '.join(map(str, filters))}: {len(kept)} of {len(self.frame)}."
        keys = [self.baselines[r.sweep_id].others(r) for r in self.results]
        compared = {keys[i] for i in kept if self.frame["change_ratio"].notna().iat[i]}
        if compared - {keys[i] for i in kept if self.frame["is_baseline"].iat[i]}:
            note += " Baselines that are not among them still count."
        frame = _with_fronts(self.frame.iloc[kept].reset_index(drop=True))
        results = tuple(self.results[i] for i in kept)
        return replace(self, frame=frame, results=results, notes=(*self.notes, note))


def compare(sweep: Sweep, results: Sequence[Result], baseline: str | None = None) -> Comparison:
    """The cells of one sweep side by side; ``baseline`` (see Baseline.parse) is what to compare with, None the sweep's.

    Raises ConfigError for a baseline that is none. One that no cell has is a note of the comparison.
    """
    return _comparison((sweep,), results, None if baseline is None else Baseline.parse(baseline))


def compare_sweeps(
    root: Path,
    names: Sequence[str],
    baseline: str | None = None,
    filters: Sequence[Filter] = (),
    battery: str | None = None,
    gates: Gates | None = None,
) -> Comparison:
    """Stored sweeps, called by id, path or ``last`` (also where none is named); ``baseline`` as in ``compare``.

    The baseline ``sweep:ID`` adds that sweep. ``battery`` is as in Battery.parse, None each sweep's own, if any;
    ``gates`` are limits that count instead of the sweeps' own.
    Raises ConfigError for a sweep that is not there, for what is no battery, and for a baseline or a filter that no
    cell has, MeasurementError for a sweep that cannot be read.
    """
    chosen = None if baseline is None else Baseline.parse(baseline)
    power = None if battery is None else Battery.parse(battery)
    directories = [find_sweep(root, name) for name in names or ("last",)]
    if chosen is not None and chosen.axis == "sweep":
        directories.insert(0, find_sweep(root, chosen.value))
    loaded = [load_sweep(directory) for directory in dict.fromkeys(directories)]
    if chosen is not None and chosen.axis == "sweep":
        chosen = replace(chosen, value=loaded[0][0].id)
    results = [result for _, some in loaded for result in some]
    if not results:
        raise ConfigError(
            f"no cell of {', '.join(names or ('last',))} has a result yet", hint="let the sweep go on first"
        )
    if chosen is not None:
        _require(chosen, results)
    return _comparison(tuple(sweep for sweep, _ in loaded), results, chosen, power, gates).only(filters)


def _require(baseline: Baseline, results: Sequence[Result]) -> None:
    there = list(dict.fromkeys(baseline.of(result) for result in results))
    if baseline.value not in there:
        raise ConfigError(f"no cell has the baseline {baseline}", hint=f"{baseline.axis} is {', '.join(there)}")


def _comparison(
    sweeps: tuple[Sweep, ...],
    results: Sequence[Result],
    baseline: Baseline | None,
    battery: Battery | None = None,
    gates: Gates | None = None,
) -> Comparison:
    import pandas as pd  # half a second, which planning and measuring need not wait for

    chosen = {sweep.id: baseline or Baseline.parse(sweep.baseline) for sweep in sweeps}
    for stranger in {result.sweep_id for result in results} - set(chosen):  # a cell that was copied into a sweep
        chosen[stranger] = baseline or Baseline.parse(sweeps[0].baseline)
    chosen = {sweep: _freed(one, [r for r in results if r.sweep_id == sweep]) for sweep, one in chosen.items()}
    ranked = sorted(results, key=_order(sweeps, results, chosen))
    beside = [chosen[result.sweep_id].others(result) for result in ranked]
    bases: dict[tuple[str, ...], Result] = {}
    for key, result in zip(beside, ranked, strict=True):
        if chosen[result.sweep_id].is_in(result) and (result.status == DONE or key not in bases):
            bases[key] = result
    count = Counter(beside)
    changed = changes([(r, bases.get(key), chosen[r.sweep_id]) for key, r in zip(beside, ranked, strict=True)])
    groups = {key: [r for k, r in zip(beside, ranked, strict=True) if k == key] for key in bases}
    fat = [unslimmed(r, groups.get(key, ())) or bases.get(key) for key, r in zip(beside, ranked, strict=True)]
    slimmed = changes([(r, other, chosen[r.sweep_id]) for r, other in zip(ranked, fat, strict=True)])
    cells = {sweep.id: battery or (Battery.parse(sweep.battery) if sweep.battery else None) for sweep in sweeps}
    default = gates or Gates()
    limits = {sweep.id: Gates.from_json(sweep.gates).changed(**default.to_json()) for sweep in sweeps}
    limits |= {stranger: limits[sweeps[0].id] for stranger in chosen if stranger not in limits}
    rows = [
        row_of(result, bases.get(key), change, alone=count[key] == 1)
        | {"slimming_note": no_faster(result, other, against)}
        | (energy_change(result, bases.get(key), chosen[result.sweep_id]) if count[key] > 1 else {})
        | _gate_columns(result, limits[result.sweep_id])
        | (battery_columns(result.measurement, cells.get(result.sweep_id)) if result.measurement else {})
        for key, result, change, other, against in zip(beside, ranked, changed, fat, slimmed, strict=True)
    ]
    frame = _with_fronts(_typed(pd.DataFrame(rows, columns=list(COLUMNS))))
    return Comparison(sweeps, chosen, frame, tuple(ranked), tuple(_missing(chosen, results)), limits)


def _gate_columns(result: Result, gates: Gates) -> dict[str, str]:
    """What became of the limits."""
    if result.measurement is None or not gates:
        return {}
    judged = gates.judged(result.measurement.metrics, result.measurement.missing)
    return {"gate": judged.outcome, "gate_why": "; ".join(judged.reasons)}


def _freed(baseline: Baseline, results: Sequence[Result]) -> Baseline:
    """Models are compared at their own input sizes, unless a size was asked for that a model has beside its own."""
    sizes = {(r.axes.get("model"), r.axes.get("input_size")) for r in results}
    own = len(sizes) == len({model for model, _ in sizes})
    return replace(baseline, free=("input_size",)) if baseline.axis == "model" and own else baseline


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    """Floats with NaN, booleans, integers, and text with None."""
    text = [column for column in COLUMNS if column not in (*NUMBERS, *TRUTHS, *WHOLE)]
    types: dict[str, Any] = {**dict.fromkeys(NUMBERS, "float64"), **dict.fromkeys(TRUTHS, "bool")}
    typed = frame.astype({**types, **dict.fromkeys(WHOLE, "int64"), **dict.fromkeys(text, "object")})
    return typed.assign(**{column: typed[column].where(typed[column].notna(), None) for column in text})


def _with_fronts(frame: pd.DataFrame) -> pd.DataFrame:
    """``front``: on the Pareto front of its device; ``front_of_model``: of its device's cells with the same model."""
    rows: list[dict[str, Any]] = [
        {**{str(k): v for k, v in row.items()}, "at": at} for at, row in enumerate(frame.to_dict(orient="records"))
    ]
    on: dict[str, set[int]] = {"front": set(), "front_of_model": set()}
    for group in candidates(rows):
        on["front"].update(row["at"] for row in front(group.allowed, group.measures))
        for model in dict.fromkeys(row["model"] for row in group.allowed):
            own = group.of_model(model)
            on["front_of_model"].update(row["at"] for row in front(own.allowed, own.measures))
    return frame.assign(**{key: [at in places for at in range(len(frame))] for key, places in on.items()})


def _missing(baselines: Mapping[str, Baseline], results: Sequence[Result]) -> list[str]:
    """What to say of baselines that no cell with a number has, where there is something to compare."""
    notes = []
    for sweep, baseline in baselines.items():
        done = [r for r in results if r.status == DONE and (r.sweep_id == sweep or baseline.axis == "sweep")]
        there = list(dict.fromkeys(baseline.of(result) for result in done))
        if len(done) > 1 and baseline.value not in there:
            where = f" in {sweep}" if len(baselines) > 1 else ""
            axes = [asked(result) for result in done]
            other = next((f"{axis}:{axes[0].get(axis)}" for axis in AXES if len({a.get(axis) for a in axes}) > 1), "")
            tip = f" Another can be chosen: compare --baseline {other}" if other else ""
            notes.append(f"No cell{where} has the baseline {baseline} and a result.{tip}")
    return list(dict.fromkeys(notes))


def _axis(baselines: Mapping[str, Baseline]) -> str:
    axes = {baseline.axis for baseline in baselines.values()}
    return axes.pop() if len(axes) == 1 else "optimization"


def _order(
    sweeps: tuple[Sweep, ...], results: Sequence[Result], baselines: Mapping[str, Baseline]
) -> Callable[[Result], tuple[Any, ...]]:
    """Cells to be compared stand together, the baseline first; words in the order asked for, numbers by size."""
    position = {sweep.id: i for i, sweep in enumerate(sweeps)}
    by_number = sorted(results, key=lambda r: (position.get(r.sweep_id, 0), r.number))
    seen = {axis: {asked(r).get(axis, ""): i for i, r in reversed(list(enumerate(by_number)))} for axis in AXES}
    along = _axis(baselines)

    def place(axis: str, value: str) -> tuple[int, float]:
        return (0, float(value)) if is_number(value) else (1, seen[axis][value])

    def key(result: Result) -> tuple[Any, ...]:
        axes = asked(result)
        shared = [place(axis, axes.get(axis, "")) for axis in AXES if axis != along]
        at = position.get(result.sweep_id, 0)
        other = not baselines[result.sweep_id].is_in(result)
        last = place(along, axes.get(along, "")) if along != "sweep" else (0, at)
        return (ORDER[result.status], shared, 0 if along == "sweep" else at, other, last, result.number)

    return key
