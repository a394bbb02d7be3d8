"""``python -m orchestrator`` and the console script."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from types import FrameType

INTERRUPTED = 130


def main() -> None:
    """Run and leave with the exit status of the contract."""
    try:
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is signal.SIG_DFL:  # under nohup it stays ignored
                signal.signal(number, _interrupt)
        from orchestrator.app import run

        status = run(sys.argv[1:])
    except KeyboardInterrupt:
        with contextlib.suppress(OSError):
            print("interrupted before anything ran", file=sys.stderr, flush=True)
        # Not sys.exit: an interrupt inside exec() of a string, as dataclasses do it, makes Python end by SIGINT even
        # when it was caught (a flag of the interpreter that nobody clears). Nothing is open yet.
        os._exit(INTERRUPTED)
    sys.exit(status)


def _interrupt(_: int, __: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
