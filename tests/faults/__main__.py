"""``make soak``: seeded random faults until so many have hit for certain; what came of each, and of all."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.faults.board import FaultyBoard, can_have_namespaces
from tests.faults.episode import Episode, Told
from tests.faults.kinds import kinds
from tests.sweeps.lab import Lab


def soak(
    faults: int, seed: int, folder: Path, cache: Path, kind: str | None = None, without: tuple[str, ...] = ()
) -> int:
    """0 where nothing was wrong."""
    whole = can_have_namespaces()
    lab = Lab(folder, cache, tracking="mlflow")
    boards = [FaultyBoard(lab, name, whole) for name in ("pi", "jetson")]
    print(f"kinds of faults here: {', '.join(sorted(set(kinds(whole)) - set(without)))}", flush=True)
    hit: Counter[str] = Counter()
    steps: Counter[str] = Counter()
    total, began, episode = Told(), time.monotonic(), 0
    try:
        while sum(hit.values()) < faults:
            episode += 1
            # What has been hit least is next, so that each kind gets its share.
            told = Episode(lab, boards, seed * 1000 + episode, without).run(4, kind)
            hit.update(fault.kind for fault in told.faults)
            steps.update(fault.before.rpartition(": ")[2].split(" ")[0] for fault in told.faults)
            total.missed += told.missed
            total.resumes += told.resumes
            total.retries += told.retries
            total.wrong += told.wrong
            for fault in told.faults:
                print(f"  {fault}", flush=True)
            words = "; ".join(told.wrong) or "all is well"
            print(f"episode {episode}, {sum(hit.values())} of {faults}: {told.resumes} resumes, {words}", flush=True)
    finally:
        for board in boards:
            board.stop()
    summary = {
        "seed": seed,
        "faults": dict(hit.most_common()),
        "steps": dict(steps.most_common()),
        "total": sum(hit.values()),
        "not_counted": total.missed,
        "episodes": episode,
        "resumes": total.resumes,
        "retried_turns": total.retries,
        "wrong": total.wrong,
        "took_s": round(time.monotonic() - began),
    }
    print(json.dumps(summary, indent=1))
    return 1 if total.wrong else 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--faults", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kind", default=None, help="only this kind")
    parser.add_argument("--keep", type=Path, default=None, help="folder for everything, which is kept")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-") as scratch:
        folder = (chosen.keep or Path(scratch)).resolve()
        (folder / "cache").mkdir(parents=True, exist_ok=True)
        return soak(chosen.faults, chosen.seed, folder, folder / "cache", chosen.kind)


if __name__ == "__main__":
    sys.exit(main())
