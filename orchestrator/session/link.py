"""The link to the supervisor on one board: taking the hold, coming back to it, giving it up."""

from __future__ import annotations

import json
import logging
import secrets
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from orchestrator.connection import Connection, LocalServer, ProgramEnded, connect
from orchestrator.device import Board
from orchestrator.errors import BoardError, BoardNotReady, ConnectionFailed, HoldLost, Interrupted
from orchestrator.plain import plain
from orchestrator.provisioning import Facts, Program, deploy, facts
from orchestrator.session import metering, tuning
from orchestrator.session.dialogue import Dialogue
from orchestrator.session.holds import Holds, hold_key
from orchestrator.session.waiting import Waiting, held_words
from orchestrator.whoami import user_name
from remote import contract
from remote.hold import YIELD_S

log = logging.getLogger(__name__)

LINK_LOST = (ConnectionFailed, ProgramEnded)
"""Also when only the program at the other end of the channel is gone: the supervisor behind it goes on."""
LOOK_S = 10.0

LOST, BACK = "link lost, reconnecting", "the link is back"
"""What a session says that people must not miss."""

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Workshop:
    """What every session of a sweep shares."""

    program: Program
    cache: Path
    sweep_id: str
    local: LocalServer | None = None
    holds: Holds | None = None  # tokens that outlive this process; None: nobody goes on with its sessions
    priority: int = 0  # of the sweep: a higher one gets its boards between two turns


class Link:
    """The hold of one board and the connection to it, from :meth:`open` to :meth:`close`; used by one thread.

    A lost connection does not end it: the supervisor on the board goes on, and :meth:`open` takes the same hold up
    again.
    """

    def __init__(self, board: Board, workshop: Workshop, stop: threading.Event) -> None:
        self.board = board
        self.workshop = workshop
        self.stop = stop
        self._token = _token(workshop, board)  # lets this session, and nobody else, attach again after a lost link
        self._connection: Connection | None = None
        self._dialogue: Dialogue | None = None
        self.ended_by: HoldLost | None = None  # somebody else ended the hold: it is not ours to take again
        self._said: list[str] = []  # what people have to be told, once
        self._told: set[str] = set()
        self._came = False  # whether it was open before
        self._probed = False  # whether the meter was asked for a reading
        self.facts: Facts | None = None

    def open(self, progress: Progress, wait_s: float) -> Facts:
        """Connect, look at the board, bring the program and take the hold; a second time, take it up again.

        ``wait_s`` is how long to wait for somebody else's hold. One of a lower priority is waited for up to ``YIELD_S``
        in any case, since its turn ends before.

        Raises:
            BoardError: as the class says; nothing stays open.
            Interrupted: the sweep ends.
        """
        self._drop()
        progress("connecting")
        try:
            connection = self._connect()
            progress("looking at the board")
            self.facts = facts(connection, self.board.device, self.board.workdir)
            deploy.push_program(connection, self.facts, self.board.device, self.workshop.program)
            progress("taking the hold")
            self._attach(connection, wait_s, progress, claim=not self._came)
            self._came = True
            self._set(progress)
            self._probe(progress)
        except BaseException:
            self._drop()
            raise
        return self.facts

    def close(self) -> None:
        """End the hold and the connection; never raises, whatever state the link is in."""
        try:
            if self._dialogue is not None:
                set_back = tuning.wanted(self.board.device) is not None
                answer = self._dialogue.request("release", timeout_s=tuning.RELEASE_S if set_back else 10.0)
                self._say(tuning.left_behind(answer))
        except BoardError as error:
            log.warning("%s: the hold was not released cleanly and ends by itself: %s", self.board.name, error)
        finally:
            self._drop()

    def waiting(self) -> Waiting | None:
        """Who of a higher priority waits for the board, asked between two turns. Never raises: None also where that
        cannot be told. A hold that was ended meanwhile shows in ``ended_by``."""
        try:
            told = self.talk().request("waiting", timeout_s=LOOK_S).get("waiting")
            return Waiting.parsed(told, above=self.workshop.priority)
        except HoldLost as error:
            self.ended_by = error
        except (BoardError, Interrupted) as error:  # also of a supervisor that does not know the question
            log.info("%s: nobody can be seen waiting: %s", self.board.name, error)
        return None

    def news(self) -> list[str]:
        """What people must not miss about the board's settings, and have not been told yet."""
        said, self._said = self._said, []
        self._told.update(said)
        return said

    def _say(self, words: list[str]) -> None:
        self._said += [one for one in words if one not in self._told and one not in self._said]

    def _set(self, progress: Progress) -> None:
        """Ask for the device's settings; a setting that the board refuses is told, and no reason not to measure."""
        settings = tuning.wanted(self.board.device)
        if settings is not None:
            progress("setting the board")
            answer = self.talk().request("tune", settings=settings, timeout_s=tuning.TUNE_S)
            self._say(tuning.troubles(answer))

    def _probe(self, progress: Progress) -> None:
        """Ask the meter for one reading, once; that it gives none is told, and no reason not to measure."""
        if self.board.meter is not None and not self._probed:
            progress("reading the meter")
            self._say([plain(words) for words in metering.trouble(self.board, self.workshop.program, self.stop)])
            self._probed = True

    def _connect(self) -> Connection:
        self._connection = connect(self.board, local=self.workshop.local, stop=self.stop)
        return self._connection

    def _attach(self, connection: Connection, wait_s: float, progress: Progress, claim: bool = False) -> None:
        """``claim``: also where somebody has ended our hold before."""
        board_facts, device = self.known_facts(), self.board.device
        holder = {"user": user_name(), "host": socket.gethostname(), "sweep": self.workshop.sweep_id}
        argv = [*deploy.program_command(board_facts, device, self.workshop.program), "attach"]
        argv += ["--workdir", board_facts.workdir, "--hold", self.board.hold, "--session", self._token]
        argv += ["--wait", f"{wait_s:g}", "--holder", json.dumps(holder), "--claim", "1" if claim else "0"]
        priority = self.workshop.priority
        argv += ["--priority", str(priority)]
        stream, say = connection.open_stream(argv), _once(progress)
        self._dialogue = Dialogue(stream, self.stop, lambda told: say(held_words(told, priority)))
        hello = self._dialogue.request("hello", timeout_s=max(wait_s, YIELD_S) + 30.0)
        spoken = str(hello.get("contract"))[:20]
        if spoken != str(contract.CONTRACT):
            raise BoardNotReady(
                f"the supervisor on the board speaks contract {spoken}, this controller {contract.CONTRACT}",
                hint="wait until the other controller is done, or use the same version on both",
            )
        self._say(tuning.left_behind(hello))

    def _drop(self) -> None:
        """Close the connection without a word to the other side."""
        if self._connection is not None:
            self._connection.close()
        self._connection = self._dialogue = None

    def known_facts(self) -> Facts:
        """Of the board, from the first opening on. Raises BoardError before that."""
        if self.facts is None:
            raise BoardError("the session is not open", board=self.board.name)
        return self.facts

    def talk(self) -> Dialogue:
        """The conversation with the supervisor. Raises ConnectionFailed if there is none."""
        if self._dialogue is None:
            raise ConnectionFailed("the session has no connection", board=self.board.name)
        return self._dialogue

    def need_connection(self) -> Connection:
        """The open connection. Raises ConnectionFailed if there is none."""
        if self._connection is None:
            raise ConnectionFailed("the session has no connection", board=self.board.name)
        return self._connection

    # -- across lost connections ---------------------------------------------------------------------------------

    def patiently(self, ask: Callable[[], object], progress: Progress) -> None:
        """Ask once more over a new connection when the first one is gone; everything asked for is idempotent."""
        try:
            ask()
        except LINK_LOST as error:
            self.reconnect(error, progress)
            ask()

    def reconnect(self, cause: BoardError, progress: Progress) -> None:
        """Come back to the same supervisor, which goes on without us.

        Raises:
            ConnectionFailed: the board stayed away for ``device.reconnect_s``; its job goes on meanwhile.
            Interrupted: the sweep ends meanwhile.
        """
        deadline, delay_s = time.monotonic() + self.board.device.reconnect_s, 1.0
        progress(LOST)
        while not self.stop.wait(delay_s):
            self._drop()
            try:
                self._attach(self._connect(), 0.0, progress)
                self._set(progress)
                progress(BACK)
                return
            except LINK_LOST as error:
                if time.monotonic() > deadline:
                    raise ConnectionFailed(f"the link was lost ({cause.message}) and did not come back") from error
                delay_s = min(delay_s * 2, 15.0)
        raise Interrupted("interrupted while the link was lost; the job ends at its deadline") from cause


def _once(tell: Progress) -> Progress:
    """Tells what is new."""
    last = [""]

    def changed(words: str) -> None:
        if words != last[0]:
            last[0] = words
            tell(words)

    return changed


def _token(workshop: Workshop, board: Board) -> str:
    try:
        return workshop.holds.token(hold_key(board)) if workshop.holds else secrets.token_hex(16)
    except OSError as error:  # a full disk: the hold will end by itself
        log.warning("%s: its hold cannot be taken up by another process: %s", board.name, error)
        return secrets.token_hex(16)
