"""How many sessions run beside each other on a board."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.cell import Scenario
from orchestrator.session.job import streams
from tests.fleet.test_pool import digits


@pytest.mark.parametrize(
    ("scenario", "threads", "cpus", "cores", "expected"),
    [
        (Scenario("quick"), 1, [], 4, 1),
        (Scenario("offline", mode="offline"), 1, [], 4, 4),
        (Scenario("offline", mode="offline"), 3, [], 4, 1),
        (Scenario("offline", mode="offline"), 8, [], 4, 1),
        (Scenario("offline", mode="offline"), 1, [2, 3], 8, 2),  # only these are the benchmark's
        (Scenario("offline", mode="offline", streams=6), 1, [], 4, 6),
    ],
)
def test_as_many_as_the_cores_take(
    scenario: Scenario, threads: int, cpus: list[int], cores: int, expected: int
) -> None:
    made = digits().settings
    settings = replace(made, scenario=scenario, threads=threads, device=replace(made.device, cpus=cpus))
    assert streams(settings, cores) == expected
