"""What somebody who mistyped a word probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """``did you mean 'threads'? ``, empty where nothing known looks like it."""
    close = difflib.get_close_matches(str(word), list(known), 1)
    return f"did you mean '{close[0]}'? " if close else ""
