"""The build worker, the one place where TensorFlow runs: ``python -m orchestrator.builder.worker PARENT_PID``.

Reads one JSON request per line on stdin and answers each with one line on what was stdout. Ends with its parent:
by SIGKILL (PR_SET_PDEATHSIG) when that dies, by end of file when that closes the pipe.
"""

from __future__ import annotations

import ctypes
import faulthandler
import json
import os
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from orchestrator.builder.recipe import Recipe
from orchestrator.builder.store import LOG
from orchestrator.errors import OrchestratorError

_PR_SET_PDEATHSIG = 1


def main(parent_pid: int) -> int:
    """Serve until stdin ends."""
    _die_with(parent_pid)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides what ends
    replies = _own_stdout()
    faulthandler.enable()
    for line in sys.stdin.buffer:
        request = json.loads(line)
        replies.write(json.dumps(_answer(request)).encode() + b"\n")
        replies.flush()
    return 0


def _die_with(parent_pid: int) -> None:
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:  # it died before the call above
        os._exit(1)


def _own_stdout() -> BinaryIO:
    """Keep stdout for replies; whatever TensorFlow prints, also from C++, goes to stderr."""
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return replies


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    folder = Path(request["folder"])
    try:
        with _logged(folder / LOG):
            # The first import of TensorFlow takes seconds and belongs into the log of the build that paid for it.
            from orchestrator.builder.kitchen import cook

            cook(Recipe.from_message(request["recipe"]), folder)
    except OrchestratorError as error:
        return {"error": {"type": type(error).__name__, "message": error.message, "hint": error.hint}}
    return {"ok": {}}


@contextmanager
def _logged(log: Path) -> Iterator[None]:
    """Everything that is printed, by Python or C++, goes into ``log``; so does the traceback of an error."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = os.dup(1), os.dup(2)
    with log.open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    try:
        yield
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for descriptor, number in zip(kept, (1, 2), strict=True):
            os.dup2(descriptor, number)
            os.close(descriptor)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
