"""Time by operator, in a process of its own after the measuring ones: a profiler slows down what it looks at."""

from __future__ import annotations

import faulthandler
import json
import os
import sys

from remote.process import die_with_parent, pinned_to
from remote.schema import clean
from remote.worker import Voice, failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def taken(order: dict[str, Any]) -> dict[str, Any]:
    """The record's ``profile``; raises ``runtimes.NoProfiler`` with the reason why there is none."""
    if order["env"]:
        sys.path.insert(0, order["env"])
    else:
        sys.dont_write_bytecode = True  # the board's own packages: nothing is written outside of the work folder
    from remote import runtimes

    profile: dict[str, Any] = runtimes.library(order["runtime"]).profile(order)
    return profile


def main() -> int:
    """Do what the order on stdin says; the profile, or the reason why there is none, goes to the runner."""
    voice = Voice()
    faulthandler.enable()
    order = json.loads(sys.stdin.buffer.readline().decode("utf-8"))
    die_with_parent(order["parent"])
    sys.excepthook = lambda kind, error, trace: voice.say(error=failure("profile", error))
    pinned_to(order["cpus"])
    from remote.runtimes import NoProfiler

    try:
        voice.say(profile=taken(order), reason=None)
    except NoProfiler as error:
        voice.say(profile=None, reason=clean(str(error), 1000))
    sys.stderr.flush()
    os._exit(0)
