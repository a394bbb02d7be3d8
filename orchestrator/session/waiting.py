"""Who else wants a board: one that waits for ours, and one whose hold we wait for. Words from boards, not trusted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from orchestrator.plain import plain
from remote import hold


@dataclass(frozen=True, slots=True)
class Waiting:
    """Somebody of a higher priority than the sweep that holds the board. Names are empty where they cannot be told."""

    priority: int
    user: str = ""
    host: str = ""

    @classmethod
    def parsed(cls, told: object, above: int) -> Waiting | None:
        """None for nobody, for what makes no sense, and for a priority that is not ``above``."""
        if not isinstance(told, dict):
            return None
        priority = hold.priority_of(told.get("priority"))
        if priority is None or priority <= above:
            return None
        names = hold.short_texts(told)
        return cls(priority, names.get("user", ""), names.get("host", ""))

    def __str__(self) -> str:
        return who_words({"user": self.user, "host": self.host, "priority": self.priority})


def who_words(told: dict[str, Any]) -> str:
    """``ann@desk``, or ``nightly@rack (priority -10)`` where the priority is not that of a person at a desk."""
    names = hold.short_texts(told)
    user, host = names.get("user"), names.get("host")
    who = "somebody" if not user and not host else f"{user or 'somebody'}@{host or 'an unknown host'}"
    priority = hold.priority_of(told.get("priority"))
    return plain(who) + (f" (priority {priority})" if priority else "")


def held_words(told: object, priority: int) -> str:
    """What a sweep of that priority waits for; ``told`` is the holder as the board tells it."""
    holder = told if isinstance(told, dict) else {}
    theirs = hold.priority_of(holder.get("priority"))
    gives_way = theirs is not None and theirs < priority
    return f"held by {who_words(holder)}, waits {'for its turn to end' if gives_way else 'until it is free'}"
