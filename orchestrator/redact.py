"""No secret of an address gets into a file, a terminal or a tracker."""

from __future__ import annotations

import re

_SPLIT_PASSWORD = re.compile(r"""(?<=://)[^/\s"'@\[\]]+:(?!\d*(?:[/?\s"']|$))[^\s"']*@""")
"""``u:p/w@``: SQLAlchemy takes a slash in a password. ``host:80/x@y`` is none: what follows its colon is a port."""
_USER = re.compile(r"""(?<=://)[^/\s"']+@""")
_QUERY = re.compile(r"""(://[^\s"'?]*\?)[^\s"']*""")

BLOT = "***"


def redacted(text: str) -> str:
    """``text`` in which every address has lost its ``user:password@`` and its query, where tokens are.

    Works on any text, also twice. What was cut shows as ``***``: an address without it can be used as it stands.
    """
    text = _SPLIT_PASSWORD.sub(f"{BLOT}@", text)
    text = _USER.sub(f"{BLOT}@", text)
    return _QUERY.sub(rf"\g<1>{BLOT}", text)
