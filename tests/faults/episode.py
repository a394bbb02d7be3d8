"""One sweep that things happen to, at named steps and for certain; then whatever it takes until it has come to its end,
and a look at everything that must be true then."""

from __future__ import annotations

import json
import random
import re
import signal
import subprocess
import threading
import time
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.board import FaultyBoard, Witness
from tests.faults.kinds import CLOCK, Scene, kinds
from tests.sweeps.lab import TINY, Lab

OPENING = ("connecting", "looking at the board", "taking the hold")
SENDING = ("sending", "unpacking")
TURN = ("started", "loading", "measuring", "measured", "answering")
STEPS = (*OPENING, *SENDING, *TURN)
"""Of a session and of a turn, as the log of the sweep calls them."""
PATIENCE_S = 60.0
SWEEP_S = 420.0
LONGEST_RESUMES = 6
WORDS = ("model=digits", "optimization=none,int8", *TINY, "scenario.processes=4")
"""Four cells of four turns each, whose windows are as short as they can be."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What was done, and what the log of the sweep said last before, and first after it was begun."""

    kind: str
    board: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.kind} on {self.board}, between '{self.before}' and '{self.after}'"


@dataclass(slots=True)
class Told:
    """What came of an episode."""

    faults: list[Fault] = field(default_factory=list)
    missed: int = 0  # that hit nothing: the sweep had gone on, or had ended
    resumes: int = 0
    retries: int = 0  # of turns, by the software itself
    wrong: list[str] = field(default_factory=list)


class Episode:
    """``boards`` are broken in turn; at most ``count`` faults."""

    def __init__(self, lab: Lab, boards: Sequence[FaultyBoard], seed: int, without: Sequence[str] = ()) -> None:
        self.lab, self.boards, self.chance = lab, list(boards), random.Random(seed)
        whole = all(board.whole for board in boards)
        self.kinds = {name: apply for name, apply in kinds(whole).items() if name not in without}
        self.clock = lab.folder / "clock"
        (lab.folder / "python").mkdir(exist_ok=True)
        (lab.folder / "python" / "sitecustomize.py").write_text(CLOCK.format(path=str(self.clock)))
        lab.environment |= {"PYTHONPATH": str(lab.folder / "python")}
        self.told = Told()
        self._hits: list[tuple[str, FaultyBoard, Path, int]] = []  # with how many lines the log had
        self.others: list[subprocess.Popen[str]] = []
        self._readers: list[threading.Thread] = []

    def run(self, count: int, only: str | None = None) -> Told:
        """One sweep with so many faults, of one kind if ``only`` is given."""
        self.clock.write_text("0")
        devices = ",".join(board.name for board in self.boards)
        before = set(self.lab.root.glob("multirun/*/*"))
        words = ("-m", f"device={devices}", *WORDS)
        bare = self.chance.random() < 0.4
        first = STEPS if bare else (*OPENING, *TURN)
        for board in self.boards if bare else ():
            board.forget_files()
        with _closing(Witness(self.boards)) as witness:
            process = self.lab.start(*words)
            drained = _drained(process)
            for number in range(count):
                if process.poll() is not None:
                    self.told.missed += 1
                    continue
                self._strike(process, before, only or self.chance.choice(sorted(self.kinds)), TURN if number else first)
            status = self._ended(process)
            drained.join()
            sweep = self._sweep(before)
            while status != 0 and self.told.resumes < LONGEST_RESUMES:
                self.told.resumes += 1
                # Killed before it had a folder there is nothing to go on with.
                process = self.lab.start(*(words if sweep is None else (f"resume={sweep}",)))
                said = _drained(process)
                status = self._ended(process)
                said.join()
                sweep = sweep or self._sweep(before)
            for other in self.others:
                self._ended(other)
            for reader in self._readers:
                reader.join()
        self.told.wrong += witness.wrong[:3]
        self._proven()
        if status != 0 or sweep is None:
            self.told.wrong.append(f"after {self.told.resumes} resumes the exit status is {status} in {sweep}")
        else:
            self._judge(sweep)
        self.others = []
        return self.told

    # -- striking

    def _strike(self, process: subprocess.Popen[str], before: set[Path], kind: str, steps: Sequence[str]) -> None:
        board, step = self.chance.choice(self.boards), self.chance.choice(steps)
        log = self._at(process, before, board, step)
        if log is None:
            self.told.missed += 1
            return
        at = _lines(log, board)
        scene = Scene(self.lab, board, process, self.chance, self.clock)
        begun = threading.Timer(0.0, lambda: seen.extend(_lines(log, board)))
        seen: list[str] = []
        begun.start()
        self.kinds[kind](scene)
        begun.join()
        self.others += scene.others
        self._readers += [_drained(other) for other in scene.others]
        if not at or len(seen) != len(at):
            self.told.missed += 1  # it had gone on before it was hit
        else:
            self._hits.append((kind, board, log, len(at)))

    def _proven(self) -> None:
        """What the log said just before each fault and just after it."""
        for kind, board, log, count in self._hits:
            lines = _lines(log, board)
            after = lines[count] if len(lines) > count else "the end of the sweep"
            self.told.faults.append(Fault(kind, board.name, lines[count - 1], after))

    def _at(self, process: subprocess.Popen[str], before: set[Path], board: FaultyBoard, step: str) -> Path | None:
        """Wait until the sweep's log says that a board comes to a step; None: never."""
        end, seen = time.monotonic() + PATIENCE_S, None
        while process.poll() is None and time.monotonic() < end:
            sweep = self._sweep(before)
            if sweep is not None and (sweep / "sweep.log").is_file():
                lines = _lines(sweep / "sweep.log", board)
                seen = len(lines) if seen is None else seen
                if len(lines) > seen and step in lines[-1]:
                    return sweep / "sweep.log"
            time.sleep(0.01)
        return None

    def _sweep(self, before: set[Path]) -> Path | None:
        made = [path for path in self.lab.root.glob("multirun/*/*") if path not in before]
        return max(made, key=lambda path: path.stat().st_mtime_ns, default=None)

    def _ended(self, process: subprocess.Popen[str]) -> int:
        try:
            return process.wait(SWEEP_S)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGABRT)
            process.wait()
            self.told.wrong.append(f"it hung for {SWEEP_S:.0f} s")
            return -1

    # -- judging

    def _judge(self, sweep: Path) -> None:
        results = [json.loads(path.read_text()) for path in sorted(sweep.glob("*/result.json"))]
        wrong = self.told.wrong
        if sorted(r["number"] for r in results) != [0, 1, 2, 3] or {r["status"] for r in results} != {"done"}:
            wrong.append(f"{sweep}: {[(r['number'], r['status']) for r in results]}")
        for number in range(4):
            record = json.loads((sweep / str(number) / "record.json").read_text())
            processes = [process["number"] for process in record["processes"]]
            if processes != [1, 2, 3, 4]:
                wrong.append(f"{sweep}/{number}: processes {processes}")
        if json.loads((sweep / "sweep.json").read_text())["status"] != "finished":
            wrong.append(f"{sweep}: not finished")
        self.told.retries += sum(r["retries"] for r in results)
        synced = self.lab.start("sync", str(sweep))
        text, _ = synced.communicate(timeout=SWEEP_S)
        if synced.returncode != 0:
            wrong.append(f"sync: {text}")
        wrong += self._in_mlflow(results[0]["sweep_id"])

    def _in_mlflow(self, sweep_id: str) -> list[str]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            runs = _runs(self.lab, sweep_id)
        cells = Counter(run.data.tags["cell.number"] for run in runs if run.data.tags["sweep.role"] == "cell")
        wrong = [] if cells == {str(n): 1 for n in range(4)} else [f"runs of {sweep_id} by cell: {dict(cells)}"]
        statuses = Counter(run.info.status for run in runs)
        return wrong + ([f"runs of {sweep_id}: {dict(statuses)}"] if set(statuses) != {"FINISHED"} else [])


def _runs(lab: Lab, sweep_id: str) -> list[Any]:
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{lab.root / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("edge-orchestrator")
    assert experiment is not None
    return list(client.search_runs([experiment.experiment_id], f"tags.`sweep.id` = '{sweep_id}'", max_results=200))


def _lines(log: Path, board: FaultyBoard) -> list[str]:
    """The steps of one board, as far as they are logged."""
    found = re.findall(rf"{re.escape(board.address)}: (.*)$", log.read_text(errors="replace"), re.MULTILINE)
    return [line for line in found if any(step in line for step in STEPS) and "link" not in line]


def _drained(process: subprocess.Popen[str]) -> threading.Thread:
    """Read what it says, so that it never waits for a reader."""
    assert process.stdout is not None
    out = process.stdout

    def read() -> None:
        with out:
            out.read()

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    return thread


class _closing:
    def __init__(self, witness: Witness) -> None:
        self._witness = witness

    def __enter__(self) -> Witness:
        return self._witness

    def __exit__(self, *_: object) -> None:
        self._witness.close()
