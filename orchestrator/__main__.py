"""``python -m orchestrator`` and the console script."""

from __future__ import annotations

import sys


def main() -> None:
    """Run and leave with the exit status of the contract."""
    from orchestrator.app import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
