"""Going on with a sweep that ended early, whatever ended it: which results stay, and which cells run again."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import BaseFileLock

from orchestrator import alive
from orchestrator.config import CONFIG_FILE, LAB_VARIABLE, Job, changed_keys
from orchestrator.errors import ConfigError
from orchestrator.redact import BLOT
from orchestrator.result import DONE, RESULT_FILE, SKIPPED, Result, Sweep, find_sweep, load_sweep
from orchestrator.words import counted

KEY = "resume"
NAMED = 4
"""Keys that are named of a cell that was another one."""
_OF_ANY = {KEY, "root", "tracking", "dry_run", "budget", "priority", "gate", "night"}
"""Keys that say nothing about what is measured."""
EARLIER = "earlier"
"""Folder, in that of a cell, of the results that it had before and that were no final ones."""


@dataclass(frozen=True, slots=True)
class Resumed:
    """A stored sweep that this process goes on with: the results that are final, and those that another try follows."""

    sweep: Sweep
    final: dict[int, Result]
    earlier: dict[int, Result]
    lock: BaseFileLock

    def check(self, jobs: Sequence[Job], whole: bool) -> None:
        """Raises ConfigError where a cell of the stored sweep is another one now, or, of all jobs that there will be
        (``whole``), is none of them and has no result."""
        wrong = []
        asked_for = {job.cell.directory for job in jobs}
        stored = [path.parent for path in self.sweep.directory.glob(f"*/{CONFIG_FILE}")]
        final = {result.directory for result in self.final.values()}
        missing = sorted(path.name for path in stored if path not in asked_for and path not in final)
        if whole and missing:
            wrong.append(f"it has {counted(len(missing), 'cell')} more ({', '.join(missing[:5])}) without a result")
        for job in jobs:
            path = job.cell.directory / CONFIG_FILE
            if path.is_file() and (keys := changed_keys(job, path)):
                more = f" and {len(keys) - NAMED} more" if len(keys) > NAMED else ""
                wrong.append(f"cell {job.cell.number} had another {', '.join(keys[:NAMED])}{more}")
        if wrong:
            raise ConfigError(
                f"the sweep {self.sweep.id} was of something else: {'; '.join(wrong[:5])}",
                hint=f"give the command line that it was started with: {self.sweep.command}",
            )


def asked(arguments: Sequence[str]) -> str | None:
    """What ``resume=`` names on a command line."""
    given = [word.partition("=")[2] for word in arguments if word.partition("=")[0] in (KEY, f"+{KEY}", f"++{KEY}")]
    if not given or given[-1] in ("", "null"):
        return None
    return _unquoted(given[-1])


def resumed(name: str, arguments: Sequence[str], default_root: Path) -> Resumed:
    """The stored sweep called ``name``.

    Raises ConfigError where there is none, and where its controller still runs, or may run on another machine.
    """
    if any(word.partition("=")[0] == "hydra.sweep.dir" for word in arguments):
        raise ConfigError("resume= goes on in the folder of the sweep", hint="leave hydra.sweep.dir alone")
    directory = find_sweep(root_of(arguments, default_root), name)
    try:
        lock = alive.alone(directory)  # before anything of it is read: another process may be about to finish it
    except ConfigError as error:
        pid = load_sweep(directory)[0].controller.get("pid")
        raise ConfigError(f"{directory.name} still runs, as process {pid} of this machine") from error
    sweep, results = load_sweep(directory)
    if sweep.reproduces:
        raise ConfigError(f"{sweep.id} reproduces a cell", hint=f"start it again: reproduce {sweep.reproduces}")
    if sweep.status == "running":
        state = alive.state_of(sweep.controller)
        if state == alive.RUNNING:
            raise ConfigError(f"{sweep.id} still runs, as process {sweep.controller.get('pid')} of this machine")
        if state == alive.ELSEWHERE and name == "last":
            host = sweep.controller.get("host")
            raise ConfigError(
                f"{sweep.id} runs on {host}, or died there", hint=f"once it is dead there: resume={sweep.id}"
            )
    final = {result.number: result for result in results if is_final(result)}
    return Resumed(sweep, final, {r.number: r for r in results if r.number not in final}, lock)


def words(arguments: Sequence[str], earlier: Resumed) -> list[str]:
    """The command line to go on with: where the sweep lies and, if nothing else is asked for, what it was of."""
    folder = str(earlier.sweep.directory).replace("\\", "\\\\").replace("'", "\\'")
    where = f"hydra.sweep.dir='{folder}'"
    given = [word for word in arguments if not word.startswith("-")]
    if any(word.lstrip("+").split("=")[0].split(".")[0] not in _OF_ANY for word in given):
        return [*arguments, where]
    first = shlex.split(earlier.sweep.command)[3:]
    if BLOT in earlier.sweep.command:
        raise ConfigError(
            f"the command line of {earlier.sweep.id} held a secret, which was not kept",
            hint=f"give it again: {earlier.sweep.command} resume={earlier.sweep.id}",
        )
    lab = first[:1] == ["--config-dir"]
    if lab and os.environ.get(LAB_VARIABLE) != first[1]:
        raise ConfigError(
            f"{earlier.sweep.id} used the lab {first[1]}",
            hint=f"python -m orchestrator --config-dir {shlex.quote(first[1])} resume={earlier.sweep.id}",
        )
    return [*first[2 if lab else 0 :], *given, where]


def is_final(result: Result) -> bool:
    """A number, an impossible combination, or a benchmark that failed by itself: it would fail again."""
    if result.status in (DONE, SKIPPED):
        return True
    return result.error is not None and not result.error.infrastructure


def root_of(arguments: Sequence[str], default: Path) -> Path:
    """Where stored sweeps lie and new ones will: ``root=``, else ``default``. Raises ConfigError."""
    given = [word.partition("=")[2] for word in arguments if word.startswith("root=")]
    if "" in given:
        raise ConfigError("root= names no folder")
    return Path(_unquoted(given[-1]) if given else default).expanduser().resolve()


def _unquoted(text: str) -> str:
    try:
        return shlex.split(text)[0]
    except (ValueError, IndexError):
        raise ConfigError(f"{text} names nothing", hint="close the quotation") from None


def put_aside(result: Result, directory: Path) -> None:
    """Keep an earlier result, which a new one follows; what the tracker has confirmed of it is no longer true."""
    from orchestrator.tracking.writer import DELIVERED_FILE

    folder = directory / EARLIER
    folder.mkdir(exist_ok=True)
    (directory / DELIVERED_FILE).unlink(missing_ok=True)
    path = directory / RESULT_FILE
    if path.is_file():
        (folder / f"{result.started_s:.3f}.json").write_bytes(path.read_bytes())
