"""The reports of a month name what happened in it, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.regression.gate import replay
from orchestrator.result import Sweep
from tests.nightly.month import DIES, SLOWER, SWAPPED, THROTTLES, UPGRADED, Lab, told

OF_THE_JETSON = [f"model{n}" for n in range(10, 15)]
SWAP = "pi4-01 is another board since tonight (serial serial-pi4-01 -> serial-of-another): the history of its cells "


def expected(number: int) -> list[str]:
    """Alarms stay open until they are accepted, two mornings later; a board that died stays dead."""
    words = []
    if SLOWER <= number <= SLOWER + 2:
        words.append(f"{'regression' if number == SLOWER else 'open'}: model3")
    if UPGRADED <= number <= UPGRADED + 2:
        words += [f"{'regression' if number == UPGRADED else 'open'}: {model}" for model in OF_THE_JETSON]
    if number >= DIES:
        words.append("hand: pi4-02")
    if THROTTLES <= number < THROTTLES + 2:
        words.append("hand: pi4-03")
    if number == DIES:
        words.append("missing: model1")
    if number == SWAPPED:
        words.append(SWAP + "begins anew")
    return words


@pytest.mark.parametrize("seed", [1, 2])
def test_thirty_nights_are_told_as_they_were(tmp_path: Path, seed: int) -> None:
    nights = list(Lab(tmp_path, seed).nights())
    assert {n: told(night) for n, night in enumerate(nights, 1)} == {n: expected(n) for n in range(1, 31)}
    statuses = {n: night.status for n, night in enumerate(nights, 1) if night.status}
    assert statuses == {DIES: 2, **dict.fromkeys((17, 18, 19, 25, 26, 27), 3)}
    (slower,) = nights[SLOWER - 1].new
    assert slower.since == f"night-{SLOWER}"
    assert slower.changed == ("artifact v1-3 -> slower-3",)
    assert 0.05 < (slower.change or 0) < 0.11
    for one in nights[UPGRADED - 1].new:
        assert one.since == f"night-{UPGRADED}"
        assert one.changed[0] == "runtime version 2.3.0 -> 2.4.0"
    for night in nights:
        assert (night.sweep.directory / "morning.html").is_file()
        again = replay(tmp_path, night.sweep.directory)
        assert again.differing == [] and len(again.now) == len(again.then) > 0


def test_a_decision_that_was_made_otherwise_is_found_by_replaying(tmp_path: Path) -> None:
    (*_, last) = Lab(tmp_path).nights(5)
    path = Sweep("", last.sweep.directory, 0.0).directory / "gate.json"
    path.write_text(path.read_text().replace('"steady"', '"improved"', 1))
    assert len(replay(tmp_path, last.sweep.directory).differing) == 1
