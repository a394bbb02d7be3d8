"""Settings of the board that a session changes and puts back, whatever becomes of it.

Each change is in a journal on the disk before it is made and until it is undone. Who finds a journal, because the
supervisor that wrote it was killed, undoes it first.
"""

from __future__ import annotations

import os
import threading

from remote.files import read_json, write_json
from remote.process import boot_id
from remote.schema import clean
from remote.tune.root import Refused
from remote.tune.settings import KINDS, Board
from remote.tune.targets import named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from remote.tune.targets import Target

JOURNAL = "tuning.json"
_STORE = "jetson_clocks.conf"
_MAX_TEXT = 200


class Tuning:
    """One per supervisor; its methods may be called from any thread."""

    def __init__(self, workdir: str, base: str = "/") -> None:
        self._base = base
        self._path = os.path.join(workdir, JOURNAL)
        self._store = os.path.join(workdir, _STORE)
        self._lock = threading.Lock()
        self._wanted: dict[str, Any] = {}
        self._settings: list[Any] = []
        self._outcomes: list[dict[str, Any]] = []
        self._closed = False
        self._changes = _journalled(self._path)
        self.left = self._undo()
        """In words, what another session had left behind and what became of it."""

    def apply(self, wanted: dict[str, Any]) -> list[dict[str, Any]]:
        """Make the board as wanted, what was wanted before undone; for each setting what came of it.

        Asked for the same again, it looks only. Never raises for a setting: its reason says why it is not as wanted.
        """
        with self._lock:
            if not self._closed and wanted != self._wanted:
                self._undo()
                self._wanted = wanted
                board = Board(self._base, self._store, wanted.get("cpus") or [])
                asked = [(kind, wanted.get(kind.name)) for kind in KINDS]
                self._settings, self._outcomes = [], []
                for kind, value in asked:
                    if value is not None and value is not False:
                        setting = kind(board, value)
                        self._settings.append(setting)
                        self._outcomes.append(self._set(setting))
            return [dict(outcome) for outcome in self._outcomes]

    def look(self) -> list[dict[str, Any]]:
        """What came of each setting, as it is now: something else may have changed it since."""
        with self._lock:
            for setting, outcome in zip(self._settings, self._outcomes):
                now = setting.read()
                if now != outcome["now"]:
                    outcome["now"] = _short(now)
                    outcome["reason"] = None if now == outcome["wanted"] else "something else has changed it since"
            return [dict(outcome) for outcome in self._outcomes]

    def restore(self, for_good: bool = False) -> list[str]:
        """Put everything back; in words, what is not as it was before. ``for_good``: nothing is changed any more."""
        with self._lock:
            self._closed = self._closed or for_good
            self._wanted, self._settings, self._outcomes = {}, [], []
            return self._undo()

    # -- one setting

    def _set(self, setting: Any) -> dict[str, Any]:
        before, reason = setting.read(), None
        try:
            for target, value in setting.changes():
                self._change(setting.name, target, value)
        except Refused as refused:
            reason = clean(str(refused), 1000)
        now = setting.read()
        if now == setting.wanted:
            reason = None
        outcome = {"setting": setting.name, "wanted": setting.wanted, "before": _short(before), "now": _short(now)}
        return dict(outcome, reason=reason or (None if now == setting.wanted else "it was written and reads otherwise"))

    def _change(self, name: str, target: Target, value: str) -> None:
        """Raises :class:`Refused`; then nothing was changed."""
        before = target.read()
        if before == value:
            return
        if before is None:
            raise Refused("what it is now cannot be read, so it could not be put back")
        change: dict[str, Any] = {
            "setting": name,
            "target": target.words,
            "before": before,
            "after": [value],
            "boot_id": boot_id(),
        }
        older = self._of(target.words)
        if older is not None:  # what could not be put back: the value before all of our changes is the one to keep
            change["before"] = older["before"]
            self._changes.remove(older)
        self._changes.append(change)
        try:
            self._save()
        except OSError as error:
            self._forget(change, older)
            raise Refused("it could not be noted down how to put it back: %s" % error) from error
        try:
            target.write(value)
        except Refused:
            if target.read() == before:
                self._forget(change, older)
                self._save_if_it_goes()
            raise
        now = target.read()
        if now is not None and now != value:  # as the kernel rounds it
            change["after"].append(now)
            self._save_if_it_goes()

    def _of(self, words: list[str]) -> dict[str, Any] | None:
        return next((change for change in self._changes if change["target"] == words), None)

    def _forget(self, change: dict[str, Any], older: dict[str, Any] | None) -> None:
        self._changes.remove(change)
        if older is not None:
            self._changes.append(older)

    # -- undoing

    def _undo(self) -> list[str]:
        """The last change first; what cannot be undone stays in the journal for the next try."""
        if not self._changes:
            return []
        said, kept = [], []
        for change in reversed(self._changes):
            words, done = self._back(change)
            said += words
            if not done:
                kept.append(change)
        self._changes = kept[::-1]
        self._save_if_it_goes()
        return [clean(words, 500) for words in said]

    def _back(self, change: dict[str, Any]) -> tuple[list[str], bool]:
        """What there is to say of it, and whether it needs no more looking after."""
        target = named(self._base, self._store, change["target"])
        if target is None or (not target.lasts and change.get("boot_id") != boot_id()):
            return [], True  # a restart has put it back
        name, before, now = " ".join(target.words), str(change["before"]), target.read()
        if now == before:
            return [], True
        if now is not None and now not in change["after"]:
            return ["%s: something else has made it %s since; it was %s and is left so" % (name, now, before)], True
        try:
            target.write(before)
            now = target.read()
            reason = "it reads otherwise"
        except Refused as refused:
            reason = str(refused)
        if now == before:
            return [], True
        return ["%s is still %s and was %s: it could not be put back: %s" % (name, now, before, reason)], False

    def _save(self) -> None:
        """Raises OSError."""
        if self._changes:
            write_json(self._path, self._changes)
        elif os.path.exists(self._path):
            os.remove(self._path)

    def _save_if_it_goes(self) -> None:
        """An older journal says more than is needed, and undoing looks at what is there."""
        try:
            self._save()
        except OSError:
            return


def _journalled(path: str) -> list[dict[str, Any]]:
    """What a journal says; nothing where there is none, or somebody else has written it."""
    found = read_json(path) if os.path.exists(path) else None
    kinds = {"target": list, "before": str, "after": list}
    changes = found if isinstance(found, list) else []
    return [
        change
        for change in changes
        if isinstance(change, dict) and all(isinstance(change.get(key), kind) for key, kind in kinds.items())
    ]


def _short(value: str | None) -> str | None:
    return clean(value, _MAX_TEXT) if value is not None else None
