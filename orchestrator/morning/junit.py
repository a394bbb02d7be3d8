"""The night as JUnit XML, as Jenkins, GitLab and GitHub's actions read it.

There is no standard. This keeps to what all of them know: counts on every suite, ``classname`` and ``name`` that are
the same every night (so that their histories work), times in seconds, a timestamp without a zone (UTC), at most one
verdict a case. GitLab shows the text of a verdict, Jenkins its ``message``: it stands in both.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from xml.etree import ElementTree

from orchestrator.morning import words as w
from orchestrator.morning.groups import BENCHMARK, INFRASTRUCTURE, whose
from orchestrator.night import Night
from orchestrator.plain import plain
from orchestrator.regression.decision import NO_HISTORY, UNCONFIRMED, Decision
from orchestrator.result import DONE, FAILED, NOT_RUN, SKIPPED, Result

FAILURE, ERROR, SKIP = "failure", "error", "skipped"


def junit(night: Night) -> bytes:
    """The whole file: a suite for each device."""
    root = ElementTree.Element("testsuites", name="edge-orchestrator")
    for device in _devices(night):
        root.append(_suite(night, device))
    for key in ("tests", "failures", "errors", "skipped"):
        root.set(key, str(sum(int(suite.get(key, "0")) for suite in root)))
    root.set("time", f"{sum(float(suite.get('time', '0')) for suite in root):.3f}")
    ElementTree.indent(root)
    written: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return written + b"\n"


def _devices(night: Night) -> list[str]:
    """Those of results in their order, then those that only a decision names."""
    found = [_device_of(result) for result in night.results]
    known = {result.cell_id for result in night.results}
    found += [_device(one.cell) for one in night.decisions if one.cell not in known]
    return list(dict.fromkeys(found))


def _device_of(result: Result) -> str:
    return result.axes.get("device") or _device(result.cell_id)


def _device(cell: str) -> str:
    return cell.partition("/")[0]


def _suite(night: Night, device: str) -> ElementTree.Element:
    results = [result for result in night.results if _device_of(result) == device]
    known = {result.cell_id: result for result in night.results}
    decisions = [one for one in night.decisions if _device_of_decision(one, known) == device]
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(night.sweep.started_s))
    suite = ElementTree.Element("testsuite", name=plain(device), timestamp=stamp)
    suite.append(_properties(night))
    suite.extend(_cases(results, decisions))
    cases = suite.findall("testcase")
    verdicts = Counter(child.tag for case in cases for child in case)
    counts = {"tests": len(cases), "failures": verdicts[FAILURE], "errors": verdicts[ERROR], "skipped": verdicts[SKIP]}
    for key, count in counts.items():
        suite.set(key, str(count))
    suite.set("time", f"{sum(float(case.get('time', '0')) for case in cases):.3f}")
    return suite


def _device_of_decision(one: Decision, known: dict[str, Result]) -> str:
    return _device_of(known[one.cell]) if one.cell in known else _device(one.cell)


def _properties(night: Night) -> ElementTree.Element:
    properties = ElementTree.Element("properties")
    for name, value in (("sweep", night.sweep.id), ("status", night.status), ("verdict", w.verdict_words(night))):
        ElementTree.SubElement(properties, "property", name=name, value=plain(value))
    return properties


def _cases(results: Sequence[Result], decisions: Sequence[Decision]) -> Iterator[ElementTree.Element]:
    """One of every cell, and one of every metric that the gate looked at; failing is the cell's own case."""
    failing = {one.cell: one for one in decisions if one.metric == w.FAILURE}
    for result in results:
        yield _cell(result, failing.pop(result.cell_id, None))
    for one in decisions:
        if one.metric != w.FAILURE or one.cell in failing:
            yield _metric(one)


def _cell(result: Result, failing: Decision | None) -> ElementTree.Element:
    seconds = result.busy_s if result.busy_s is not None else max(0.0, result.ended_s - result.started_s)
    case = _case(result.cell_id, result.cell_id, seconds)
    said = f"; {failing.why}" if failing is not None and failing.alarms else ""
    if result.status in (SKIPPED, NOT_RUN):
        _verdict(case, SKIP, None, result.why or result.status)
    elif result.status != DONE:
        _verdict(case, ERROR, _type(result), (result.why or result.status) + said)
    elif failing is not None and failing.alarms:
        _verdict(case, FAILURE, failing.outcome, failing.why)
    log = result.error.log if result.error else None
    told = [f"board {result.board}" if result.board else "", f"log {log}" if log else ""]
    _output(case, "\n".join(filter(None, (plain(line) for line in told))))
    return case


def _type(result: Result) -> str:
    """``infrastructure.ConnectionFailed``, ``benchmark.ValueError``."""
    whom = BENCHMARK if whose(result) == BENCHMARK else INFRASTRUCTURE
    return f"{whom}.{result.error.type if result.error and result.status == FAILED else result.status.capitalize()}"


def _metric(one: Decision) -> ElementTree.Element:
    case = _case(one.cell, f"{one.cell} {one.metric}", 0.0)
    words = " ".join(filter(None, (_values(one), one.why)))
    if one.alarms:
        _verdict(case, FAILURE, one.outcome, words)
    elif one.outcome == UNCONFIRMED:
        _verdict(case, SKIP, None, f"{one.outcome}: {words}")
    changed = [f"changed there: {plain(text)}" for text in one.changed]
    _output(case, "\n".join([f"{one.outcome}: {plain(words)}", *changed] if one.outcome != NO_HISTORY else changed))
    return case


def _values(one: Decision) -> str:
    """``20.10 ms -> 22.40 ms, +11.4 % (+10.1 to +12.8 %):``."""
    if one.value is None or one.baseline is None:
        return ""
    interval = w.interval_words(one)
    change = f", {w.change_words(one)}" if one.change is not None else ""
    words = f"{w.value_words(one.baseline, one.unit)} -> {w.value_words(one.value, one.unit)}{change}"
    return f"{words}{f' ({interval})' if interval else ''}:"


def _case(cell: str, name: str, seconds: float) -> ElementTree.Element:
    """Jenkins sorts by the part of ``classname`` before the last dot: the device, then the model."""
    device, model, *_ = [*cell.split("/"), "", ""]
    classname = f"{plain(device).replace('.', '_')}.{plain(model).replace('.', '_') or 'cell'}"
    return ElementTree.Element("testcase", classname=classname, name=plain(name), time=f"{seconds:.3f}")


def _verdict(case: ElementTree.Element, tag: str, kind: str | None, words: str) -> None:
    found = ElementTree.SubElement(case, tag, message=plain(words))
    if kind is not None:
        found.set("type", plain(kind))
    found.text = plain(words)


def _output(case: ElementTree.Element, words: str) -> None:
    if words:
        ElementTree.SubElement(case, "system-out").text = words
