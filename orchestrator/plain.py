"""Text that came from a board, an archive or a user, made fit to be shown."""

from __future__ import annotations

import math


def plain(value: object) -> str:
    """Text that cannot steer a terminal, on one line; empty for what is missing.

    Escape sequences, control characters, line ends and marks that turn the direction of writing become spaces.
    Markup is another matter: ``rich.markup.escape`` it as well where it is printed with markup.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return "".join(c if c.isprintable() else " " for c in str(value))
