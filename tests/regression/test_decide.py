"""What is called a regression, and what is not."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from orchestrator.regression import decision as d
from orchestrator.regression.accepted import Accepted
from orchestrator.regression.decision import Decision
from orchestrator.regression.entry import Entry, Value
from orchestrator.regression.gated import FAILURE
from orchestrator.regression.question import Rerun
from orchestrator.unattended import Gate
from tests.regression.nights import DAY_S, LATENCY, MEMORY, SIZE, TOP1, case, decided, entry, history, judged, noisy

NEW = {"artifact": "a2", "covariates": {"artifact": "a2", "runtime version": "2.1"}}


def again(number: int, now: float, last: float | None, same: bool = False) -> Rerun:
    return Rerun(entry(number, now), None if last is None else entry(number, last), same)


def test_without_three_nights_nobody_can_tell() -> None:
    found = decided(case(history([20.0, 20.1]), entry(2, 30.0)))
    assert found.outcome == d.NO_HISTORY and "2 of at least 3" in found.why


def test_within_the_threshold_or_the_noise_it_is_steady() -> None:
    past = history(noisy(10))
    assert decided(case(past, entry(10, 20.5))).outcome == d.STEADY  # 2.5 %
    wild = history(noisy(10, between=0.04))
    assert decided(case(wild, entry(10, 21.2))).outcome == d.STEADY  # 6 %, and nights differ by 4


def test_what_is_slower_waits_for_a_re_run() -> None:
    made = case(history(noisy(10)), entry(10, 22.0, **NEW))
    found = decided(made)
    assert made.needs_rerun and found.outcome == d.UNCONFIRMED and not found.alarms
    assert found.change == pytest.approx(0.10, abs=0.01)


def test_slower_than_the_last_good_one_beside_it_is_a_regression() -> None:
    found = decided(case(history(noisy(10)), entry(10, 22.0, **NEW), again(10, 22.0, 20.0)))
    assert found.outcome == d.REGRESSION and found.alarms
    assert found.since == "night10" and found.changed == ("artifact a1 -> a2",)
    assert found.low is not None and found.low > 0.07


def test_both_slow_is_the_system() -> None:
    os = {"covariates": {"artifact": "a2", "kernel": "6.7"}, "artifact": "a2"}
    past = history(noisy(10), covariates={"artifact": "a1", "kernel": "6.6"})
    found = decided(case(past, entry(10, 22.0, **os), again(10, 22.0, 22.05)))
    assert found.outcome == d.SYSTEM_CHANGED and "kernel 6.6 -> 6.7" in found.changed


def test_the_same_artifact_and_runtime_slow_again_is_the_system() -> None:
    found = decided(case(history(noisy(10)), entry(10, 22.0), again(10, 22.0, None, same=True)))
    assert found.outcome == d.SYSTEM_CHANGED and "with the last good artifact and runtime" in found.why


def test_slow_again_without_the_last_good_one_is_an_alarm_that_says_so() -> None:
    rerun = replace(again(10, 22.0, None), why="its artifact is not in the cache any more")
    found = decided(case(history(noisy(10)), entry(10, 22.0, **NEW), rerun))
    assert found.outcome == d.SYSTEM_CHANGED and "not in the cache any more" in found.why


def test_a_night_that_is_as_usual_when_run_again_was_the_night_and_no_baseline() -> None:
    past = history(noisy(10))
    odd = case(past, entry(10, 23.0, **NEW), again(10, 20.05, 20.0))
    found = decided(odd)
    assert found.outcome == d.STEADY and found.since is None and "it was the night" in found.why
    assert not judged(odd).is_good(LATENCY)
    assert decided(case([*past, judged(odd)], entry(11, 20.1))).baseline == pytest.approx(20.0, rel=0.005)


def test_a_re_run_that_could_not_be_had_is_no_alarm() -> None:
    found = decided(case(history(noisy(10)), entry(10, 22.0), Rerun(None, why="the board was gone")))
    assert found.outcome == d.UNCONFIRMED and "the board was gone" in found.why
    assert not found.alarms


def test_a_small_change_shows_after_some_nights_and_the_night_is_named() -> None:
    """4.5 % where nights differ by 2 %: one night says nothing, some do."""
    past = history(noisy(14, between=0.018, seed=3))
    for number in range(14, 17):
        tonight = entry(number, 20.0 * 1.045, **NEW)
        made = case(past, tonight)
        if made.needs_rerun:
            break
        past.append(judged(made))
    assert made.needs_rerun and number > 14
    found = decided(case(past, tonight, again(number, 20.9, 20.0)))
    assert found.outcome == d.REGRESSION and found.since == "night14" and found.changed == ("artifact a1 -> a2",)


def alarmed(nights: int = 10) -> tuple[list[Entry], Decision]:
    past = history(noisy(nights))
    made = case(past, entry(nights, 22.0, **NEW), again(nights, 22.0, 20.0))
    return [*past, judged(made)], decided(made)


def test_an_alarm_stays_open_and_is_not_run_again() -> None:
    past, _ = alarmed()
    made = case(past, entry(11, 22.1, **NEW))
    assert not made.needs_rerun and decided(made).outcome == d.OPEN and decided(made).alarms
    assert decided(made).since == "night10" and decided(made).changed == ("artifact a1 -> a2",)
    later = case([*past, judged(made)], entry(12, 22.0, **NEW))
    assert decided(later).outcome == d.OPEN and decided(later).since == "night10"


def test_an_open_one_is_closed_by_values_that_are_back() -> None:
    past, _ = alarmed()
    back = case(past, entry(11, 20.1))
    assert decided(back).outcome == d.CLOSED and not decided(back).alarms
    assert decided(case([*past, judged(back)], entry(12, 20.0))).outcome == d.STEADY


def test_an_open_one_that_gets_worse_again_is_a_new_alarm() -> None:
    past, _ = alarmed()
    past = [*past, judged(case(past, entry(11, 22.0, **NEW)))]
    assert case(past, entry(12, 24.5, **NEW)).needs_rerun
    found = decided(case(past, entry(12, 24.5, **NEW), again(12, 24.5, 22.0)))
    assert found.outcome == d.REGRESSION and found.since == "night12"
    alone = decided(case(past, entry(12, 24.5, **NEW), Rerun(None, why="the board was gone")))
    assert alone.outcome == d.OPEN and alone.since == "night10", "it stays open where nobody could run it again"


def test_what_is_accepted_is_the_baseline_from_then_on() -> None:
    past, alarm = alarmed()
    told = Accepted(alarm.cell, LATENCY, "pi4-01", from_s=10 * DAY_S, at_s=10.3 * DAY_S)
    for number in (11, 12):
        made = case(past, entry(number, 22.0, **NEW), accepted=told)
        assert decided(made).outcome == d.NO_HISTORY, number
        past = [*past, judged(made)]
    steady = decided(case(past, entry(13, 22.0, **NEW), accepted=told))
    assert steady.outcome == d.STEADY and steady.baseline == pytest.approx(22.0, rel=0.01)
    slower = case(past, entry(13, 24.2, **NEW), accepted=told)
    assert slower.needs_rerun, "the new level is guarded as well"


def test_what_is_accepted_on_one_board_says_nothing_about_another() -> None:
    """Its history stays, and so does its guard."""
    other = {"board": "pi4-02", "serial": "s2"}
    past, alarm = alarmed()
    past = sorted([*past, *history(noisy(10, seed=4), **other)], key=lambda one: one.at_s)
    told = Accepted(alarm.cell, LATENCY, "pi4-01", from_s=10 * DAY_S, at_s=10.3 * DAY_S)
    slower = case(past, entry(11, 22.0, **other, **NEW), accepted=told)
    assert slower.needs_rerun and decided(slower).baseline == pytest.approx(20.0, rel=0.01)


def test_an_open_alarm_is_open_in_a_night_that_is_invalid() -> None:
    past, _ = alarmed()
    hot = case(past, entry(11, 22.0, **NEW, verdict="invalid", reasons=("was throttled",)))
    assert decided(hot).outcome == d.OPEN and decided(hot).since == "night10" and "was throttled" in decided(hot).why
    after = case([*past, judged(hot)], entry(12, 22.0, **NEW))
    assert decided(after).outcome == d.OPEN and decided(after).since == "night10"


def test_the_last_good_one_is_from_before_the_change_also_where_that_passed_a_night() -> None:
    past = history(noisy(10))
    passed = case(past, entry(10, 20.5, **NEW))
    assert decided(passed).outcome == d.STEADY
    made = case([*past, judged(passed)], entry(11, 21.5, **NEW))
    assert made.needs_rerun and made.last_good is not None
    assert made.last_good.night == "night9" and made.last_good.artifact == "a1"


def test_an_odd_night_before_is_not_where_it_began() -> None:
    past = history([20.0, 20.1, 24.0, 19.9])
    found = decided(case(past, entry(4, 57.0, **NEW), again(4, 57.0, 20.0)))
    assert found.outcome == d.REGRESSION and found.since == "night4" and found.changed == ("artifact a1 -> a2",)


def test_after_an_improvement_going_back_is_a_regression() -> None:
    past = history([*noisy(8), *noisy(5, level=16.0, seed=5)])
    back = case(past, entry(13, 19.0, **NEW), again(13, 19.0, 16.0))
    assert decided(back).outcome == d.REGRESSION
    assert decided(back).baseline == pytest.approx(16.0, rel=0.01)


def test_invalid_measurements_are_neither_baseline_nor_regression() -> None:
    past = history(noisy(6))
    hot = {"verdict": "invalid", "reasons": ("was throttled",)}
    made = case(past, entry(6, 30.0, **hot))
    assert decided(made).outcome == d.UNCONFIRMED and "was throttled" in decided(made).why and not made.needs_rerun
    assert decided(case([*past, judged(made)], entry(7, 20.1))).baseline == pytest.approx(20.0, rel=0.01)


def test_another_control_begins_another_history() -> None:
    past = history(noisy(10), controls={"governor": "performance"})
    found = decided(case(past, entry(10, 30.0, controls={"governor": "powersave"})))
    assert found.outcome == d.NO_HISTORY


def test_a_board_that_was_swapped_has_no_history_and_its_sisters_raise_suspicion_only() -> None:
    past = history(noisy(10))
    swapped = entry(10, 21.5, serial="s2")
    made = case(past, swapped)
    assert made.needs_rerun
    same = case(past, swapped, again(10, 21.5, None, same=True))
    assert decided(same).outcome == d.NO_HISTORY and not decided(same).alarms
    worse = case(past, replace(swapped, **NEW), again(10, 21.5, 20.0))  # type: ignore[arg-type]
    assert decided(worse).outcome == d.REGRESSION


def test_a_size_needs_no_re_run_and_quality_is_compared_in_points() -> None:
    size = case(history([1000.0] * 4, SIZE), entry(4, 1100.0, SIZE))
    assert decided(size, SIZE).outcome == d.REGRESSION and not size.needs_rerun
    assert decided(case(history([1000.0] * 4, SIZE), entry(4, 1020.0, SIZE)), SIZE).outcome == d.STEADY
    worse = entry(4, 0.68, TOP1, **NEW)
    past = history([0.70] * 4, TOP1)
    assert case(past, worse).needs_rerun
    found = decided(case(past, worse, Rerun(entry(4, 0.68, TOP1), entry(4, 0.70, TOP1))), TOP1)
    assert found.outcome == d.REGRESSION and found.change == pytest.approx(0.02) and "-2 points" in found.why
    assert decided(case(past, entry(4, 0.695, TOP1)), TOP1).outcome == d.STEADY
    assert decided(case(past, entry(4, 0.75, TOP1)), TOP1).outcome == d.IMPROVED


def test_energy_by_another_sensor_is_not_compared() -> None:
    metric = "energy/per_inference_mj"

    def night(number: int, value: float, source: str) -> Entry:
        return entry(number, values={metric: Value(value, under=(source, "sampled", "pi5"))})

    past = [night(n, 100.0 + n / 10, "board_dc_in") for n in range(6)]
    assert decided(case(past, night(6, 130.0, "wall_ac")), metric).outcome == d.NO_HISTORY
    assert case(past, night(6, 130.0, "board_dc_in")).needs_rerun


def test_a_cell_that_begins_to_fail() -> None:
    past = history(noisy(5))
    fails = entry(5, None)
    assert case(past, fails).needs_rerun
    works, broken = entry(5, 20.0), entry(5, None)
    outcome = {
        "regression": Rerun(broken, works),
        "system changed": Rerun(broken, broken),
        "steady": Rerun(works, works),
    }
    for expected, rerun in outcome.items():
        assert decided(case(past, fails, rerun), FAILURE).outcome == expected
    first = case(past, fails, outcome["regression"])
    second = case([*past, judged(first)], entry(6, None))
    assert decided(second, FAILURE).outcome == d.OPEN and not second.needs_rerun
    third = case([*past, judged(first), judged(second)], entry(7, 20.0))
    assert decided(third, FAILURE).outcome == d.CLOSED
    assert FAILURE not in case([*past, judged(first), judged(second), judged(third)], entry(8, 20.0)).judged()


def test_a_cell_that_never_worked_is_no_regression() -> None:
    found = decided(case(history([None, 20.0, None]), entry(3, None)), FAILURE)
    assert found.outcome == d.NO_HISTORY


def test_a_failure_that_nobody_could_run_again_is_asked_about_the_next_night() -> None:
    past = history(noisy(5))
    first = case(past, entry(5, None), Rerun(None, why="the board was gone"))
    assert decided(first, FAILURE).outcome == d.UNCONFIRMED
    second = case([*past, judged(first)], entry(6, None))
    assert second.needs_rerun
    confirmed = case([*past, judged(first)], entry(6, None), Rerun(entry(6, None), entry(6, 20.0)))
    assert decided(confirmed, FAILURE).outcome == d.REGRESSION


def test_the_infrastructure_says_nothing_about_a_cell() -> None:
    made = case(history(noisy(5)), entry(5, None, error=None))
    assert made.judged() == {}


def test_a_pinned_sweep_is_the_baseline() -> None:
    past = [replace(entry(0, 19.0), night="reference"), *history(noisy(7))[1:]]
    assert decided(case(past, entry(7, 20.0))).outcome == d.STEADY
    pinned = case(past, entry(7, 20.0), gate=Gate(pinned="reference"))
    assert pinned.needs_rerun and decided(pinned).baseline == pytest.approx(19.0)
    assert pinned.last_good is not None and pinned.last_good.night == "reference"
    alone = case([past[0]], entry(7, 20.9), gate=Gate(pinned="reference"))
    assert alone.needs_rerun, "10 % against one night of five processes"


def test_a_slow_creep_is_told_and_no_alarm() -> None:
    past = history([20.0 * 1.002**n for n in range(30)])
    tonight = case(past, entry(30, 20.0 * 1.002**30))
    assert not decided(tonight).alarms and not tonight.needs_rerun
    (words,) = tonight.crept()
    assert "latency has crept by +5.3%" in words
    assert case(history(noisy(30)), entry(30, 20.0)).crept() == []


def test_memory_without_samples_goes_by_the_spread_of_nights() -> None:
    past = history([100.0, 101.0, 100.5, 99.8, 100.2, 100.9], MEMORY)
    made = case(past, entry(6, 115.0, MEMORY, **NEW), Rerun(entry(6, 115.0, MEMORY), entry(6, 100.3, MEMORY)))
    assert decided(made, MEMORY).outcome == d.REGRESSION
    assert not case(past, entry(6, 108.0, MEMORY, **NEW)).needs_rerun, "less than 10 % is an allocator's mood"


def test_a_decision_and_a_night_come_back_from_the_disk_as_they_were() -> None:
    past, alarm = alarmed()
    assert Decision.from_json(json.loads(json.dumps(alarm.to_json()))) == replace(alarm, inputs=dict(alarm.inputs))
    for one in past:
        assert Entry.from_json(json.loads(json.dumps(one.to_json()))) == one
