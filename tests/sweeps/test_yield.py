"""Two controllers and one board: a person gets it between two turns of a night, and the night goes on where it was."""

from __future__ import annotations

import json
import signal
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.sshd import Sshd
from tests.sweeps.lab import TINY, Done, Lab
from tests.sweeps.test_resume import hold_of, numbers

pytestmark = pytest.mark.slow
StartSshd = Callable[..., Sshd]
CELLS = ("-m", "device=rack", "model=digits", "optimization=none,int8", *TINY, "scenario.extra_processes=0")
PROCESSES = 10


@pytest.fixture
def desk(lab: Lab, cache: Path) -> Lab:
    """Another lab with the same board."""
    return Lab(lab.folder / "desk", cache)


def share(server: Sshd, lab: Lab, desk: Lab) -> Path:
    """One board in two labs; its work folder."""
    workdir = lab.add("rack", server, hold=hold_of(lab))
    desk.add("rack", server, hold=hold_of(lab), workdir=str(workdir))
    return workdir


def night(lab: Lab, window_s: float = 0.5) -> subprocess.Popen[str]:
    """A sweep of many turns, of which the first one runs."""
    words = (f"scenario.processes={PROCESSES}", f"scenario.window_s={window_s}", "priority=-10")
    process = lab.start(*CELLS, *words)
    lab.wait_for("measuring")
    return process


def all_ran_once(workdir: Path, done: Done) -> None:
    """Every process of every cell was measured, and none twice."""
    assert done.sweep is not None
    for cell in (0, 1):
        assert numbers(json.loads((done.sweep / str(cell) / "record.json").read_text())) == [*range(1, PROCESSES + 1)]
    begun: Counter[tuple[str, int]] = Counter()
    for path in workdir.glob("jobs/*/job.json"):
        job = json.loads(path.read_text())
        begun.update((job["run_id"].rsplit("-", 2)[0], job["first"] + n) for n in range(job["scenario"]["processes"]))
    sweep_id = json.loads((done.sweep / "sweep.json").read_text())["id"]
    ran = {key: count for key, count in begun.items() if key[0].startswith(sweep_id)}
    assert len(ran) == 2 * PROCESSES and set(ran.values()) == {1}


def spans(done: Done) -> list[tuple[float, float]]:
    """When the processes of a sweep ran, by the board's clock."""
    assert done.sweep is not None
    records = [json.loads(path.read_text()) for path in done.sweep.glob("*/record.json")]
    return sorted((p["begin_s"], p["end_s"]) for record in records for p in record["processes"])


def test_a_person_gets_the_board_and_the_night_goes_on_where_it_was(lab: Lab, desk: Lab, start_sshd: StartSshd) -> None:
    workdir = share(start_sshd(), lab, desk)
    first = night(lab)
    person = desk.finish(desk.start("device=rack", "model=digits", *TINY))
    assert person.status == 0, person.text
    assert "(priority -10), waits for its turn to end" in person.text
    ended = lab.finish(first)
    assert ended.status == 0, ended.text
    assert ended.text.count("who waits; goes on when it is free") == 1 and "free again" in ended.text
    assert {r["status"] for r in ended.results()} == {"done"} and {r["retries"] for r in ended.results()} == {0}
    all_ran_once(workdir, ended)
    (begin, *_, end), theirs = spans(person), spans(ended)
    before, after = [s for s in theirs if s[1] <= begin[0]], [s for s in theirs if s[0] >= end[1]]
    assert before and after and len(before) + len(after) == len(theirs), "they were on the board at the same time"


def test_who_is_of_the_same_priority_is_refused_and_who_waits_is_seen_as_long_as_it_is_there(
    lab: Lab, desk: Lab, start_sshd: StartSshd
) -> None:
    share(start_sshd(), lab, desk)
    first = night(lab, window_s=30)
    refused = desk.finish(desk.start("device=rack", "model=digits", "priority=-10", *TINY))
    assert refused.status == 2 and "(priority -10) since" in refused.text, refused.text
    person = desk.start("device=rack", "model=digits", "priority=3", *TINY)
    desk.wait_for("waits for its turn to end")
    seen = lab.finish(lab.start("board", "list", "device=rack"))
    assert ", priority -10, since " in seen.text and "; waiting: " in seen.text and "(priority 3)" in seen.text
    person.send_signal(signal.SIGKILL)
    person.communicate()
    unseen = lab.finish(lab.start("board", "list", "device=rack"))
    assert ", priority -10, since " in unseen.text and "waiting" not in unseen.text
    first.send_signal(signal.SIGINT)
    assert lab.finish(first).status == 130
