"""A controller that is killed at a step: whoever goes on with its sweep brings it to its end."""

from __future__ import annotations

import json

import pytest

from tests.sweeps.lab import Lab
from tests.sweeps.test_resume import TWO, StartSshd, go_on, hold_of, killed, numbers, started

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("at", ["waiting for", "sending", "process 2 of 2"])
def test_wherever_it_was_killed_the_sweep_comes_to_its_end(lab: Lab, start_sshd: StartSshd, at: str) -> None:
    workdir = lab.add("rack", start_sshd(), hold=hold_of(lab))
    lab.environment["XDG_CACHE_HOME"] = str(lab.folder / "cache") if at == "waiting for" else str(lab.cache)
    sweep = killed(lab, at, *TWO)
    done = go_on(lab)
    assert done.status == 0, done.text
    assert done.sweep == sweep, "no other folder"
    assert [r["status"] for r in done.results()] == ["done", "done"]
    for number in (0, 1):
        assert numbers(json.loads((sweep / str(number) / "record.json").read_text())) == [1, 2]
    assert len(started(workdir)) <= 5, "at most the one that was under way is run twice"
    assert json.loads((sweep / "sweep.json").read_text())["resumed"] == 1
