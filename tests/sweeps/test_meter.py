"""A meter beside the board, from the configuration to what is published."""

from __future__ import annotations

import json
import sys
from itertools import pairwise

import pytest

from tests.sweeps.lab import TINY, Lab, running

pytestmark = pytest.mark.slow

METER = "import time\nwhile True:\n    print(time.time(), 4.0, flush=True)\n    time.sleep(0.02)\n"
PASS = ("scenario.energy_s=0.6", "scenario.energy_windows=3", "scenario.idle_s=0.3", "scenario.processes=1")


def test_energy_by_a_meter_beside_the_board(lab: Lab) -> None:
    path = lab.folder / "watts.py"
    path.write_text(METER)
    words = ["device.meter.kind=command", "device.meter.scope=board_dc_in", "device.meter.lag_s=0.05"]
    words += [f"device.meter.command=[{sys.executable},{path}]"]
    done = lab.finish(lab.start("model=digits", "optimization=none", *TINY, *PASS, *words))
    assert done.status == 0, done.text
    (result,) = done.results()
    tags, metrics = result["measurement"]["tags"], result["measurement"]["metrics"]
    assert (tags["energy.scope"], tags["energy.kind"]) == ("board_dc_in", "sampled"), result["measurement"]
    assert tags["energy.source"].startswith("command:")
    assert metrics["energy/mean_power_w"] == pytest.approx(4.0)
    assert done.sweep is not None
    kept = json.loads((done.sweep / "0" / "meter.json").read_text())
    run = json.loads((done.sweep / "0" / "record.json").read_text())["energy"]["pass"]
    assert kept["clock"]["round_trips"] == 40
    assert kept["clock"]["bound_s"] < 0.05
    # the built-in board has this machine's own clock
    assert abs(kept["clock"]["offset_s"]) <= kept["clock"]["bound_s"]
    times = [t_s for t_s, _ in kept["points"]]
    assert all(before < after for before, after in pairwise(times))
    assert times[0] < run["windows"][0]["begin_s"]
    assert times[-1] > run["idle"][-1]["end_s"]
    assert not running(str(path))
