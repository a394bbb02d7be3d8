"""The night for CI systems."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from orchestrator.morning.junit import junit
from orchestrator.night import Night
from tests.morning import nights

SUITE = {"name", "timestamp", "tests", "failures", "errors", "skipped", "time"}
"""What Jenkins' and Ant's schemas know of; the other attributes differ from one to the next."""


def suites(night: Night) -> dict[str, ElementTree.Element]:
    return {str(suite.get("name")): suite for suite in ElementTree.fromstring(junit(night))}


@pytest.mark.parametrize(
    "night", [nights.all_well(), nights.with_everything(), nights.hostile(), Night(nights.make_sweep(), ())]
)
def test_it_is_as_ci_systems_expect_it(night: Night) -> None:
    root = ElementTree.fromstring(junit(night))
    assert root.tag == "testsuites"
    for suite in root:
        assert suite.tag == "testsuite" and set(suite.attrib) == SUITE
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", suite.attrib["timestamp"])
        assert [child.tag for child in suite][:1] == ["properties"]
        cases = suite.findall("testcase")
        assert len({(case.get("classname"), case.get("name")) for case in cases}) == len(cases)
        verdicts = [child.tag for case in cases for child in case if child.tag != "system-out"]
        for key, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert int(suite.attrib[key]) == verdicts.count(tag)
        for case in cases:
            assert set(case.attrib) == {"classname", "name", "time"} and float(case.attrib["time"]) >= 0
            assert [child.tag for child in case] in ([], ["system-out"], *_with_verdict())
            assert all(child.get("message") and child.text for child in case if child.tag != "system-out")
    assert sum(int(suite.attrib["tests"]) for suite in root) == int(root.attrib["tests"])


def _with_verdict() -> list[list[str]]:
    return [[tag, *more] for tag in ("failure", "error", "skipped") for more in ([], ["system-out"])]


def test_infrastructure_and_benchmark_are_told_apart() -> None:
    found = suites(nights.with_everything())
    assert list(found) == ["pi4", "jetson"]
    types = [error.get("type") for error in found["jetson"].iter("error")]
    assert types == [
        *["infrastructure.ConnectionFailed"] * 3,
        "benchmark.RuntimeError",
        "infrastructure.Interrupted",
    ]
    assert found["jetson"].attrib["failures"] == "0"  # a cell that began to fail is one error, not two
    assert found["pi4"].attrib["failures"] == "5"
    assert found["jetson"].attrib["skipped"] == "5"
    assert found["pi4"].attrib["skipped"] == "5"  # four impossible ones, and one that was not confirmed


def test_a_metric_that_got_worse_says_by_how_much() -> None:
    (failure,) = [
        case.find("failure")
        for case in suites(nights.with_everything())["pi4"].iter("testcase")
        if case.get("name") == "pi4/mobilenetv2/none/auto/1/1/224/quick latency/median_ms"
    ]
    assert failure is not None
    assert failure.get("type") == "regression"
    assert str(failure.get("message")).startswith("20.21 ms -> 22.25 ms, +10.1 % (+8.9 to +11.4 %): The new runtime")


def test_no_control_character_is_left() -> None:
    assert not re.search(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]", junit(nights.hostile()))
