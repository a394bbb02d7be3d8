"""What a verdict and the metrics make of the samples of a board: only what was there while it was measured counts."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.measurement import Measurement, measure
from orchestrator.measurement.state import not_as_asked
from orchestrator.verdict import INVALID, SUSPECT, VALID
from remote.contract import check_record
from tests.measurement.records import FACTS, MANIFEST, PI4_POWER, make_record

WINDOWS = ((10.0, 14.5), (20.0, 24.5), (30.0, 34.5))


def record(**series: list[Any] | Any) -> dict[str, Any]:
    """Three processes with windows from 10, 20 and 30 s on, and samples once a second from 5 to 40 s; a series is
    a value for all of them, or a function of the time."""
    made = make_record()
    for process, (begin_s, end_s) in zip(made["processes"], WINDOWS, strict=True):
        process.update(begin_s=begin_s, end_s=end_s)
    sample = made["state"]["samples"][0]
    made["state"]["samples"] = [
        {**sample, "t_s": float(t), **{key: value(t) if callable(value) else value for key, value in series.items()}}
        for t in range(5, 41)
    ]
    return made


def measured(made: dict[str, Any], **state: Any) -> Measurement:
    made["state"].update(state)
    return measure(check_record(made), manifest=MANIFEST, power=PI4_POWER, cores=4, facts=FACTS)


def gate(number: int, begin_s: float, waited_s: float, temperature_c: float, limit_c: float = 55.0) -> dict[str, Any]:
    passed = temperature_c <= limit_c
    return {"number": number, "begin_s": begin_s, "waited_s": waited_s, "limit_c": limit_c} | {
        "temperature_c": temperature_c,
        "passed": passed,
    }


def tuned(setting: str, wanted: str, now: str, reason: str | None = None) -> dict[str, Any]:
    return {"setting": setting, "wanted": wanted, "before": "x", "now": now, "reason": reason}


@pytest.mark.parametrize(
    ("series", "state", "level", "reason"),
    [
        ({"throttled": lambda t: 0x50000 if t > 22 else 0}, {}, INVALID, "meanwhile (2 new bits set)"),
        ({"throttled": lambda t: 0x50000 if t > 36 else 0}, {}, VALID, ""),  # after the last window
        ({"throttled": 0x50000}, {}, SUSPECT, "since boot (2 bits set)"),
        ({"throttled": lambda t: 0x4 if t == 17 else 0}, {}, INVALID, "throttled or under-voltage in 1 samples"),
        ({"throttled": lambda t: 0x8 if t == 17 else 0}, {"gates": [gate(2, 16, 3, 50)]}, VALID, ""),
        ({"over_current": lambda t: 3 if t < 21 else 5}, {}, INVALID, "over-current 2 times"),
        ({"over_current": lambda t: 3 if t < 17 else 5}, {}, VALID, ""),  # between two processes, as of another cell
        ({"throttle_events": lambda t: 7 * (t > 33)}, {}, INVALID, "slowed down for its heat (7 counts)"),
        ({"governor": lambda t: "ondemand" if t < 25 else "powersave"}, {}, SUSPECT, "changed: ondemand, powersave"),
        (
            {"cpu_mhz": lambda t: [1500.0, 1400.0 if t == 31 else 1500.0]},
            {"pinned_mhz": [1500.0, 1500.0]},
            INVALID,
            "below 95% of the pinned one in 7% of the samples",
        ),
        ({"cpu_mhz": lambda t: [600.0 if 16 < t < 19 else 1500.0]}, {"pinned_mhz": [1500.0]}, VALID, ""),
        ({"cpu_mhz": [1500.0, 600.0]}, {"pinned_mhz": [1500.0, None]}, VALID, ""),  # it is not measured on
        ({"cpu_mhz": [1426.0]}, {"pinned_mhz": [1500.0]}, VALID, ""),
        (
            {},
            {"gates": [gate(1, 5, 3, 55), gate(2, 15, 4, 58.2)]},
            SUSPECT,
            "began 3.2 °C above device.cool_to_c: process 2 at 58.2 after 4 s",
        ),
        ({}, {"gates": [gate(1, 5, 3, 55)]}, VALID, ""),
        (
            {},
            {"tuning": [tuned("governor", "performance", "ondemand", "no permission"), tuned("fan", "100 %", "100 %")]},
            SUSPECT,
            "1 settings of device.tune are not as asked for: "
            "asked for governor performance, is ondemand: no permission",
        ),
    ],
)
def test_a_rule_about_the_board(series: dict[str, Any], state: dict[str, Any], level: str, reason: str) -> None:
    verdict = measured(record(**series), **state).verdict
    assert verdict.level == level, verdict.reasons
    assert reason in "; ".join(verdict.reasons)


def test_metrics_of_the_board_are_those_of_the_windows() -> None:
    def warm(t: int) -> float:
        return 90.0 if t < 8 else 50.0 + t / 10

    clock = lambda t: [1500.0] if any(begin <= t <= end for begin, end in WINDOWS) else [600.0]  # noqa: E731
    made = record(temperature_c=warm, cpu_mhz=clock, gpu_mhz=lambda t: 300.0 if t == 17 else 600.0)
    m = measured(made, gates=[gate(1, 5, 4.0, 55.0), gate(2, 15, 2.5, 55.0)]).metrics
    assert m["state/temperature_start_c"] == 51.0
    assert m["state/temperature_max_c"] == 54.0
    assert (m["state/cpu_mean_mhz"], m["state/gpu_mean_mhz"]) == (1500.0, 600.0)
    assert m["state/cool_down_s"] == 6.5


def test_what_the_board_does_not_tell_has_its_reason() -> None:
    made = record(governor=None)
    missing = {"pinned_mhz": "no clock is pinned", "over_current": "no Jetson", "gates": "no sensor"}
    got = measured(made, missing=missing)
    assert got.missing["state/clock_low_share"] == "no clock is pinned"
    assert got.missing["state/over_current_events"] == "no Jetson"
    assert got.missing["state/cool_down_s"] == "no sensor"
    assert {"clock_low_share", "over_current_events", "governors"} <= set(got.verdict.unchecked)


def test_tags_say_how_the_board_was_set() -> None:
    outcomes = [tuned("power_mode", "15W", "15W"), tuned("governor", "performance", "ondemand", "no permission")]
    got = measured(record(), tuning=outcomes)
    assert got.tags["state.tuning"] == "power_mode=15W, governor=ondemand"
    assert got.tags["board.power_mode"] == "15W"
    assert "state.tuning" not in measured(record()).tags
    assert not_as_asked(outcomes[1]) == "asked for governor performance, is ondemand: no permission"
