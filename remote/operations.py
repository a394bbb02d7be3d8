"""What a session may ask its supervisor for, one function each; the answer, or None where it comes later."""

from __future__ import annotations

import os
import sys
import time

from remote import contract, files, jobs, shelf, waiting
from remote.process import boot_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

    from remote.server import Server
    from remote.wire import Client

    Operation = Callable[[Server, Client, dict[str, Any]], dict[str, Any] | None]


def _hello(server: Server, client: Client, data: dict[str, Any]) -> dict[str, Any]:
    known = {"contract": contract.CONTRACT, "pid": os.getpid(), "boot_id": boot_id(), "workdir": server.workdir}
    return dict(known, left=server.tuning.left)


def _clock(server: Server, client: Client, data: dict[str, Any]) -> dict[str, Any]:
    """At once, also while a job runs: the controller finds by round trips how far our clock is from its own."""
    return {"t": time.monotonic()}


# -- the board and what lies on it


def _adopt(server: Server, client: Client, data: dict[str, Any]) -> None:
    part, sha256, size = data.get("part"), data.get("sha256"), data.get("size")
    server.aside.begin(client, data.get("id"), lambda: files.adopt(server.workdir, part, sha256, size))


def _unpack(server: Server, client: Client, data: dict[str, Any]) -> None:
    server.aside.begin(client, data.get("id"), lambda: files.unpack(server.workdir, data.get("blob"), data.get("env")))


def _tune(server: Server, client: Client, data: dict[str, Any]) -> dict[str, Any] | None:
    """While a job runs nothing is changed, and looking would disturb it."""
    wanted = contract.check_tune(data.get("settings"))
    if server.running:
        return {"tuning": server.tuned}
    server.aside.begin(client, data.get("id"), lambda: {"tuning": server.tuning.apply(wanted)})
    return None


def _room(server: Server, client: Client, data: dict[str, Any]) -> None:
    """For an upload: what was used least lately goes, never what a job needs."""
    needed, limit = jobs.whole(data.get("bytes"), "size"), jobs.whole(data.get("limit"), "limit")
    keep = {str(name) for name in data.get("keep") or []} | {os.path.basename(os.path.abspath(sys.argv[0]))}
    if server.running:
        keep |= {name for _, name in jobs.needs(server.running.job)}
    server.aside.begin(client, data.get("id"), lambda: server.shelf.room(needed, limit, keep))


# -- jobs


def _start(server: Server, client: Client, data: dict[str, Any]) -> dict[str, Any]:
    job = contract.check_job(data.get("job"))
    paths = jobs.Paths(server.workdir, str(job["run_id"]))
    known = files.read_json(paths.job)
    if known is None and os.path.lexists(paths.job):
        raise files.FileError("BoardNotReady", "%s cannot be read" % paths.job)
    if known is not None:
        if known != job:
            raise files.FileError("JobConflict", "another job has the run id %s" % job["run_id"])
        return {"status": server.ledger.settle(str(job["run_id"]), server.running)}
    if server.running:
        raise files.FileError("JobRunning", "%s runs; one job at a time" % server.running.run_id)
    _need(server, job)
    server.run(job)
    return {"status": contract.RUNNING}


def _need(server: Server, job: dict[str, Any]) -> None:
    """What a job names must be here; better said now than by a runtime that cannot open a file."""
    paths = server.paths(job)
    for path in paths:
        if not os.path.exists(path):
            raise files.FileError("MissingFile", "%s is not on this board" % os.path.relpath(path, server.workdir))
    server.shelf.use(paths)


def _follow(server: Server, client: Client, data: dict[str, Any]) -> None:
    run_id, offset = jobs.checked_run_id(data.get("run_id")), data.get("offset", 0)
    if type(offset) is not int or offset < 0:
        raise files.FileError("BadRequest", "%s is no offset" % repr(offset)[:80])
    status = server.ledger.settle(run_id, server.running)
    client.send({"id": data.get("id"), "ok": {"status": status}})
    client.follows[run_id] = offset
    server.pump()


def _cancel(server: Server, client: Client, data: dict[str, Any]) -> dict[str, Any]:
    run_id = jobs.checked_run_id(data.get("run_id"))
    if server.running and server.running.run_id == run_id:
        server.running.end(contract.CANCELLED)
        return {"status": contract.RUNNING}
    return {"status": server.ledger.settle(run_id, server.running)}


def _jobs(server: Server, client: Client, data: dict[str, Any]) -> dict[str, Any]:
    """Those of a sweep that nobody has taken home: of a controller that died, say."""
    return {"jobs": server.ledger.listed(str(data.get("prefix")), server.running)}


def _taken(server: Server, client: Client, data: dict[str, Any]) -> dict[str, Any]:
    ids = [jobs.checked_run_id(run_id) for run_id in data.get("run_ids") or []]
    return {"taken": shelf.take(server.workdir, ids)}


# -- the hold


def _waiting(server: Server, client: Client, data: dict[str, Any]) -> dict[str, Any] | None:
    """Who waits for the board with a higher priority than its holder's; while a job runs nobody is looked for."""
    if server.running:
        return {"waiting": None}
    look = waiting.best
    server.aside.begin(client, data.get("id"), lambda: {"waiting": look(server.name, server.priority, server.passed)})
    return None


def _release(server: Server, client: Client, data: dict[str, Any]) -> None:
    server.release(client, data.get("id"))


OPERATIONS: dict[str, Operation] = {
    "hello": _hello,
    "clock": _clock,
    "adopt": _adopt,
    "unpack": _unpack,
    "tune": _tune,
    "room": _room,
    "jobs": _jobs,
    "taken": _taken,
    "start": _start,
    "follow": _follow,
    "cancel": _cancel,
    "waiting": _waiting,
    "release": _release,
}
