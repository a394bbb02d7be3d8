"""The file that ONNX Runtime's profiler writes: one event a line."""

from __future__ import annotations

import json
from typing import Any, Dict, Iterable

from remote.runtimes import NoProfiler, Operators

_RUN = "model_run"
_END = "_kernel_time"


def summary(lines: Iterable[str], skip: int) -> Dict[str, Any]:
    """The record's ``profile``, without the first ``skip`` calls and without a last one that is not whole: the
    profiler stops at a million events. A call's operators come before its own event."""
    operators, seen = Operators("ONNX Runtime profiler"), 0
    waiting: list[tuple[str, str, int]] = []
    for event in _events(lines):
        if event.get("cat") == "Node" and str(event.get("name", "")).endswith(_END):
            told = event["args"]
            waiting.append((str(told["op_name"]), str(told["provider"]), int(event["dur"]) * 1000))
        elif event.get("name") == _RUN:
            seen += 1
            if seen > skip:
                operators.runs += 1
                for row in waiting:
                    operators.add(*row)
            waiting = []
    return operators.profile()


def _events(lines: Iterable[str]) -> Iterable[Dict[str, Any]]:
    for line in lines:
        text = line.strip().rstrip(",")
        if text in ("", "[", "]"):
            continue
        try:
            yield json.loads(text)
        except ValueError as error:
            raise NoProfiler("ONNX Runtime's profile is not in the form that is known: %s" % error) from None
