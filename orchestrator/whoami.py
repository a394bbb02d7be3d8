"""Who runs this controller."""

from __future__ import annotations

import getpass
import os


def user_name() -> str:
    """The login name; the numeric id where there is none, as in ``docker run --user 1234``."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no passwd entry (KeyError before Python 3.13)
        return str(os.getuid())
